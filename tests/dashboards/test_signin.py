"""Signing in to the console's real process, and all the ways in which nobody gets in."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

pytest.importorskip("streamlit")

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from comptroller.dashboards.door import IDENTITY
from comptroller.office import people
from tests.dashboards.served import Console, console

STREAM = "/_stcore/stream"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with console(tmp_path_factory.mktemp("console")) as made:
        yield made


def line(house: Console, browser: httpx.Client | None = None, before: str = "", **more: str) -> ClientConnection:
    """A WebSocket as the page opens it; `before`: the session of Streamlit's it was in."""
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items()) if browser else ""
    headers = {"cookie": cookies, "origin": house.url, **more}
    origin = headers.pop("origin") or None
    return connect(
        house.url.replace("http", "ws", 1) + STREAM,
        origin=origin,  # type: ignore[arg-type]
        additional_headers=headers,
        subprotocols=["streamlit", *(("none", before) if before else ())],  # type: ignore[list-item]
        proxy=None,
        open_timeout=30,
    )


def refused(house: Console, browser: httpx.Client | None = None, **more: str) -> int:
    with pytest.raises(InvalidStatus) as error:
        line(house, browser, **more)
    return error.value.response.status_code


def ended(socket: ClientConnection) -> None:
    """Hear all there is to hear, until the other side has hung up."""
    try:
        while True:
            socket.recv(timeout=20)
    except ConnectionClosed:
        return


@pytest.mark.parametrize("path", ["/", "/runs", "/run?id=1", "/enterprise", "/signing"])
def test_no_page_before_sign_in(house: Console, path: str) -> None:
    with house.browser() as browser:
        told = browser.get(path)
    assert told.status_code == 303
    assert told.headers["location"].startswith("/signin")
    assert "streamlit" not in told.text.lower()


@pytest.mark.parametrize(
    "path",
    ["/_stcore/health", "/_stcore/host-config", "/_stcore/metrics", "/media/abc.txt", "/static/js/x.js",
     "/app/static/inter-latin.woff2", "/_stcore/upload_file/a/b", "/component/x/y.js", "/_stcore/bidi-components/a/b"],
)  # fmt: skip
def test_no_file_before_sign_in(house: Console, path: str) -> None:
    with house.browser() as browser:
        assert browser.get(path, headers={"accept": "*/*"}).status_code == 401
        assert browser.put(path, headers={"origin": house.url}).status_code == 401


@pytest.mark.parametrize("path", ["/auth/login", "/auth/logout", "/oauth2callback"])
def test_streamlits_own_sign_in_is_not_there_unless_it_was_set_up(house: Console, path: str) -> None:
    with house.browser() as browser:
        assert browser.get(path).status_code == 404


def test_no_socket_before_sign_in(house: Console) -> None:
    assert refused(house) == 403


def test_a_link_is_asked_about_by_get_and_used_by_a_button(house: Console) -> None:
    token = house.invite("Ada", "finance")
    with house.browser() as scanner, house.browser() as browser:
        for _ in range(2):
            assert "Welcome, Ada" in scanner.get(f"/enter/{token}").text
        assert not scanner.cookies
        told = house.post(browser, "/enter", token=token)
        assert (told.status_code, told.headers["location"]) == (303, "/")
        assert "HttpOnly; SameSite=Lax" in told.headers["set-cookie"]
        page = browser.get("/")
        assert page.status_code == 200
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert (page.headers["cache-control"], page.headers["x-content-type-options"]) == ("no-store", "nosniff")
        with line(house, browser) as socket:
            assert socket.subprotocol == "streamlit"
        again = house.post(scanner, "/enter", token=token)
        assert again.status_code == 403
        assert "used before" in again.text
        assert "used before" in scanner.get(f"/enter/{token}").text


def test_a_link_that_is_none_says_how_to_get_one(house: Console) -> None:
    with house.browser() as browser:
        told = house.post(browser, "/enter", token="x" * 43)
    assert told.status_code == 403
    assert "comptroller people invite" in told.text


def test_a_page_from_elsewhere_signs_nobody_in_or_out(house: Console) -> None:
    token = house.invite("Eve")
    with house.browser() as browser:
        assert house.post(browser, "/enter", "https://evil.example", token=token).status_code == 403
        assert house.post(browser, "/enter", "null", token=token).status_code == 403
        assert browser.post("/enter", data={"token": token}).status_code == 403
        assert house.post(browser, "/enter", token=token).status_code == 303
        assert house.post(browser, "/leave", "https://evil.example").status_code == 403
        assert browser.get("/leave").status_code == 200
        assert browser.get("/").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4142", "localhost", "127.0.0.1.nip.io", ""])
def test_another_name_gets_nothing(house: Console, host: str) -> None:
    with house.signed_in("Host") as browser:
        told = browser.get("/", headers={"host": host})
        assert told.status_code == 403
        assert "does not go by the name" in told.text


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", ""])
def test_a_socket_from_a_page_elsewhere_is_refused(house: Console, origin: str) -> None:
    with house.signed_in("Origin") as browser:
        assert refused(house, browser, origin=origin) == 403


def test_a_forged_cookie_opens_nothing(house: Console) -> None:
    with house.signed_in("Forge") as browser:
        ((name, value),) = browser.cookies.items()
        session, seen, mac = value.split(".")
    flipped = ("0" if mac[0] != "0" else "1") + mac[1:]
    for forged in (f"{session}.{seen}.{flipped}", f"{session}.{int(seen) + 999}.{mac}", f"{session}.{seen}.",
                   f"x{session[1:]}.{seen}.{mac}", "..", "", "a" * 3000, f"{session}.{seen}.\u00e9"):  # fmt: skip
        cookie = f"{name}={forged}".encode("latin-1")
        with house.browser() as browser:
            assert browser.get("/", headers={b"cookie": cookie}).status_code == 303


def test_after_signing_out_a_copied_cookie_opens_nothing(house: Console) -> None:
    with house.signed_in("Leaver") as browser, house.browser() as thief:
        thief.cookies.update(browser.cookies)
        assert thief.get("/").status_code == 200
        told = house.post(browser, "/leave")
        assert told.status_code == 200
        assert "Max-Age=0" in told.headers["set-cookie"]
        assert thief.get("/").status_code == 303
        assert refused(house, thief) == 403


def test_a_removal_closes_what_is_open(house: Console) -> None:
    with house.signed_in("Gone") as browser, line(house, browser) as socket:
        people.remove(house.desk.ledger, house.desk.clock, house.register.meant("Gone")[0], "root")
        ended(socket)
        assert browser.get("/").status_code == 303


def test_a_changed_role_closes_the_socket_so_that_the_page_comes_again(house: Console) -> None:
    with house.signed_in("Riser") as browser:
        with line(house, browser) as socket:
            people.change(house.desk.ledger, house.desk.clock, house.register.meant("Riser")[0], "engineer", "root")
            ended(socket)
        with line(house, browser):
            assert browser.get("/").status_code == 200


def begun(house: Console, browser: httpx.Client, before: str = "", **more: str) -> str:
    """Open a socket, run the page, and tell which of Streamlit's own sessions it is in; `before`: one to go on with."""
    with line(house, browser, before=before, **more) as socket:
        asked = BackMsg()
        asked.rerun_script.query_string = ""
        socket.send(asked.SerializeToString())
        while True:
            told = socket.recv(timeout=20)
            assert isinstance(told, bytes), "Streamlit speaks in bytes"
            message = ForwardMsg.FromString(told)
            if message.WhichOneof("type") == "new_session":
                return str(message.new_session.initialize.session_id)


def test_a_page_goes_on_after_the_line_broke_off(house: Console) -> None:
    with house.signed_in("Steady") as browser:
        first = begun(house, browser)
        assert begun(house, browser, before=first) == first


def test_what_a_page_of_one_person_kept_is_never_anothers(house: Console) -> None:
    with house.signed_in("Owner", "admin") as browser, house.signed_in("Thief") as other:
        first = begun(house, browser)
        assert begun(house, other, before=first) != first
        assert begun(house, browser, before=first) == first


def test_nobody_says_in_a_header_whose_page_they_go_on_with(house: Console) -> None:
    with house.signed_in("Named", "admin") as browser, house.signed_in("Forger") as other:
        told = {IDENTITY: "the same"}
        first = begun(house, browser, **told)
        assert begun(house, other, before=first, **told) != first


def test_after_a_change_of_role_nothing_of_an_open_page_goes_on(house: Console) -> None:
    with house.signed_in("Fallen", "admin") as browser:
        with line(house, browser) as socket:
            first = begun(house, browser)
            people.change(house.desk.ledger, house.desk.clock, house.register.meant("Fallen")[0], "viewer", "root")
            ended(socket)
        assert begun(house, browser, before=first) != first


@pytest.mark.parametrize(
    "there", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb"]
)
def test_sign_in_leads_nowhere_else(house: Console, there: str) -> None:
    with house.signed_in("Open") as browser:
        told = browser.get("/signin", params={"next": there})
        assert told.status_code == 303
        assert told.headers["location"] == "/"


def test_sign_in_leads_back_to_where_somebody_wanted_to_go(house: Console) -> None:
    with house.signed_in("Back") as browser:
        assert (
            browser.get("/signin", params={"next": "/run?id=7&tab=trace"}).headers["location"] == "/run?id=7&tab=trace"
        )


@pytest.mark.parametrize(
    ("wanted", "there"), [("/run?id=7&tab=a,b;c", "/run?id=7&tab=a,b%3Bc"), ("//evil.example", "/"), ("", "/")]
)
def test_a_link_leads_to_the_page_that_was_asked_for_before(house: Console, wanted: str, there: str) -> None:
    token = house.invite(f"Next{len(wanted)}")
    with house.browser() as browser:
        browser.get("/signin", params={"next": wanted})
        assert house.post(browser, "/enter", token=token).headers["location"] == there
        assert not [name for name in browser.cookies if name.endswith("_next")]


def test_without_keys_and_invitations_this_machine_is_let_in_until_the_first_one(tmp_path: Path) -> None:
    with console(tmp_path, first="") as house, house.browser() as browser:
        assert browser.get("/").status_code == 200
        assert browser.get("/", headers={"x-forwarded-for": "10.0.0.1"}).status_code == 303
        with line(house) as socket:
            house.invite("Ada")
            assert browser.get("/").status_code == 303
            ended(socket)


def test_what_a_users_own_configuration_of_streamlit_opens_stays_shut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMLIT_SERVER_ENABLE_AGENT_API", "true")
    monkeypatch.setenv("STREAMLIT_SERVER_SCRIPT_HEALTH_CHECK_ENABLED", "true")
    with console(tmp_path) as house, house.signed_in("Ada", "admin") as browser:
        told = browser.post("/_stcore/agent/interact", json={}, headers={"origin": house.url})
        assert told.status_code == 403
        assert "does not serve the agent API" in told.text
        assert "here is" not in browser.get("/_stcore/script-health-check").text
