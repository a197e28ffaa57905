"""Who answers an approval, by how they came in."""

import pytest

from comptroller.office.approvers import approver_of
from comptroller.office.people import LOCAL, Entry, Person, Register
from comptroller.office.who import Who

INVITED = Register({"p": Entry(Person("p", "ann", "finance", "ours"), 1, "by")})


@pytest.mark.parametrize("person", ["", LOCAL], ids=["at the machine", "at a console without sign-in"])
def test_whoever_is_at_the_machine_answers_in_any_role_until_somebody_is_invited(person: str) -> None:
    who = Who("ours", person=person)
    assert approver_of(who, Register()).any_role
    after = approver_of(who, INVITED)
    assert (after.any_role, after.may) == (False, False)


def test_somebody_who_was_invited_answers_with_the_role_they_have() -> None:
    ann = approver_of(Who("ours", person="ann"), INVITED)
    assert (ann.name, ann.roles, ann.any_role, ann.may) == ("ann", frozenset({"finance"}), False, True)


def test_somebody_nobody_knows_any_more_answers_nothing() -> None:
    gone = approver_of(Who("ours", person="bob"), Register())
    assert (gone.any_role, gone.may) == (False, False)
