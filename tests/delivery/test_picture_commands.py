"""Who may ask for which picture, and what is told where none leaves."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agent.config.upload_url import UploadUrlError, checked_host, target_of
from agent.delivery.commands.pictures import MAX_ASKED_FOR
from agent.evidence.snapshots import MOST_WAITING
from agent.protocol.vectors import signed_by
from agent.storage.evidence_chain import Record, append
from agent.storage.picture_table import QueuedPicture, queue_picture, queued
from tests.support.signed_orders import Corner
from tests.support.state_folder import NOON

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST = "pictures.example"
SECRET = "do-not-tell"
URL = f"https://{HOST}/inbox/7?signature={SECRET}"


@pytest.fixture
def corner(tmp_path: Path) -> Iterator[Corner]:
    made = Corner(tmp_path, upload_hosts=(HOST,))
    yield made
    made.end()


def redacted(corner: Corner, name: str = "begin") -> tuple[str, str]:
    """A case with a redacted picture: its id and the picture's SHA-256."""
    case_id = corner.device.case()
    content = f"redacted {name}".encode()
    folder(corner, case_id).joinpath(f"{name}.redacted.jpg").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    picture = {"file": f"{case_id}/{name}.jpg", "redacted": {"sha256": sha256}}
    jws = signed_by("device", {"pictures": [picture]})
    folder(corner, case_id).joinpath("manifest-1.jws").write_text(jws, encoding="ascii")
    return case_id, sha256


def folder(corner: Corner, case_id: str) -> Path:
    return corner.folder / "evidence" / case_id


def waiting(corner: Corner) -> list[QueuedPicture]:
    with closing(corner.device.database.read()) as reader:
        return queued(reader) + queued(reader, by_put=True)


def upload(corner: Corner, url: str = URL, **told: Any) -> dict[str, Any]:
    until = corner.device.clock.now() + timedelta(hours=1)
    return {"url": url, "until": until.isoformat(), "most_bytes": 1000} | told


@pytest.mark.parametrize("by", ["sha256", "file"])
def test_a_redacted_picture_that_is_asked_for_is_queued_and_recorded(
    corner: Corner, by: str
) -> None:
    case_id, sha256 = redacted(corner)
    which = {"sha256": sha256} if by == "sha256" else {"file": f"{case_id}/begin.jpg"}
    told = {"case_id": case_id, "reason": "复核", **which}
    assert corner.signed("evidence", "picture", **told).status == "done"
    [picture] = waiting(corner)
    assert (picture.sha256, picture.case_id, picture.command_id) == (sha256, case_id, "c-1")
    assert picture.file == f"{case_id}/begin.redacted.jpg"
    [(what, facts)] = corner.recorded()
    assert (what, facts["reason"], facts["sha256"]) == ("picture.queued", "复核", sha256)
    assert facts["roles"] == ["evidence"]


@pytest.mark.parametrize(
    ("which", "code"),
    [
        ({"sha256": "0" * 64}, "not_found"),
        ({"file": "another/begin.jpg"}, "not_found"),
        ({"file": "x/y.jpg"}, "not_found"),
        ({"sha256": "0" * 64, "file": "x/begin.jpg"}, "invalid_value"),
        ({}, "invalid_value"),
        ({"file": "../../keys/device.jpg"}, "invalid_value"),
        ({"file": "x/begin.redacted.jpg"}, "invalid_value"),
        ({"sha256": "../../../etc/passwd"}, "invalid_value"),
    ],
)
def test_nothing_is_found_by_a_path(corner: Corner, which: dict[str, str], code: str) -> None:
    case_id, _ = redacted(corner, "threshold")
    told = {"case_id": case_id, "reason": "r", **which}
    assert corner.signed("evidence", "picture", **told).code == code
    assert waiting(corner) == []


def test_of_an_unknown_case_there_is_no_picture(corner: Corner) -> None:
    (corner.folder / "evidence" / "pending").mkdir(parents=True)
    for case_id in ("pending", "another"):
        told = {"case_id": case_id, "sha256": "0" * 64, "reason": "r"}
        answer = corner.signed("evidence", "picture", command_id=f"c-{case_id}", **told)
        assert answer.code == "not_found"


def by_original(path: Path) -> None:
    path.write_bytes(path.with_name("begin.jpg").read_bytes())


def by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("begin.jpg")


@pytest.mark.parametrize("by", ["sha256", "file", "original"])
@pytest.mark.parametrize("put_there", [by_original, by_link])
def test_what_lies_where_a_copy_lay_does_not_leave(
    corner: Corner, by: str, put_there: Callable[[Path], None]
) -> None:
    case_id, sha256 = redacted(corner)
    here = folder(corner, case_id)
    original = hashlib.sha256((here / "begin.jpg").read_bytes()).hexdigest()
    put_there(here / "begin.redacted.jpg")
    which = {
        "sha256": {"sha256": sha256},
        "original": {"sha256": original},
        "file": {"file": f"{case_id}/begin.jpg"},
    }[by]
    answer = corner.signed("evidence", "picture", case_id=case_id, reason="r", **which)
    if by == "original":
        assert answer.code == "not_found", "by an original's hash nothing is sent"
    else:
        assert answer.code == "not_redacted"
        assert answer.allowed is not None
        assert answer.allowed.one_of == ("picture_damaged",)
    assert waiting(corner) == []


def test_a_copy_that_no_manifest_names_yet_is_still_to_be_packed(corner: Corner) -> None:
    case_id, sha256 = redacted(corner)
    here = folder(corner, case_id)
    (here / "manifest-1.jws").unlink()
    (here / "begin.context.json").write_text("{}", encoding="ascii")
    told = {"case_id": case_id, "reason": "r"}
    answer = corner.signed("evidence", "picture", file=f"{case_id}/begin.jpg", **told)
    assert answer.code == "not_ready"
    answer = corner.signed("evidence", "picture", command_id="c-2", sha256=sha256, **told)
    assert answer.code == "not_found"
    assert waiting(corner) == []


def test_a_manifest_that_the_disk_did_not_take_is_known_by_the_database(corner: Corner) -> None:
    case_id, sha256 = redacted(corner)
    path = folder(corner, case_id) / "manifest-1.jws"
    record = Record(1, case_id, "opened", "0" * 64, "0" * 64, "x", path.read_text())
    corner.device.database.write(lambda connection: append(connection, record)).result()
    path.unlink()
    told = {"case_id": case_id, "sha256": sha256, "reason": "r"}
    assert corner.signed("evidence", "picture", **told).status == "done"


@pytest.mark.parametrize("by", ["sha256", "file"])
def test_a_picture_that_was_not_redacted_is_refused_with_its_reason(
    corner: Corner, by: str
) -> None:
    case_id = corner.device.case()
    here = folder(corner, case_id)
    original = hashlib.sha256((here / "begin.jpg").read_bytes()).hexdigest()
    which = {"sha256": original} if by == "sha256" else {"file": f"{case_id}/begin.jpg"}
    told = {"case_id": case_id, "reason": "r", **which}

    def asked(command_id: str) -> tuple[str | None, tuple[str, ...] | None]:
        answer = corner.signed("evidence", "picture", command_id=command_id, **told)
        assert answer.allowed is not None
        return answer.code, answer.allowed.one_of

    assert asked("c-1") == ("not_redacted", ("context_missing",))
    (here / "begin.context.json").write_text("{}", encoding="ascii")
    assert asked("c-2") == ("not_ready", None)
    for number, because in ((9, "no_background"), (10, "view_moved")):
        picture = {"file": f"{case_id}/begin.jpg", "redacted": None, "not_redacted": because}
        jws = signed_by("device", {"pictures": [7, picture]})
        (here / f"manifest-{number}.jws").write_text(jws, encoding="ascii")
    (here / "manifest-11.jws").write_text("damaged", encoding="ascii")
    assert asked("c-3") == ("not_redacted", ("view_moved",))
    assert asked("c-2")[0] == "not_redacted", "what was to be waited for may be sent again"
    assert waiting(corner) == []


def test_a_snapshot_is_asked_of_the_cameras_that_there_are_and_not_without_end(
    corner: Corner,
) -> None:
    def asked(number: int, camera_id: str = "street") -> str | None:
        told = {"camera_id": camera_id, "reason": "核实"}
        return corner.signed("evidence", "snapshot", command_id=f"s-{number}", **told).code

    assert asked(0, "elsewhere") == "not_found"
    assert [asked(number) for number in range(1, MOST_WAITING + 1)] == [None] * MOST_WAITING
    assert asked(99) == "allowance_spent"
    assert [what for what, _ in corner.recorded()] == ["snapshot.asked"] * MOST_WAITING


def test_so_many_pictures_may_be_asked_for_and_no_more(corner: Corner) -> None:
    case_id, sha256 = redacted(corner)
    many = [QueuedPicture(f"{each:064}", case_id, "x", 1, command_id="c") for each in range(200)]
    assert len(many) == MAX_ASKED_FOR

    def write(connection: sqlite3.Connection) -> None:
        for each in many:
            queue_picture(connection, each, NOON)

    corner.device.database.write(write).result()
    told = {"case_id": case_id, "sha256": sha256, "reason": "r"}
    assert corner.signed("evidence", "picture", **told).code == "allowance_spent"
    camera = {"camera_id": "street", "reason": "r"}
    answer = corner.signed("evidence", "snapshot", command_id="c-2", **camera)
    assert answer.code == "allowance_spent"


def test_a_picture_is_put_only_where_the_site_says_and_the_url_is_told_nowhere(
    corner: Corner, caplog: pytest.LogCaptureFixture
) -> None:
    case_id, sha256 = redacted(corner)
    told = {"case_id": case_id, "sha256": sha256, "reason": "r"}
    answer = corner.signed("evidence", "picture", put=upload(corner), **told)
    assert answer.status == "done"
    other = upload(corner, f"https://elsewhere.example/?{SECRET}")
    refused = corner.signed("evidence", "picture", command_id="c-2", put=other, **told)
    assert refused.code == "host_not_named"
    assert refused.allowed is not None
    assert refused.allowed.one_of == (HOST,)
    [picture] = waiting(corner)
    assert picture.put is not None
    assert picture.put.url == URL
    [(_, queued_), (_, asked)] = corner.recorded()
    assert queued_["host"] == HOST
    for said in (answer, refused):
        assert SECRET not in said.model_dump_json()
    assert SECRET not in json.dumps([queued_, asked]) + caplog.text


@pytest.mark.parametrize(
    ("put", "code"),
    [
        ({"until": "2026-03-01T11:59:59+08:00"}, "expired"),
        ({"until": "2026-03-09T12:00:01+08:00"}, "expires_too_late"),
        ({"most_bytes": 5}, "too_large"),
        ({"most_bytes": 0}, "invalid_value"),
        ({"url": f"http://{HOST}/{SECRET}"}, "invalid_value"),
        ({"url": f"https://{HOST}:8443/{SECRET}"}, "host_not_named"),
        ({"url": f"https://{HOST}./{SECRET}"}, "invalid_value"),
        ({"url": f"https://{HOST}@evil.example/{SECRET}"}, "invalid_value"),
    ],
)
def test_where_time_size_and_host_do_not_fit_nothing_is_put(
    corner: Corner, put: dict[str, Any], code: str
) -> None:
    case_id, sha256 = redacted(corner)
    told = {"case_id": case_id, "sha256": sha256, "reason": "r"}
    answer = corner.signed("evidence", "picture", put=upload(corner, **put), **told)
    assert answer.code == code
    assert SECRET not in answer.model_dump_json()
    assert waiting(corner) == []


def test_without_hosts_in_the_site_nothing_is_put(tmp_path: Path) -> None:
    corner = Corner(tmp_path)
    case_id, sha256 = redacted(corner)
    told = {"case_id": case_id, "sha256": sha256, "reason": "r"}
    answer = corner.signed("evidence", "picture", put=upload(corner), **told)
    corner.end()
    assert answer.code == "host_not_named"


@pytest.mark.parametrize(
    "url",
    [
        "https://user@pictures.example/", "https://user:word@pictures.example/",
        "https://pictures.example\\@evil.example/", "https://evil.example#@pictures.example/",
        "https://2130706433/", "https://0x7f000001/", "https://127.1/", "https://127.0.0.1/",
        "https://[::1]/", "https://pictures.example%2eevil.example/", "https://pictures.example:/",
        "https://pictures.example:0/", "https://pictures.example:65536/", "https:///pictures.example",
        "https://pictures..example/", "https://-pictures.example/", "https://pictures.example /",
        "https://pictures.example/a b", "https://pictures.example/\n", "https://图片.example/",
        "//pictures.example/", "ftp://pictures.example/", "HTTPS ://pictures.example/", "https://",
        "https://pictures.example;evil.example/",
    ],
)  # fmt: skip
def test_a_url_that_two_readers_could_read_differently_is_none(url: str) -> None:
    with pytest.raises(UploadUrlError) as refused:
        target_of(url)
    assert "example" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://Pictures.Example", "pictures.example", "/"),
        ("https://pictures.example:443/a%20b?c=d&e", "pictures.example", "/a%20b?c=d&e"),
        ("https://pictures.example?@evil.example/", "pictures.example", "/?@evil.example/"),
        ("https://pictures.example:8443//x", "pictures.example:8443", "//x"),
    ],
)
def test_a_hosts_port_and_path_are_taken_as_they_stand(url: str, host: str, path: str) -> None:
    found = target_of(url)
    assert (found.host, found.path) == (host, path)


@pytest.mark.parametrize("host", ["", "*", "*.example", "https://x.example", "x.example/", "10.1.2.3",
                                  "x.example:0", "x.example:99999", "::1", "a b"])  # fmt: skip
def test_a_site_names_hosts_and_nothing_else(host: str) -> None:
    with pytest.raises(ValueError, match="HOST"):
        checked_host(host)
    assert checked_host("Pictures.Example:443") == HOST
