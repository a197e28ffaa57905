"""`python -m comptroller.cli` does what the `comptroller` command does."""

from comptroller.cli import main

main()
