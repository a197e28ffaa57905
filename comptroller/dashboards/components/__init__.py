"""The console's own components: each turns rows into compact data in Python and draws them in the browser by hand."""
