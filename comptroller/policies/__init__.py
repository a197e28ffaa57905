"""When a rule applies and what happens then: policy files, compiled into a book that decides."""
