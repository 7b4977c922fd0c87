"""The pictures of docs/platform/desk.md: the desk in Chinese, on a big screen and on a phone.

    python -m tests.support.desk_pictures [NAME …]

writes them (all, or those named) to ``docs/platform/``. Nobody real is in them.
"""

from __future__ import annotations

import io
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from kerbwatch_platform.settings import load
from kerbwatch_platform.web.roles import Role
from PIL import Image
from playwright.sync_api import sync_playwright

from tests.support.desk import RunningDesk, new_desk, press
from tests.support.desk_city import DEVICE, Device
from tests.support.paths import DOCS
from tests.support.postgres import postgres
from tests.support.replayed_street import street_of_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

FOLDER = DOCS / "platform"
MAX_BYTES = 160_000


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture.

    Attributes:
        path: Of the page.
        role: Who looks.
        phone: Whether on a phone.
        does: What is done there first.
    """

    path: str
    role: Role | None = Role.ADMINISTRATOR
    phone: bool = False
    does: Callable[[Page], object] = lambda page: page


def _keys(page: Page) -> None:
    press(page, "?")


def _asked(page: Page) -> None:
    page.locator("#zone").select_option("example-city/example-corner/kerb")
    page.locator("form.filter button").click()


def _first_case(page: Page) -> None:
    page.locator("a.case").first.click()
    page.wait_for_load_state("networkidle")


def _loaded(page: Page) -> None:
    page.wait_for_load_state("networkidle")


def _opened(page: Page) -> None:
    page.locator("summary").first.click()


SHOTS = {
    "desk-sign-in": Shot("/sign-in", role=None),
    "desk-sign-in-phone": Shot("/sign-in", role=None, phone=True),
    "desk-accounts": Shot("/accounts"),
    "desk-log": Shot("/log"),
    "desk-log-phone": Shot("/log", phone=True),
    "desk-quarantine": Shot("/quarantine", does=_opened),
    "desk-queue": Shot("/", role=Role.REVIEWER, does=_loaded),
    "desk-queue-phone": Shot("/", role=Role.REVIEWER, phone=True, does=_loaded),
    "desk-case": Shot("/?state=ended", role=Role.REVIEWER, does=_first_case),
    "desk-case-phone": Shot("/?state=ended", role=Role.REVIEWER, phone=True, does=_first_case),
    "desk-devices": Shot("/devices", role=Role.REVIEWER),
    "desk-why": Shot("/why", role=Role.REVIEWER, does=_asked),
    "desk-keys": Shot("/about", does=_keys),
}


def furnish(desk: RunningDesk) -> None:
    """People, what they looked at, and a message that could not be taken."""
    for number, person in enumerate(("张三", "李四", "王五"), 1):
        desk.person(Role.REVIEWER, f"desk-0{number}", f"坐席 0{number} {person}")
    payload = b'{"contract": 2, "events": [{"event_id": "\x00", "type": "case.opened"}]}'
    with desk.connect() as connection:
        connection.execute(
            "INSERT INTO access_log (at, account, role, what, tenant, device, case_id, method, path, status, peer, detail)"
            " SELECT now() - n * interval '7 min', 'desk-0' || (1 + n % 3), 'reviewer',"
            " CASE n % 3 WHEN 0 THEN 'did' ELSE 'saw' END, 'city-a', 'corner-0' || (1 + n % 4),"
            " '019b7748-8500-7f44-bb3c-d2bb196205' || (10 + n), CASE n % 3 WHEN 0 THEN 'POST' ELSE 'GET' END,"
            " '/cases/city-a/corner-0' || (1 + n % 4), 200, '10.20.0.' || (10 + n),"
            " CASE n % 3 WHEN 0 THEN 'valid' END FROM generate_series(1, 9) n"
        )
        connection.execute(
            "INSERT INTO quarantine (kind, topic, tenant, device, sha256, size_bytes, payload, why, times)"
            " VALUES ('raised', 'kerbwatch/v2/city-a/corner-03/events', 'city-a', 'corner-03', %s, %s, %s,"
            " 'invalid byte sequence for encoding \"UTF8\": 0x00', 3)",
            (sha256(payload).hexdigest(), len(payload), payload),
        )


def furnish_cases(desk: RunningDesk, folder: Path) -> None:
    """The example street as an agent saw it a quarter of an hour ago, and a device that fell silent."""
    now = datetime.now(UTC)
    with desk.connect() as connection:
        here, gone = Device(connection, DEVICE), Device(connection, "silent-corner")
        here.zero_at = gone.zero_at = now - timedelta(days=1)
        gone.born(now - timedelta(hours=6), "copied")
        gone.beats(now - timedelta(hours=5), view="view_dark")
        here.born(now - timedelta(hours=3))
        here.takes_inventory(now - timedelta(hours=3), [{"in_force": []}])
        here.beats_until(now - timedelta(hours=2), now - timedelta(minutes=25))
        here.skip(2)
        here.beats_until(now - timedelta(minutes=10), now, zones={"kerb": "view_blocked"})
        street_of_now(connection, load(desk.settings_file), folder / "street")


def small(png: bytes) -> bytes:
    """The same picture with 128 colours at most, as a PNG.

    Raises:
        AssertionError: It is larger than a page of the documents may hold.
    """
    picture, out = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
    picture.quantize(128, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    assert len(out.getvalue()) <= MAX_BYTES, len(out.getvalue())
    return out.getvalue()


def main(names: list[str]) -> int:
    """Write them."""
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres() as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        desk = new_desk(server, Path(folder))
        furnish(desk)
        (Path(folder) / "street").mkdir()
        furnish_cases(desk, Path(folder))
        desk.start()
        for name in names or SHOTS:
            shot = SHOTS[name]
            with desk.browser(browser, shot.role, phone=shot.phone) as page:
                page.goto(desk.url + shot.path)
                shot.does(page)
                (FOLDER / f"{name}.png").write_bytes(small(page.screenshot()))
        desk.end()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
