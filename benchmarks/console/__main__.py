"""`python -m benchmarks.console make LEDGER [--calls N]`, then `... queries LEDGER` or `... pages LEDGER`."""

import argparse
from pathlib import Path

from benchmarks.console import make, pages, queries


def main() -> None:
    """Make a ledger with full books, or time every query of the console on one."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="make a ledger whose books hold many calls")
    making.add_argument("ledger", type=Path)
    making.add_argument("--calls", type=int, default=10_000_000)
    asking = commands.add_parser("queries", help="time every query of the console")
    asking.add_argument("ledger", type=Path)
    asking.add_argument("--rounds", type=int, default=7)
    looking = commands.add_parser("pages", help="open every page in a browser; needs Chromium")
    looking.add_argument("ledger", type=Path)
    looking.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    if arguments.command == "make":
        make.ledger(arguments.ledger, arguments.calls)
    elif arguments.command == "pages":
        pages.report(arguments.ledger, arguments.rounds)
    else:
        queries.report(arguments.ledger, arguments.rounds)


if __name__ == "__main__":
    main()
