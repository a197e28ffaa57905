"""What the user's own words call for."""

import pytest

from comptroller.core.intent import acts_in, asked_to_follow, calling


def called(tool: str, said: str, *more: str) -> bool:
    return calling(tool, more).among(set(acts_in(said.lower().split())))


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ("send_email", "email bob the minutes"),
        ("send_email", "please forward it to ann"),
        ("createCalendarEvent", "schedule a meeting with ann"),
        ("create_calendar_event", "put it into my calendar"),
        ("cancel_event", "the meeting was cancelled so remove it"),
        ("send_money", "transfer 20 to ann"),
        ("delete_file", "deleting the largest file would help"),
    ],
)
def test_an_act_is_called_for_in_other_words_and_forms(tool: str, said: str) -> None:
    assert called(tool, said, "transfer" if tool == "send_money" else "")


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ("send_email", "summarize my unread emails"),
        ("send_email", "what does the email from ann say"),
        ("send_email", "tell me what ann wrote"),
        ("delete_file", "what is in the largest file"),
        ("update_password", "how much did i spend in may"),
        ("reserve_hotel", "which hotel is the best"),
        ("create_calendar_event", "make a reservation for two"),
    ],
)
def test_a_thing_that_is_named_calls_for_no_act(tool: str, said: str) -> None:
    assert not called(tool, said)


def test_a_table_adds_words_of_its_own() -> None:
    assert not called("send_money", "überweise 20 an ann")
    assert called("send_money", "überweise 20 an ann", "überweise")


def test_handing_over_to_a_list_is_told_from_asking() -> None:
    assert asked_to_follow("Do all the tasks on my TODO list")
    assert not asked_to_follow("How much did I spend?")
