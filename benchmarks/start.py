"""From starting `comptroller up` on a new ledger to its first answer."""

import argparse
import subprocess
import sys
import tempfile
import time
import urllib.request

from benchmarks.table import conditions, median, table


def main() -> None:
    """Start it several times and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    took = sorted(_start() for _ in range(parser.parse_args().times))
    row = [f"{median(took):.2f}", f"{took[-1]:.2f}"]
    table(f"starting the gateway ({conditions()})", ("", "median s", "slowest s"), [["to the first answer", *row]])


def _start() -> float:
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "comptroller.cli",
            "up",
            "--no-console",
            "--port",
            "0",
            "--ledger",
            f"{folder}/ledger",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1].decode()
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(f"{url}/healthz") as reply:
                assert reply.status == 200
            took = time.perf_counter() - begun
            process.terminate()
            process.wait()
        return took


if __name__ == "__main__":
    main()
