"""Pictures are put together once, verified before anything else, and cost nobody but their own device."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from kerbwatch_platform import evidence
from kerbwatch_platform.contract.message import Message
from kerbwatch_platform.evidence import folder, keeping, pieces
from kerbwatch_platform.evidence.sweep import sweep

from tests.support.evidence_desk import City, hashed
from tests.support.packed_cases import jpeg

if TYPE_CHECKING:
    from kerbwatch_platform.settings import Settings


def lying(settings: Settings) -> dict[str, bytes]:
    found = settings.evidence_folder.glob("[0-9a-f][0-9a-f]/*")
    return {each.name: each.read_bytes() for each in found}


@pytest.mark.parametrize("seed", range(5))
def test_pieces_may_come_in_any_order_and_more_than_once(
    city: City, large: bytes, seed: int
) -> None:
    die = random.Random(seed)
    coming = [*city.pieces(large), *city.pieces(large), *city.pieces(large, size=5000)]
    die.shuffle(coming)
    for piece in coming:
        evidence.take(city.connection, city.settings, [piece])
    assert lying(city.settings) == {hashed(large): large}
    assert city.rows("SELECT count(*) FROM picture_piece") == [(0,)]
    assert city.rows("SELECT state, why, over FROM evidence_file") == [
        ("unverified", "not_named", "pieces")
    ]
    assert evidence.content(city.settings, hashed(large)) == large
    assert evidence.shown(city.connection, city.settings, hashed(large)) == large


def test_what_is_there_is_counted_without_a_gap(city: City, large: bytes) -> None:
    first, second, *rest = city.pieces(large)

    def there(*given: Message) -> list[tuple[str, int]]:
        return evidence.take(city.connection, city.settings, given)[city.place]

    assert there(second) == [(hashed(large), 0)]
    assert there(first) == [(hashed(large), 2 * 8192)]
    assert there(*rest) == [(hashed(large), len(large))]
    assert there(first) == [(hashed(large), len(large))], "a piece that comes again is the same"


def test_bytes_that_are_not_what_their_hash_says_are_forgotten_and_come_again(
    city: City, large: bytes
) -> None:
    wrong = city.pieces(large)
    wrong[1] = wrong[1]._replace(payload=b"x" + wrong[1].payload[1:])
    assert evidence.take(city.connection, city.settings, wrong)[city.place] == [(hashed(large), 0)]
    assert lying(city.settings) == {}
    assert city.rows("SELECT count(*) FROM picture_piece") == [(0,)]
    assert city.sends(large) == [(hashed(large), len(large))]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a page", b"<html>" + b"x" * 500, "no_jpeg"),
        ("begins like one", b"\xff\xd8\xff\xe0" + b"x" * 500, "damaged"),
        ("cut off", jpeg("cut", 320, 180)[:-700], "damaged"),
        ("a PNG", b"\x89PNG\r\n\x1a\n" + b"x" * 500, "no_jpeg"),
    ],
)
def test_what_is_no_picture_is_kept_and_never_shown(
    city: City, name: str, content: bytes, why: str
) -> None:
    assert city.sends(content) == [(hashed(content), len(content))], "it does not come for ever"
    assert city.rows("SELECT state, why FROM evidence_file") == [("refused", why)], name
    assert evidence.content(city.settings, hashed(content)) == content
    with pytest.raises(LookupError, match="no picture that may be shown"):
        evidence.shown(city.connection, city.settings, hashed(content))


def test_a_small_file_that_unpacks_to_more_than_a_camera_has_is_refused(city: City) -> None:
    """Its size is read from the header, which is all that was changed here."""
    content = bytearray(jpeg("bomb", 320, 180))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = b"\xff\xff\xff\xff"
    city.sends(bytes(content))
    assert city.rows("SELECT state, why FROM evidence_file") == [("refused", "too_large")]


def test_a_picture_that_is_painted_over_and_over_is_refused_unread(city: City) -> None:
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    picture = jpeg("scans", 320, 180)
    city.sends(picture[:-2] + scan * 1000 + picture[-2:])
    assert city.rows("SELECT state, why FROM evidence_file") == [("refused", "too_many_scans")]


@pytest.mark.parametrize(
    "levels",
    [
        "{sha}/10/0/more", "{sha}/10", "x", "{SHA}/10/0", "{sha}/ten/0", "{sha}/-1/0", "{sha}/10/10",
        "{sha}/1/0", "{sha}/8000001/0", "{sha}/10/99999999", "../../etc/10/0", "{sha}/١٠/0",
    ],
)  # fmt: skip
def test_what_is_no_piece_is_not_kept(city: City, levels: str) -> None:
    sha = hashed(b"0123")
    tenant, device = city.place
    told = levels.format(sha=sha, SHA=sha.upper())
    for topic in (
        f"{city.settings.prefix}/{tenant}/{device}/pictures/{told}",
        f"elsewhere/{tenant}/{device}/pictures/{sha}/4/0",
        f"{city.settings.prefix}/{tenant}/{device}/x/{device}/pictures/{sha}/4/0",
        f"{city.settings.prefix}/../{device}/pictures/{sha}/4/0",
    ):
        assert not evidence.take(city.connection, city.settings, [Message(topic, b"0123")])
    assert city.rows("SELECT count(*) FROM picture_piece") == [(0,)]


def test_a_device_that_begins_pictures_and_ends_none_is_bounded_and_disturbs_no_other(
    city: City, large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "MOST_WAITING_BYTES", 100_000)
    city.connection.execute(
        "INSERT INTO picture_piece VALUES ('other-city', 'corner', %s, 10, 0, 'x')", ("a" * 64,)
    )
    for number in range(30):
        begun = number.to_bytes(2) + large[2:]
        evidence.take(city.connection, city.settings, city.pieces(begun)[:2])
        [(size,)] = city.rows(
            "SELECT sum(length(content)) FROM picture_piece WHERE device <> 'corner'"
        )
        assert size <= 100_000
    assert city.rows("SELECT count(*) FROM picture_piece WHERE tenant = 'other-city'") == [(1,)]
    assert city.sends(large[:90_000]) == [(hashed(large[:90_000]), 90_000)], "the newest has room"


def test_pictures_that_nothing_names_do_not_fill_the_disk(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MOST_UNNAMED", 3)
    for number in range(3):
        assert city.sends(jpeg(f"unasked {number}", 160, 90))[0][1] > 0
    assert city.sends(jpeg("unasked 4", 160, 90))[0][1] == 0
    assert len(lying(city.settings)) == 3
    case_id = city.device.packed()
    city.hears()
    named = city.copies(case_id)["threshold"]
    assert city.sends(named) == [(hashed(named), len(named))], "what a manifest names has room"


def test_two_workers_that_have_pieces_of_one_picture_make_one_of_it(
    city: City, large: bytes
) -> None:
    parts = city.pieces(large, size=1000)
    told: list[int] = []

    def work(own: list[Message]) -> None:
        with psycopg.connect(city.settings.database, autocommit=True) as connection:
            for piece in own:
                has = evidence.take(connection, city.settings, [piece])
                told.extend(size for _, size in has[city.place])

    workers = [threading.Thread(target=work, args=(parts[n::2],)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert max(told) == len(large)
    assert city.rows("SELECT count(*), max(size_bytes) FROM evidence_file") == [(1, len(large))]


KILLED = """
import os, signal, sys
import psycopg
from kerbwatch_platform import evidence
from kerbwatch_platform.evidence import files, keeping
from kerbwatch_platform.settings import load
from pathlib import Path
from kerbwatch_platform.contract.message import Message

put = files.put
def dies(folder, content):
    if sys.argv[3] == "before":
        unfinished = folder / files.INCOMING / "half"
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content[:100])
    else:
        put(folder, content)
    os.kill(os.getpid(), signal.SIGKILL)
files.put = dies
content = Path(sys.argv[2]).read_bytes()
topic = sys.argv[4]
with psycopg.connect(load(Path(sys.argv[1])).database, autocommit=True) as connection:
    evidence.take(connection, load(Path(sys.argv[1])), [
        Message(f"{topic}/{begin}", content[begin : begin + 8192])
        for begin in range(0, len(content), 8192)
    ])
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_between_file_and_row_the_picture_comes_again_and_is_whole(
    city: City, large: bytes, tmp_path: Path, when: str
) -> None:
    """The process is killed while the file is written, or when it is durable and its row is not committed."""
    told = city.settings
    (tmp_path / "settings.toml").write_text(
        f'database = "{told.database}"\nbroker = "mqtt://localhost"\n'
        f'evidence_folder = "{told.evidence_folder}"\nsigning_key_file = "{told.signing_key_file}"\n'
    )
    (tmp_path / "picture").write_bytes(large)
    topic = city.pieces(large)[0].topic.rpartition("/")[0]
    given = [str(tmp_path / "settings.toml"), str(tmp_path / "picture"), when, topic]
    died = subprocess.run(
        [sys.executable, "-c", KILLED, *given], check=False, env={**os.environ, "PYTHONPATH": "."}
    )
    assert died.returncode == -9
    assert city.rows("SELECT count(*) FROM evidence_file") == [(0,)], "nothing is told as stored"
    assert len(lying(city.settings)) == (1 if when == "after" else 0)
    assert city.sends(large) == [(hashed(large), len(large))]
    assert lying(city.settings) == {hashed(large): large}
    assert sweep(city.connection, city.settings, whole=True).lost == 0


def test_a_file_that_was_never_made_durable_is_written_anew(city: City, large: bytes) -> None:
    """A power cut leaves a file of the right name that is empty; its row was never committed."""
    folder.need(city.connection, city.settings)  # other pictures were stored before it
    place = city.settings.evidence_folder / hashed(large)[:2] / hashed(large)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"")
    city.sends(large)
    assert evidence.content(city.settings, hashed(large)) == large


def test_a_full_disk_keeps_nothing_and_tells_nothing(city: City, large: bytes) -> None:
    city.settings.evidence_folder.write_text("no folder")
    with pytest.raises(OSError, match="kept"):
        city.sends(large)
    assert city.rows("SELECT count(*) FROM evidence_file") == [(0,)]
    city.settings.evidence_folder.unlink()
    assert city.sends(large) == [(hashed(large), len(large))]
