"""What could not be taken is told at the desk, is only ever shown, and is taken again or let go by a person."""

from __future__ import annotations

import gzip
import hashlib
import json

import pytest
from kerbwatch_platform.contract.message import Message
from kerbwatch_platform.intake import quarantine
from kerbwatch_platform.web.roles import Role
from kerbwatch_platform.web.views.quarantine import head_of, text_of
from playwright.sync_api import Browser, expect

from tests.support.desk import RunningDesk
from tests.support.desk_visitor import Visitor, words_of
from tests.support.paths import ROOT

PREFIX = "kerbwatch/v2"


def put(
    desk: RunningDesk, payload: bytes, *, place: str = "city-a/corner-01", why: str = "no reason"
) -> int:
    """Set a message aside as a worker does; its number."""
    message = Message(f"{PREFIX}/{place}/events", payload)
    with desk.connect() as connection:
        quarantine.put(connection, PREFIX, message, "raised", why)
    found = "SELECT quarantine_id FROM quarantine WHERE sha256 = %s AND done_at IS NULL"
    [(number,)] = desk.sql(found, hashlib.sha256(payload).hexdigest())
    return int(number)


def is_open(desk: RunningDesk, number: int) -> bool:
    return bool(
        desk.sql("SELECT 1 FROM quarantine WHERE quarantine_id = %s AND done_at IS NULL", number)
    )


def test_first_bytes_are_numbers_and_letters_whatever_they_are() -> None:
    assert head_of(b"{\x00\x1b[2J<b>\xff") == (
        "0000  7b 00 1b 5b 32 4a 3c 62 3e ff                    {··[2J<b>·"
    )
    assert len(head_of(b"x" * 10_000).splitlines()) == 12


@pytest.mark.parametrize(
    "payload", [b"\x1f\x8b\x08\x00", b"\xff\xd8\xff", b"a\0b", b"\xed\xa0\x80x"]
)
def test_what_is_no_text_is_not_shown_as_one(payload: bytes) -> None:
    assert text_of(payload) == ""


def test_text_is_shown_with_what_it_hides() -> None:
    assert text_of("占道\u202e<b>".encode()) == "占道\\u202e<b>"
    assert text_of("占道".encode()[:-1]) == "占"  # cut within a letter


@pytest.mark.slow
def test_nothing_packed_is_unpacked(desk: RunningDesk, visitor: Visitor) -> None:
    put(desk, gzip.compress(b"what is inside " * 10), why="a packed one")
    shown = words_of(visitor.be(Role.ADMINISTRATOR).get("/quarantine"))
    assert "1f 8b 08" in shown
    assert "what is inside" not in shown


@pytest.mark.slow
def test_each_device_has_its_count_and_its_messages(desk: RunningDesk, visitor: Visitor) -> None:
    for number in range(3):
        put(desk, b"rubbish %d" % number, place="city-a/corner-loud", why=f"fault {number}")
    put(desk, b"one", place="city-a/corner-quiet", why="fault of another")
    visitor.be(Role.ADMINISTRATOR)
    assert "corner-loud city-a 3" in words_of(visitor.get("/quarantine"))
    only = words_of(visitor.get("/quarantine?tenant=city-a&device=corner-loud"))
    assert "fault 2" in only
    assert "fault of another" not in only


@pytest.mark.slow
def test_what_is_let_go_is_gone_and_by_whom_is_known(desk: RunningDesk, visitor: Visitor) -> None:
    number = put(desk, b"let go")
    visitor.be(Role.ADMINISTRATOR).get("/quarantine")
    assert visitor.post(f"/quarantine/{number}/done").status_code == 303
    by = "SELECT done_by FROM quarantine WHERE quarantine_id = %s"
    assert desk.sql(by, number) == [("administrator",)]
    again = visitor.post(f"/quarantine/{number}/done")
    assert again.status_code == 409
    assert "somebody else was quicker" in words_of(again)
    row = ("did", f"/quarantine/{number}/done", 303)
    assert row in desk.sql("SELECT what, path, status FROM access_log")


@pytest.mark.slow
def test_all_of_one_device_are_let_go_and_nobody_else_s(
    desk: RunningDesk, visitor: Visitor
) -> None:
    mine = [put(desk, b"%d" % number, place="city-a/corner-spam") for number in range(5)]
    other = put(desk, b"other's", place="city-a/corner-other")
    visitor.be(Role.ADMINISTRATOR).get("/quarantine")
    assert visitor.post("/quarantine/of/city-a/corner-spam/done").status_code == 303
    assert [is_open(desk, each) for each in (*mine, other)] == [False] * 5 + [True]


@pytest.mark.slow
def test_what_is_taken_again_is_stored_as_if_it_came_now(
    desk: RunningDesk, visitor: Visitor
) -> None:
    payload = (ROOT / "contract" / "examples" / "message-live.json").read_bytes()
    number = put(desk, payload, place="example-city/example-corner")
    visitor.be(Role.ADMINISTRATOR).get("/quarantine")
    assert visitor.post(f"/quarantine/{number}/again").status_code == 303
    assert not is_open(desk, number)
    sent = {each["event_id"] for each in json.loads(payload)["events"]}
    assert {str(row[0]) for row in desk.sql("SELECT event_id FROM event")} == sent


@pytest.mark.slow
def test_what_cannot_be_taken_again_says_so_and_stays(desk: RunningDesk, visitor: Visitor) -> None:
    number = put(desk, b"x" * (quarantine.KEPT_BYTES + 1))
    visitor.be(Role.ADMINISTRATOR).get("/quarantine")
    answer = visitor.post(f"/quarantine/{number}/again")
    assert answer.status_code == 409
    assert "It cannot be taken again: it is not there any more, or not whole." in words_of(answer)
    assert is_open(desk, number)


@pytest.mark.slow
def test_what_a_device_sent_beyond_its_limit_is_told(desk: RunningDesk, visitor: Visitor) -> None:
    desk.sql("INSERT INTO over_limit VALUES ('city-a', 'corner-flood', now(), 12345, 6789012)")
    shown = words_of(visitor.be(Role.ADMINISTRATOR).get("/quarantine"))
    assert "corner-flood city-a 12,345 6,789,012" in shown


@pytest.mark.slow
@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_a_person_looks_at_the_first_bytes_and_lets_it_go(
    desk: RunningDesk, chromium: Browser, phone: bool
) -> None:
    number = put(desk, b"<script>document.title='taken'</script>" + b"%d" % phone)
    with desk.browser(chromium, Role.ADMINISTRATOR, phone=phone) as page:
        page.goto(f"{desk.url}/quarantine")
        message = page.locator(f"#message-{number}")
        message.get_by_text("开头的字节").click()
        expect(message.locator("pre").first).to_contain_text("3c 73 63 72 69 70 74")
        page.once("dialog", lambda dialog: dialog.accept())
        message.get_by_role("button", name="删除").click()
        expect(message).to_have_count(0)
        assert "taken" not in page.title()
