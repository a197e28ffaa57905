"""The command line: thin at the door, so that an install without it says what is missing in one line."""

import sys


def main() -> None:
    """What the `comptroller` command runs."""
    try:
        from comptroller.cli.main import run
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        print(
            "The command line is part of the server extra. Install it: pip install 'comptroller[server]'.",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(run())
