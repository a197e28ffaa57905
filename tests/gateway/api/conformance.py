"""What schemathesis finds at `/api`, asked through a gateway: `python -m tests.gateway.api.conformance`.

It reads the OpenAPI document, asks whatever that allows and forbids, and compares every reply with what is written.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from comptroller.gateway.api import process
from comptroller.gateway.api.rights import RIGHTS
from comptroller.gateway.gate import Gate
from comptroller.gateway.server import background
from comptroller.office.keys import Key
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.run import Run
from tests.gateway.house import FewKeys

# Not `ignored_auth`: it leaves the key in that stands on its own command line, and then wonders that it is let in.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,unsupported_method,use_after_free"
)

# A body beyond all bounds is refused before anybody reads what is wrong inside.
TOO_LARGE_TOO = "[checks]\nnegative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 413, 415]\n"


def check(place: Path, examples: int, phases: str, seed: int, quiet: bool = True) -> subprocess.CompletedProcess[str]:
    """Run schemathesis against a gateway on a ledger of its own; its exit code is 0 where nothing was found."""
    with Desk.open(place / "ledger", {}) as desk, process.started(desk.settings):
        with Run("loans", customer="acme", desk=desk) as run:
            run.claim("loan.decided", subject="acme")
        # A key that is not in the ledger: one that was would be found, and revoked under its own feet.
        with background(Gate.of(desk, FewKeys(all=Key("key_all", scopes=RIGHTS)))) as url:
            command = [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/api/openapi.json"),
                *("--header", "authorization: Bearer ck_all", "--checks", CHECKS, "--phases", phases),
                *("--max-examples", str(examples), "--seed", str(seed), "--wait-for-schema", "30"),
                *("--suppress-health-check", "all", "--warnings", "off", "--no-color", "--generation-database", "none"),
            ]
            (place / "schemathesis.toml").write_text(TOO_LARGE_TOO)
            surroundings = {**os.environ, "NO_PROXY": "127.0.0.1"}
            return subprocess.run(command, env=surroundings, capture_output=quiet, text=True, cwd=place, check=False)


def main() -> None:
    """As long as one likes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=300, help="for each route")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        sys.exit(check(Path(place), said.examples, said.phases, said.seed, quiet=False).returncode)


if __name__ == "__main__":
    main()
