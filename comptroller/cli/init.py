"""`comptroller init`: settings and a first policy for a new project; never overwrites what is there."""

from importlib.resources import files
from pathlib import Path

from comptroller.cli import screen
from comptroller.cli.main import Misuse

_IGNORE = ".comptroller/"
_FILES = {"comptroller.yaml": "comptroller.yaml", "policies/starter.yaml": "starter.yaml"}


def init(directory: str) -> None:
    """Write the starter files and say what to do next."""
    base = Path(directory)
    there = [name for name in _FILES if (base / name).exists()]
    if there:
        raise Misuse(
            f"{base / there[0]} is there already, and nothing is overwritten. Move it away, or name another directory."
        )
    for name, source in _FILES.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        text = files("comptroller.cli").joinpath("starter", source).read_text(encoding="utf-8")
        with (base / name).open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        screen.say(f"wrote {screen.clean(base / name)}")
    if _ignore(base / ".gitignore"):
        screen.say(f"added {_IGNORE} to {screen.clean(base / '.gitignore')}")
    _explain(base)


def _ignore(path: Path) -> bool:
    """Keep the ledger out of version control: it holds keys."""
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    if any(line.strip().strip("/") == _IGNORE.strip("/") for line in lines):
        return False
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(("\n" if lines and lines[-1] else "") + f"{_IGNORE}\n")
    return True


def _explain(base: Path) -> None:
    there = "" if base == Path() else f"  cd {screen.clean(base)}\n"
    screen.say(
        f"""
Next:
{there}  comptroller policy test policies/      run the tests inside the starter policy

Then govern a client in your program, and run it in this directory:

  import comptroller as ct
  from openai import OpenAI

  client = ct.wrap(OpenAI())
  with ct.run("first-steps", budget="0.50 USD"):
      client.chat.completions.create(...)

  comptroller runs tree last             see what it did, and what it cost

Agents that you cannot change are governed by a gateway:

  comptroller run -- CMD                 start one program behind a gateway of its own
  comptroller up                         serve all who point their base URL at it, and the console
  comptroller console                    the console alone: runs, policies, spend, in a browser"""
    )
