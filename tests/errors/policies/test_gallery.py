"""The gallery of broken policies: each file beside the messages it must give, all of them and no others."""

from pathlib import Path

import pytest

from comptroller.policies.load import load_policies
from comptroller.policies.mistakes import PolicyErrors

HERE = Path(__file__).parent
KINDS = frozenset({"email", "iban", "jwt"})
CASES = sorted(path.stem for path in HERE.glob("*.yaml"))


@pytest.mark.parametrize("name", CASES)
def test_a_broken_policy_is_refused_with_every_reason_and_remedy(name: str) -> None:
    text = (HERE / f"{name}.yaml").read_text(encoding="utf-8")
    with pytest.raises(PolicyErrors) as caught:
        load_policies([(f"{name}.yaml", text)], frozenset({"USD"}), frozenset({"secrets", "privacy"}), kinds=KINDS)
    assert caught.value.mistakes == (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def test_the_gallery_is_not_empty() -> None:
    assert len(CASES) >= 120
