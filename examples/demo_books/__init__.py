"""A month of business with three customers, closed: `make demo-books`."""
