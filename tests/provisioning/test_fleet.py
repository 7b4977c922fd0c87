"""The inventory: who is where, as devices and the authority say; tables that harm nobody; labels that are whole."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.fleet import table_files
from provisioning.fleet.units import Unit
from provisioning.rendering import labels as sheets
from provisioning.rendering.pdf_font import chinese_font
from tests.support.command_line import kerbwatch, refused
from tests.support.example_platform import module
from tests.support.offline_authority import Office
from tests.support.paths import ROOT
from tests.support.pdf import pages_of

if TYPE_CHECKING:
    from click.testing import Result

PRINT = "ab12cd34" * 8
PAGE = "https://10.73.84.1/"
EXAMPLES = ROOT / "contract" / "examples"


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """One unit at the corner of the contract's examples, one at another, one in stock."""
    path = tmp_path / "fleet.sqlite3"
    done(
        run(
            "add",
            path,
            "10000000aaaa0001",
            "--device",
            "example-city/example-corner",
            "--site",
            "人民路 12 号",
        )
    )
    done(run("add", path, "10000000aaaa0002", "--device", "city/corner-2"))
    done(run("add", path, "10000000aaaa0003"))
    return path


def run(what: str, fleet: Path, *words: object, language: str | None = None) -> Result:
    return kerbwatch("fleet", what, fleet, *words, language=language)


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def unit(fleet: Path, which: str) -> dict[str, Any]:
    return json.loads(done(run("show", fleet, which, "--json")))  # type: ignore[no-any-return]


def file_of(folder: Path, *documents: object) -> Path:
    path = folder / "news.jsonl"
    path.write_text("\n".join(json.dumps(each) for each in documents) + "\n", encoding="utf-8")
    return path


def event(
    type_: str, at: str, body: dict[str, Any], device: str = "city/corner-2"
) -> dict[str, Any]:
    tenant, device_id = device.split("/")
    return {
        "type": type_,
        "tenant": tenant,
        "device_id": device_id,
        "occurred_at": at,
        "body": body,
    }


def accepted(result: str, at: str) -> dict[str, Any]:
    return event("device.acceptance", at, {"result": result, "at": at})


def test_a_corner_is_watched_by_one_unit_and_a_replacement_takes_it_over(fleet: Path) -> None:
    told = refused(run("add", fleet, "10000000aaaa0003", "--device", "city/corner-2"), 1)
    assert "city/corner-2 would be watched by 10000000aaaa0002, 10000000aaaa0003" in told
    assert unit(fleet, "10000000aaaa0003")["state"] == "stock"
    done(run("add", fleet, "10000000aaaa0003", "--replaces", "10000000aaaa0002"))
    assert unit(fleet, "city/corner-2")["serial"] == "10000000aaaa0003"
    old = unit(fleet, "10000000aaaa0002")
    assert (old["state"], old["decommissioned_reason"]) == ("decommissioned", "replaced")


def test_the_contracts_own_examples_are_taken(fleet: Path) -> None:
    done(run("take", fleet, EXAMPLES / "message-inventory.json", EXAMPLES / "message-service.json"))
    known = unit(fleet, "10000000aaaa0001")
    assert (known["agent_version"], known["accepted"]) == ("0.2.0", "accepted")
    assert known["state"] == "decommissioned"
    assert known["decommissioned_reason"] == "relocated"


def test_what_is_older_or_a_test_or_told_again_changes_nothing(fleet: Path, tmp_path: Path) -> None:
    new = accepted("accepted", "2026-03-02T10:00:00+08:00")
    old = accepted("refused", "2026-03-01T10:00:00+08:00")
    test = accepted("refused", "2026-03-03T10:00:00+08:00") | {"test": True}
    done(run("take", fleet, file_of(tmp_path, new, old, test, new)))
    assert unit(fleet, "city/corner-2")["accepted"] == "accepted"
    told = done(run("take", fleet, file_of(tmp_path, new, old)))
    assert "0 unit(s) changed, 2 message(s) told nothing new" in told


def test_what_comes_late_of_a_unit_that_was_replaced_is_not_its_successors(
    fleet: Path, tmp_path: Path
) -> None:
    down = event(
        "device.decommissioned",
        "2026-03-05T10:00:00+08:00",
        {"reason": "replaced", "at": "2026-03-05T10:00:00+08:00"},
    )
    done(run("take", fleet, file_of(tmp_path, down)))
    done(run("add", fleet, "10000000aaaa0003", "--device", "city/corner-2"))
    late = accepted("accepted", "2026-03-01T10:00:00+08:00")
    own = event(
        "device.inventory",
        "2026-03-06T10:00:00+08:00",
        {
            "device": {"agent_version": "9.9", "contract_version": "2.1"},
            "configuration_sha256": PRINT,
        },
    )
    done(run("take", fleet, file_of(tmp_path, late, own, down)))
    old, new = unit(fleet, "10000000aaaa0002"), unit(fleet, "10000000aaaa0003")
    assert (old["accepted"], old["agent_version"], old["state"]) == (
        "accepted",
        None,
        "decommissioned",
    )
    assert (new["accepted"], new["agent_version"], new["state"]) == (None, "9.9", "active")


def test_what_the_authority_issued_stands_in_the_inventory_with_its_end(
    fleet: Path, tmp_path: Path
) -> None:
    office = Office(tmp_path / "office")
    office.issue("city/corner-2", tmp_path / "first")
    office.issue("city/corner-2", tmp_path / "second", "--renew", "--days", 900)
    listed = office.run("list", "--json").stdout
    newest = json.loads(listed)[1]
    path = tmp_path / "issued.json"
    path.write_text(listed, encoding="utf-8")
    done(run("take", fleet, path))
    known = unit(fleet, "city/corner-2")
    assert known["certificate_fingerprint"] == newest["fingerprint"]
    assert known["certificate_until"][:10] == newest["not_after"][:10]
    soon = json.loads(done(run("list", fleet, "--ends-within", 30, "--json")))
    assert [each["serial"] for each in soon] == ["10000000aaaa0001"], "its certificate is not known"


def test_pages_tell_their_address_and_fingerprint_and_no_code_is_kept(
    fleet: Path, tmp_path: Path
) -> None:
    page = {
        "what": "page.identity",
        "page_address": PAGE,
        "page_fingerprint": " ".join([PRINT[at : at + 4].upper() for at in range(0, 64, 4)]),
        "access_point": "kerbwatch-0002",
        "code": "8264-1937",
        "access_point_password": "hemlock-seven",
    }
    named = page | {"tenant": "city", "device_id": "corner-2"}
    stocked = page | {"serial": "10000000aaaa0003"}
    done(run("take", fleet, file_of(tmp_path, named, stocked)))
    for which in ("city/corner-2", "10000000aaaa0003"):
        assert unit(fleet, which)["page_fingerprint"] == PRINT
    assert b"8264-1937" not in fleet.read_bytes()
    assert b"hemlock-seven" not in fleet.read_bytes()


def test_the_database_of_the_example_platform_is_taken(fleet: Path, tmp_path: Path) -> None:
    database = tmp_path / "platform.db"
    storing = module("storing")
    db = storing.opened(database)
    topic = "kerbwatch/v2/example-city/example-corner/events"
    for name in ("message-inventory.json", "message-service.json"):
        storing.settled_by(db, [(topic, (EXAMPLES / name).read_bytes())])
    db.close()
    done(run("take", fleet, database))
    assert unit(fleet, "10000000aaaa0001")["accepted"] == "accepted"


def test_what_cannot_be_read_is_named_by_its_line_and_the_rest_is_taken(
    fleet: Path, tmp_path: Path
) -> None:
    path = tmp_path / "news.jsonl"
    good = accepted("accepted", "2026-03-02T10:00:00+08:00")
    hostile = event(
        "device.inventory",
        "2026-03-02T10:00:00+08:00",
        {
            "device": {"agent_version": "=cmd()", "contract_version": "2.1"},
            "configuration_sha256": "x",
        },
    )
    stranger = accepted("accepted", "2026-03-02T10:00:00+08:00") | {"device_id": "\x1b[31mevil"}
    lines = [
        json.dumps(good),
        "{no json",
        json.dumps(hostile),
        json.dumps(stranger),
        "[1]",
        '{"type": 3}',
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    ran = run("take", fleet, path)
    assert ran.exit_code == 1
    assert "line 2: it is no JSON" in ran.stderr
    assert "line 3: agent_version" in ran.stderr
    assert "line 5: it is not understood" in ran.stderr
    assert r"city/\x1b[31mevil" in ran.stderr
    assert "\x1b" not in ran.stderr
    assert unit(fleet, "city/corner-2")["accepted"] == "accepted"
    assert unit(fleet, "city/corner-2")["agent_version"] is None


def test_a_table_that_was_written_is_taken_as_it_was(fleet: Path, tmp_path: Path) -> None:
    done(run("take", fleet, EXAMPLES / "message-inventory.json"))
    out, other = tmp_path / "fleet.csv", tmp_path / "other.sqlite3"
    done(run("export", fleet, out))
    assert out.read_bytes().startswith(b"\xef\xbb\xbf"), "programs for tables read it as UTF-8"
    done(run("import", other, out))
    assert done(run("list", other, "--json")) == done(run("list", fleet, "--json"))


def test_the_table_of_a_large_fleet_is_taken_back_as_well(tmp_path: Path) -> None:
    fleet, table = tmp_path / "fleet.sqlite3", tmp_path / "fleet.csv"
    note = "一" * 200
    units = [Unit(serial=f"{number:016x}", site=note) for number in range(8_000)]
    table.write_text(table_files.as_csv(units), encoding="utf-8")
    assert table.stat().st_size > 4_000_000
    done(run("import", fleet, table))
    done(run("export", fleet, tmp_path / "again.csv"))
    assert (tmp_path / "again.csv").read_bytes() == table.read_bytes()


def test_what_is_no_file_is_not_read_without_end(fleet: Path) -> None:
    assert "no ordinary file" in refused(run("take", fleet, "/dev/zero"), 1)


def test_every_fault_of_a_table_is_said_with_row_and_column_and_nothing_is_taken(
    fleet: Path, tmp_path: Path
) -> None:
    before = done(run("list", fleet, "--json"))
    table = tmp_path / "units.csv"
    table.write_text(
        "serial,tenant,device_id,site,certificate_until\n"
        "A1,city,corner-5,人民路,2027-01-01T00:00:00+00:00\n"
        "A2,city,,人民路,\n"
        'A3,city,corner 7,"=HYPERLINK(""http://evil"")",tomorrow\n'
        "A1,city,corner-8,x,2027-01-01T00:00:00\n"
        ",city,corner-9,,\n"
        "A5,city\n"
        "\n",
        encoding="utf-8",
    )
    told = refused(run("import", fleet, table), 1)
    for place, fault in (
        ("row 3, column -", "go together"),
        ("row 4, column device_id", "corner 7"),
        ("row 4, column site", "begins with ="),
        ("row 4, column certificate_until", "tomorrow"),
        ("row 5, column certificate_until", "no time zone"),
        ("row 6, column serial", "missing"),
        ("row 7", "2 cells"),
    ):
        assert any(place in line and fault in line for line in told.splitlines()), (place, told)
    assert done(run("list", fleet, "--json")) == before
    table.write_text("serial,corner,serial\nA1,x,A1\n", encoding="utf-8")
    told = refused(run("import", fleet, table), 1)
    assert "'corner' is no column" in told
    assert "'serial' stands there twice" in told
    table.write_bytes("serial,site\nA1,人民路\n".encode("gb18030"))
    assert "probably GBK" in refused(run("import", fleet, table), 1)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-2", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_that_would_be_run_comes_in(fleet: Path, tmp_path: Path, cell: str) -> None:
    table = tmp_path / "units.csv"
    with table.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([("serial", "notes"), ("A1", cell)])
    assert "row 2, column notes" in refused(run("import", fleet, table), 1)
    assert "notes" in refused(run("add", fleet, "A1", "--notes", cell), 1)


def test_a_name_that_begins_like_a_formula_is_written_as_text(tmp_path: Path) -> None:
    fleet, out = tmp_path / "fleet.sqlite3", tmp_path / "fleet.csv"
    done(run("add", fleet, "A1", "--device", "-city/-corner"))
    done(run("export", fleet, out))
    [_, row] = csv.reader(io.StringIO(out.read_text(encoding="utf-8-sig")))
    assert row[1:3] == ["'-city", "'-corner"]
    other = tmp_path / "other.sqlite3"
    done(run("import", other, out))
    assert unit(other, "A1")["device_id"] == "-corner"


NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30).filter(
    lambda text: text[0] not in "=+-@'"
)


@given(
    st.lists(
        st.builds(
            Unit,
            serial=st.from_regex(r"[A-Za-z0-9]{1,12}", fullmatch=True),
            site=TEXTS,
            notes=TEXTS,
            tenant=NAMES,
            device_id=NAMES,
        ),
        max_size=5,
        unique_by=lambda each: each.serial,
    )
)
def test_whatever_stands_in_the_inventory_survives_a_table(units: list[Unit]) -> None:
    text = table_files.as_csv(units)
    for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
    assert table_files.parsed(text) == units


def with_pages(fleet: Path) -> None:
    for serial in ("10000000aaaa0001", "10000000aaaa0002", "10000000aaaa0003"):
        known = (
            "--page-address",
            PAGE,
            "--page-fingerprint",
            PRINT,
            "--access-point",
            "kerbwatch-7F3A",
        )
        done(run("add", fleet, serial, *known))


def rendered(pdf: Path, folder: Path) -> Path:
    subprocess.run(
        ["pdftoppm", "-r", "300", "-png", "-singlefile", pdf, folder / "page"], check=True
    )
    return folder / "page.png"


def test_a_phone_reads_the_address_from_every_label_and_people_the_rest(
    fleet: Path, tmp_path: Path
) -> None:
    with_pages(fleet)
    pdf = tmp_path / "labels.pdf"
    done(run("labels", fleet, pdf, "--skip", 1, language="zh_CN"))
    page = cv2.imread(str(rendered(pdf, tmp_path)), cv2.IMREAD_GRAYSCALE)
    assert page is not None
    found, texts, _, _ = cv2.QRCodeDetector().detectAndDecodeMulti(page)
    assert found
    assert texts == (PAGE, PAGE, PAGE)
    told = subprocess.run(
        ["pdftotext", "-raw", pdf, "-"], capture_output=True, text=True, check=True
    ).stdout
    for text in ("example-city/\nexample-corner", "人民路 12 号", "10000000aaaa0003", "指纹"):
        assert text in told
    assert told.count("AB12 CD34 AB12 CD34") == 12
    assert done(run("labels", fleet, tmp_path / "again.pdf", "--skip", 1, language="zh_CN"))
    assert (tmp_path / "again.pdf").read_bytes() == pdf.read_bytes(), (
        "the same labels, the same bytes"
    )


def test_a_label_without_a_fingerprint_or_with_a_lost_character_is_not_printed(
    fleet: Path, tmp_path: Path
) -> None:
    pdf = tmp_path / "labels.pdf"
    told = refused(run("labels", fleet, pdf), 1)
    assert told.count("no address and fingerprint") == 3
    with_pages(fleet)
    done(run("add", fleet, "10000000aaaa0002", "--site", "𠮷野家门口"))
    done(run("add", fleet, "10000000aaaa0003", "--site", "很长的路" * 40))
    told = refused(run("labels", fleet, pdf), 1)
    assert "city/corner-2: " in told
    assert "U+20BB7" in told
    assert "10000000aaaa0003: " in told
    assert "too long for a label" in told
    assert not pdf.exists()
    done(run("labels", fleet, pdf, "10000000aaaa0001"))


def test_labels_fill_a_sheet_and_go_on_with_the_next(tmp_path: Path) -> None:
    label = sheets.Label("A1", "city/corner-1", "", PAGE, PRINT, "")
    assert pages_of(sheets.as_pdf([label] * 24, chinese_font()), tmp_path) == 1
    assert pages_of(sheets.as_pdf([label] * 24, chinese_font(), skip=1), tmp_path) == 2


def test_a_unit_that_is_not_there_and_a_fleet_that_is_none_are_said(
    fleet: Path, tmp_path: Path
) -> None:
    assert "no such unit" in refused(run("show", fleet, "city/nobody"), 1)
    assert "there is no inventory" in refused(run("list", tmp_path / "none"), 1)
    torn = tmp_path / "torn.sqlite3"
    torn.write_bytes(b"SQLite format 3\0" + b"x" * 500)
    ran = run("list", torn)
    assert ran.exit_code in {1, 5}
    assert "Traceback" not in ran.output
