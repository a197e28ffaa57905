"""The console over books with ten million calls: a generator, and what its queries take."""
