"""Every benchmark one after the other, each in a process of its own: `python -m benchmarks [NAME...]`."""

import subprocess
import sys
from pathlib import Path

FIRST = ["overhead", "imports", "decision", "scan", "purse", "prices", "journal", "books", "conversation", "memory"]
NOT_ONE = {"__init__", "__main__", "bare", "table"}
WHEN_NAMED = {"peers"}  # installs other gateways first


def main() -> int:
    """Run what is named, else all that install nothing; the exit code says whether any failed to run."""
    names = sys.argv[1:] or _all()
    failed = [name for name in names if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode]
    if failed:
        print(f"\nFailed to run: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _all() -> list[str]:
    here = {path.stem for path in Path(__file__).parent.glob("*.py")} - NOT_ONE - WHEN_NAMED
    return [name for name in FIRST if name in here] + sorted(here - set(FIRST))


if __name__ == "__main__":
    sys.exit(main())
