import ast
from pathlib import Path

import pytest

import comptroller.metering

FILES = sorted(Path(comptroller.metering.__path__[0]).rglob("*.py"))


def floats_in(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            found.append(f"line {node.lineno}: the literal {node.value}")
        elif isinstance(node, ast.Name) and node.id == "float":
            found.append(f"line {node.lineno}: the name float")
        elif isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div):
            found.append(f"line {node.lineno}: a true division")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_float_touches_money(file: Path) -> None:
    assert floats_in(file.read_text("utf-8")) == []


@pytest.mark.parametrize("line", ["x = 0.5", "x = float(y)", "x = y / 2", "x /= 2", "def f(x: float): ..."])
def test_the_ban_sees_every_way_in(line: str) -> None:
    assert floats_in(line) != []
