"""Nothing users can type, set or import goes undocumented, and the examples in the documents run."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

import comptroller
from benchmarks.__main__ import NOT_ONE
from comptroller.core.settings import Settings
from comptroller.metering.rating import frame as price_frame
from comptroller.metering.rating.reader import MODELS
from comptroller.office.cases.file import read_cases, try_cases
from comptroller.policies import document
from comptroller.policies.load import load_policies, packs
from comptroller.policies.trial import run_tests
from comptroller.testing.upstream import Say, Upstream

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks/README.md"]
)
EXAMPLES = re.compile(r"^```python run\n(.*?)^```", re.MULTILINE | re.DOTALL)
POLICIES = re.compile(r"^```yaml policy\n(.*?)^```", re.MULTILINE | re.DOTALL)
CASES = re.compile(r"^```yaml cases\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")


def sections(text: str) -> dict[str, str]:
    """What stands under each third-level heading, by the heading without its backticks."""
    parts = re.split(r"^### (.+)$", text, flags=re.MULTILINE)
    return {parts[i].replace("`", "").strip(): parts[i + 1] for i in range(1, len(parts), 2)}


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line there is, with its options."""
    typer = pytest.importorskip("typer")
    from comptroller.cli.main import app

    def walk(command: object, path: list[str]) -> Iterator[tuple[str, list[str]]]:
        children = getattr(command, "commands", None)
        if children is not None:
            for name, child in children.items():
                yield from walk(child, [*path, name])
        else:
            options = [option for param in command.params for option in param.opts if option.startswith("--")]  # type: ignore[attr-defined]
            yield " ".join(path), [option for option in options if option != "--help"]

    yield from walk(typer.main.get_command(app), [])


def settings(model: type[BaseModel], place: str = "") -> Iterator[str]:
    """Every setting by its dotted name."""
    for name, field in model.model_fields.items():
        inner = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        frames = [kind for kind in inner if issubclass(kind, BaseModel)]
        if frames:
            yield from settings(frames[0], f"{place}{name}.")
        else:
            yield f"{place}{name}"


def blocks(kind: re.Pattern[str]) -> list[pytest.ParameterSet]:
    """The code blocks of one kind in all documents, each by its document and number."""
    return [
        pytest.param(match[1], id=f"{path.name}-{number}")
        for path in DOCUMENTS
        for number, match in enumerate(kind.finditer(path.read_text(encoding="utf-8")), 1)
    ]


def frames(model: type[BaseModel]) -> set[type[BaseModel]]:
    """A frame of a file and the frames inside it."""
    found = {model}
    for field in model.model_fields.values():
        for kind in re.findall(r"comptroller\.policies\.document\.(\w+)", str(field.annotation)):
            inner = getattr(document, kind, None)
            if isinstance(inner, type) and issubclass(inner, BaseModel) and inner not in found:
                found |= frames(inner)
    return found


@pytest.mark.parametrize("name", sorted(comptroller.__all__))
def test_every_export_is_in_the_guide(name: str) -> None:
    guide = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
    assert re.search(rf"\bct\.{name}\b", guide), f"docs/guide.md says nothing of ct.{name}"


def test_every_command_and_option_is_in_its_section_of_the_command_line_page() -> None:
    documented = sections((ROOT / "docs/cli.md").read_text(encoding="utf-8"))
    missing = [
        f"{command} {option}".strip()
        for command, options in commands()
        for option in ["", *options]
        if command not in documented or f"`{option}" not in documented[command]
    ]
    assert not missing, f"docs/cli.md says nothing of {missing}"


def test_the_command_line_page_promises_no_command_that_is_not_there() -> None:
    documented = sections((ROOT / "docs/cli.md").read_text(encoding="utf-8"))
    assert set(documented) <= {command for command, _ in commands()}


def test_every_setting_is_in_the_settings_page() -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    missing = [name for name in settings(Settings) if f"`{name}`" not in page]
    assert not missing, f"docs/settings.md says nothing of {missing}"


def test_every_key_of_a_policy_file_is_in_the_policies_page() -> None:
    page = (ROOT / "docs/policies.md").read_text(encoding="utf-8")
    keys = {
        (frame.__name__, field.alias or name)
        for frame in frames(document.Document)
        for name, field in frame.model_fields.items()
    }
    assert not [f"{frame}: {key}" for frame, key in sorted(keys) if not re.search(rf"\b{key}\b", page)]


def test_every_pack_is_in_the_policies_page() -> None:
    page = (ROOT / "docs/policies.md").read_text(encoding="utf-8")
    assert not [name for name in packs() if f"`pack:{name}`" not in page]


@pytest.mark.parametrize("text", blocks(POLICIES))
def test_every_policy_shown_loads_and_passes_its_own_tests(text: str) -> None:
    outcomes = run_tests(load_policies([("shown.yaml", text)]))
    assert outcomes
    assert all(outcome.passed for outcome in outcomes), outcomes


@pytest.mark.parametrize("text", blocks(CASES))
def test_every_price_shown_comes_to_what_the_page_says(text: str, tmp_path: Path) -> None:
    (tmp_path / "shown.yaml").write_text(text, encoding="utf-8")
    results = list(try_cases(read_cases(tmp_path / "shown.yaml")))
    assert [(one.id, one.expected, one.got) for one in results if one.wrong or one.expected is None] == []


def test_every_model_and_key_of_a_price_is_in_the_prices_page() -> None:
    page = (ROOT / "docs/prices.md").read_text(encoding="utf-8")
    models = [model for model in MODELS if f"### {model}\n" not in page]
    frames = [kind for kind in vars(price_frame).values() if isinstance(kind, type) and issubclass(kind, BaseModel)]
    keys = {field.alias or name for kind in frames for name, field in kind.model_fields.items()}
    assert not models + [key for key in sorted(keys) if not re.search(rf"\b{key}\b", page)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_inside_the_documents_leads_somewhere(path: Path) -> None:
    broken = [link for link in LINK.findall(path.read_text(encoding="utf-8")) if not (path.parent / link).exists()]
    assert not broken


def test_every_room_is_on_the_map_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "comptroller").glob("*/__init__.py")}
    missing = [room for room in sorted(rooms) if f"`{room}/`" not in readme]
    assert not missing


def test_every_benchmark_is_in_the_table_of_the_benchmarks() -> None:
    page = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    names = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - NOT_ONE
    assert not [name for name in sorted(names) if f"`{name}`" not in page]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("newcomer")


@pytest.fixture(scope="module")
def provider(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a program whose provider is the scripted one, and whose ledger is its own."""
    with Upstream(Say("Hello there.", usage={"prompt_tokens": 1000, "completion_tokens": 100})) as up:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("COMPTROLLER_", "OTEL_"))}
        yield kept | {
            "OPENAI_BASE_URL": f"{up.url}/v1",
            "OPENAI_API_KEY": "none",
            "ANTHROPIC_BASE_URL": up.url,
            "ANTHROPIC_API_KEY": "none",
            "NO_PROXY": "127.0.0.1",
            "COMPTROLLER_LEDGER": str(folder / "ledger"),
            "PYTHONIOENCODING": "utf-8",
        }


@pytest.fixture(scope="module")
def printed(folder: Path, provider: dict[str, str]) -> str:
    """What the five lines of the README print; their run is then in the ledger."""
    code = EXAMPLES.findall((ROOT / "README.md").read_text(encoding="utf-8"))[0]
    return python(folder, provider, "-c", code)


def python(folder: Path, env: dict[str, str], *args: str) -> str:
    """What a Python prints that is started with these arguments."""
    command = [sys.executable, "-W", "error", *args]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_five_lines_of_the_readme_print_what_the_model_said(printed: str) -> None:
    assert printed == "Hello there.\n"


@pytest.mark.usefixtures("printed")
def test_runs_show_tells_the_truth_about_the_five_lines(folder: Path, provider: dict[str, str]) -> None:
    told = json.loads(python(folder, provider, "-m", "comptroller.cli", "runs", "show", "last", "--json"))
    truth = {"workflow": "hello", "customer": "acme", "status": "ok", "calls": 1, "input": 1000, "output": 100}
    assert {name: told[name] for name in truth} == truth
    assert (told["cost"], told["currency"], told["budget"]) == ("0.00021", "USD", "0.50")
    assert [call["model"] for call in told["calls_in_order"]] == ["gpt-4o-mini"]


@pytest.mark.usefixtures("printed")
def test_runs_show_prints_what_the_five_lines_did_in_words(folder: Path, provider: dict[str, str]) -> None:
    shown = python(folder, provider, "-m", "comptroller.cli", "runs", "show", "last", "--bodies")
    for words in ("workflow hello, customer acme", "gpt-4o-mini", "0.00021 USD", "Say hello.", "Hello there."):
        assert words in shown


@pytest.mark.parametrize("code", [block for block in blocks(EXAMPLES) if block.id != "README.md-1"])
def test_every_other_example_marked_to_run_runs(code: str, tmp_path: Path, provider: dict[str, str]) -> None:
    python(tmp_path, {**provider, "COMPTROLLER_LEDGER": str(tmp_path / "ledger")}, "-c", code)
    assert (tmp_path / "ledger/ledger.json").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_every_example_beside_the_documents_runs(path: Path, tmp_path: Path, provider: dict[str, str]) -> None:
    assert path.name in (ROOT / "examples/README.md").read_text(encoding="utf-8")
    assert python(tmp_path, {**provider, "COMPTROLLER_LEDGER": str(tmp_path / "ledger")}, str(path))
