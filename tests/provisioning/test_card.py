"""Cards: each layout of images is known and called in its way, and a device sets itself up from what it carries."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from provisioning.card.contents import STATE, stamp_of
from provisioning.card.image import CardError, Partitions, opened
from provisioning.card.layouts import layouts, recognise
from provisioning.card.network import Wireless
from provisioning.card.planting import CONNECTION, PINS, UNITS, plant
from provisioning.card.prepare import Enrolling, Plan, prepare
from provisioning.check.seeding import of_root
from provisioning.commands.units import astray
from provisioning.page import access_point
from provisioning.page.code import is_right
from provisioning.page.from_card import made, take
from provisioning.page.on_device import STATE as OF_THE_PAGE
from tests.support.cards import IMAGES, card_of, write_image
from tests.support.command_line import kerbwatch, refused
from tests.support.offline_authority import Office
from tests.support.paths import ROOT
from tests.support.red_bike_site import write_red_site

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
PAGE, TOLD = made()
PASSWORD, TOKEN = "only the street knows", "token-good-once"
ROOT_ALONE = 0o600


def plan_for(site: Path | None = None) -> Plan:
    return Plan(
        by="Workshop 3",
        version="0.2.0",
        site=site,
        wireless=Wireless("街角", PASSWORD),
        page=PAGE,
        enrolling=Enrolling("https://est.example/", b"pinned", TOKEN),
    )


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("name", [each.name for each in layouts()])
def test_each_layout_is_known_and_its_image_is_let_to_call_ours(name: str, tmp_path: Path) -> None:
    card = card_of(name, tmp_path)
    before = {path.name: path.read_bytes() for path in card.boot.iterdir()}
    assert prepare(card, plan_for(), NOW).name == name
    called = [
        path.name
        for path in card.boot.iterdir()
        if path.is_file() and b"kerbwatch/seed.sh" in path.read_bytes()
    ]
    assert called == IMAGES[name].called_by
    for file, content in before.items():
        if file not in called:
            assert (card.boot / file).read_bytes() == content, "what is the image's stays"
    prepare(card, plan_for(), NOW)
    text = b"".join((card.boot / file).read_bytes() for file in called)
    assert text.count(b"kerbwatch/seed.sh") == len(called), "prepared again it is called once"


def test_an_image_that_would_ignore_the_card_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "config.txt").write_text("arm_64bit=1\n")
    with pytest.raises(CardError, match="no seeding that is known"):
        prepare(Partitions(tmp_path, None), plan_for(), NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["config.txt"]
    assert recognise(tmp_path, None) is None


def test_a_private_key_never_comes_onto_a_card(tmp_path: Path) -> None:
    card = card_of("cloud-init", tmp_path / "card")
    write_red_site(tmp_path / "site")
    (tmp_path / "site" / "device.key").write_text("-----BEGIN PRIVATE KEY-----\nMC4=\n")
    with pytest.raises(CardError, match=r"device\.key holds a private key"):
        prepare(card, plan_for(tmp_path / "site"), NOW)
    assert not (card.boot / "kerbwatch").exists()


def test_vendor_data_of_another_is_not_overwritten(tmp_path: Path) -> None:
    card = card_of("cloud-init", tmp_path)
    (card.boot / "vendor-data").write_text("#cloud-config\n")
    with pytest.raises(CardError, match="is another's"):
        prepare(card, plan_for(), NOW)
    assert (card.boot / "vendor-data").read_text() == "#cloud-config\n"
    assert not (card.boot / "kerbwatch").exists()


@pytest.mark.parametrize("name", ["cloud-init", "firstrun", "raspberry-pi-os"])
def test_a_file_that_is_no_text_and_a_link_that_leads_out_are_refused_and_left(
    name: str, tmp_path: Path
) -> None:
    card = card_of(name, tmp_path / "card")
    called = {"cloud-init": "vendor-data", "firstrun": "firstrun.sh"}.get(name, "cmdline.txt")
    content = b"\xff\xfe init=/usr/lib/raspberrypi-sys-mods/firstboot\n"
    (card.boot / called).write_bytes(content)
    with pytest.raises(CardError, match="is no text"):
        prepare(card, plan_for(), NOW)
    assert (card.boot / called).read_bytes() == content
    (card.boot / called).unlink()
    (card.boot / called).write_bytes(
        b"console=tty1 root=/dev/x\n" if called == "cmdline.txt" else b""
    )
    (tmp_path / "elsewhere").mkdir()
    (card.boot / "kerbwatch").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CardError, match="is a link"):
        prepare(card, plan_for(), NOW)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--by", "two\nlines"), "in one line"),
        (("--by", "x" * 201), "in one line"),
        (("--by", "me", "--est-server", "http://est", "--authority", "AUTHORITY"), "no address of"),
        (
            ("--by", "me", "--est-server", "https://est.example", "--authority", "NONE"),
            "no-authority",
        ),
    ],
)
def test_what_the_device_would_find_out_at_its_first_boot_is_refused_before_anything_is_written(
    tmp_path: Path, words: tuple[str, ...], fault: str
) -> None:
    card = card_of("firstrun", tmp_path / "card")
    office = Office(tmp_path / "office")
    none = tmp_path / "no-authority"
    none.write_text("x")
    (tmp_path / "token").write_text("a token\n")
    files = {"AUTHORITY": str(office.certificate_file), "NONE": str(none)}
    token = ("--token-file", str(tmp_path / "token")) if "--est-server" in words else ()
    given = [files.get(each, each) for each in words]
    ran = kerbwatch("card", "prepare", str(card.boot), *given, *token)
    assert fault in refused(ran, 1)
    assert not (card.boot / "kerbwatch").exists()


@pytest.mark.parametrize("secret", ["short", "x" * 64, "passwörter!", "with\nnewline"])
def test_a_password_that_no_network_has_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="8 to 63"):
        Wireless("street", secret)


def seeded(tmp_path: Path, more: str = "") -> Path:
    """A device's root with a card that its image has not touched yet; more: of its site."""
    root = tmp_path / "root"
    write_red_site(tmp_path / "site")
    with (tmp_path / "site/site.toml").open("a", encoding="utf-8") as opened:
        opened.write(more)
    card = card_of("kerbwatch", tmp_path / "card")
    prepare(card, plan_for(tmp_path / "site"), NOW)
    (root / "boot").mkdir(parents=True)
    (root / CONNECTION).parents[1].mkdir(parents=True)
    shutil.copytree(card.boot, root / "boot" / "firmware")
    return root


def test_a_device_takes_over_what_its_card_carries_and_secrets_leave_the_boot_partition(
    tmp_path: Path,
) -> None:
    root, asked = seeded(tmp_path), []

    def enrol(server: str, authority: Path, token: Path) -> str:
        asked.append((server, authority.read_bytes(), token.read_text()))
        return "the server said no"

    stamp = plant(root, NOW, partial(take, root), enrol, lambda: None)
    assert asked == [("https://est.example/", b"pinned", f"{TOKEN}\n")]
    assert stamp is not None
    assert (stamp.by, stamp.how) == ("Workshop 3", "kerbwatch")
    assert stamp.done == ("network", "page", "site")
    assert stamp.faults == ("certificate: the server said no",)
    assert (root / CONNECTION).stat().st_mode & 0o777 == ROOT_ALONE
    assert f"psk={PASSWORD}" in (root / CONNECTION).read_text()
    assert (root / "etc/kerbwatch/site.toml").read_bytes() == (
        tmp_path / "site/site.toml"
    ).read_bytes()
    assert PASSWORD.encode() not in everything_in(root / "boot")
    assert PAGE.access_point_password.encode() not in everything_in(root / "boot")
    assert PAGE.code.hash.encode() not in everything_in(root / "boot")
    assert TOKEN.encode() not in everything_in(root), "a token is gone even if it got nothing"
    assert (root / STATE / "seeded.json").stat().st_mode & 0o777 == 0o644
    again = plant(root, NOW, partial(take, root), enrol, lambda: None)
    assert again == stamp_of(root) == stamp
    assert len(asked) == 1


def test_the_code_of_the_office_signs_in_after_the_first_boot_and_only_its_hash_travelled(
    tmp_path: Path,
) -> None:
    root = seeded(tmp_path)
    carried = everything_in(root / "boot")
    assert PAGE.access_point_password.encode() in carried
    assert TOLD["code"].encode() not in carried
    assert TOLD["code"].replace("-", "").encode() not in carried
    plant(root, NOW, partial(take, root), lambda *_: "", lambda: None)
    assert is_right(TOLD["code"], root / OF_THE_PAGE / "code.json")
    profile = root / access_point.PROFILE
    assert f"psk={TOLD['access_point_password']}\n" in profile.read_text()
    assert profile.stat().st_mode & 0o777 == ROOT_ALONE
    shown = kerbwatch("page", "identity", "--json", "--root", str(root))
    told = json.loads(shown.stdout)
    assert told["page_address"] == TOLD["page_address"]
    assert f"ssid={told['access_point']}\n" in profile.read_text()


def test_a_code_that_is_there_stays_valid_and_the_card_says_so(tmp_path: Path) -> None:
    root = seeded(tmp_path)
    older, told = made()
    (tmp_path / "older.json").write_text(older.model_dump_json())
    assert take(root, tmp_path / "older.json") == ""
    stamp = plant(root, NOW, partial(take, root), lambda *_: "", lambda: None)
    assert stamp is not None
    assert "page" not in stamp.done
    assert any("was kept" in fault for fault in stamp.faults)
    assert is_right(told["code"], root / OF_THE_PAGE / "code.json")
    assert f"psk={told['access_point_password']}\n" in (root / access_point.PROFILE).read_text()
    assert PAGE.access_point_password.encode() not in everything_in(root)


@pytest.mark.parametrize("change", [{"access_point_password": "A\n[connection]"}, {"code": None}])
def test_a_card_whose_code_is_none_is_told_of(tmp_path: Path, change: dict[str, object]) -> None:
    file = tmp_path / "page.json"
    file.write_text(json.dumps(PAGE.model_dump() | change))
    assert take(tmp_path, file)
    assert not (tmp_path / access_point.PROFILE).exists()
    assert not (tmp_path / OF_THE_PAGE).exists()


def test_a_site_that_is_there_is_kept(tmp_path: Path) -> None:
    root = seeded(tmp_path)
    (root / "etc/kerbwatch").mkdir(parents=True)
    (root / "etc/kerbwatch/site.toml").write_text("# another\n")
    stamp = plant(root, NOW, partial(take, root), lambda *_: "", lambda: None)
    assert stamp is not None
    assert any("was kept" in fault for fault in stamp.faults)
    assert (root / "etc/kerbwatch/site.toml").read_text() == "# another\n"


def test_a_site_with_light_and_button_has_its_agent_let_to_the_pins_before_it_starts(
    tmp_path: Path,
) -> None:
    root, there = seeded(tmp_path, "\n[gpio]\nled = 17\nbutton = 27\n"), []
    stamp = plant(
        root,
        NOW,
        partial(take, root),
        lambda *_: "",
        lambda: there.append((root / UNITS / PINS).exists()),
    )
    assert stamp is not None
    assert stamp.done == ("network", "page", "site", "pins", "certificate")
    assert there == [True]
    assert (root / UNITS / PINS).stat().st_mode & 0o777 == 0o644
    assert PINS.name not in astray(root, 999, pins=True), "as `units install --gpio` has it"


def test_a_site_without_them_has_no_pins_opened(tmp_path: Path) -> None:
    root = seeded(tmp_path, "\n[gpio]\n")
    stamp = plant(root, NOW, partial(take, root), lambda *_: "", lambda: None)
    assert stamp is not None
    assert "pins" not in stamp.done
    assert not (root / UNITS).exists()


def test_pins_that_cannot_be_let_are_told_of_and_the_rest_goes_on(tmp_path: Path) -> None:
    root = seeded(tmp_path, "\n[gpio]\nbutton = 27\n")
    (root / UNITS).parent.mkdir(parents=True)
    (root / UNITS).write_text("no folder")
    stamp = plant(root, NOW, partial(take, root), lambda *_: "", lambda: None)
    assert stamp is not None
    assert stamp.done == ("network", "page", "site", "certificate")
    assert any(fault.startswith("pins: ") for fault in stamp.faults)


def test_the_first_boot_may_write_where_it_has_to() -> None:
    unit = (ROOT / "systemd/kerbwatch-firstboot.service").read_text(encoding="utf-8")
    [told] = [line for line in unit.splitlines() if line.startswith("ReadWritePaths=")]
    opened_to_it = told.partition("=")[2].split()
    assert {f"-/{UNITS}", f"-/{CONNECTION.parents[1]}"} <= set(opened_to_it)


def test_a_system_without_networkmanager_is_told_of_and_keeps_no_password(tmp_path: Path) -> None:
    root = seeded(tmp_path)
    (root / CONNECTION).parents[1].rmdir()
    stamp = plant(root, NOW, partial(take, root), lambda *_: "", lambda: None)
    assert stamp is not None
    assert stamp.done == ("page", "site", "certificate")
    assert any("no NetworkManager" in fault for fault in stamp.faults)
    assert PASSWORD.encode() not in everything_in(root)


_PLANT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from functools import partial
from provisioning.card.planting import plant
from provisioning.page.from_card import take
root = Path(sys.argv[1])
plant(root, datetime(2026, 3, 1, 8, tzinfo=UTC), partial(take, root), lambda *_: "", lambda: None)
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace here")
def test_killed_at_any_write_the_next_boot_goes_on_where_it_was(tmp_path: Path) -> None:
    """Killed at its first, second, … fsync, until none is left to be killed at."""
    killed = 0
    while True:
        root = seeded(tmp_path / str(killed))
        inject = f"inject=fsync:signal=KILL:when={killed + 1}"
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", inject]
        command += [sys.executable, "-P", "-c", _PLANT, str(root)]
        done = subprocess.run(
            command, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=60
        )
        stamp = plant(root, NOW, partial(take, root), lambda *_: "", lambda: None)
        assert stamp is not None
        assert set(stamp.done) == {"network", "page", "site", "certificate"}, killed
        assert (root / "etc/kerbwatch/zones.json").is_file()
        assert PASSWORD.encode() not in everything_in(root / "boot")
        assert TOKEN.encode() not in everything_in(root)
        if done.returncode == 0:
            break
        killed += 1
    assert killed > 10


def test_the_command_says_that_the_password_is_shared_and_what_it_recognised(
    tmp_path: Path,
) -> None:
    card = card_of("firstrun", tmp_path / "card")
    write_red_site(tmp_path / "site")
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    ran = kerbwatch(
        *(
            "card",
            "prepare",
            str(card.boot),
            "--by",
            "Workshop 3",
            "--site",
            str(tmp_path / "site"),
        ),
        *("--wifi", "street", "--wifi-password-file", str(tmp_path / "password")),
    )
    assert ran.exit_code == 0, ran.output
    assert "seeding: firstrun" in ran.output
    assert "a secret that all in the network share" in ran.output
    assert PASSWORD not in ran.output
    told = json.loads(ran.stdout)
    assert (told["what"], told["device_id"]) == ("page.identity", "red-corner")
    assert told["code"].encode() not in everything_in(card.boot)
    assert told["access_point_password"].encode() in everything_in(card.boot)
    told = json.loads((card.boot / "kerbwatch/card.json").read_text())
    assert (told["by"], told["how"]) == ("Workshop 3", "firstrun")


def test_the_label_is_written_for_its_owner_alone_and_taken_into_the_inventory(
    tmp_path: Path,
) -> None:
    card = card_of("firstrun", tmp_path / "card")
    write_red_site(tmp_path / "site")
    label, inventory = tmp_path / "label.json", tmp_path / "fleet.sqlite3"
    ran = kerbwatch(
        *("card", "prepare", str(card.boot), "--by", "me", "--site", str(tmp_path / "site")),
        *("--label", str(label)),
    )
    assert (ran.exit_code, ran.stdout) == (0, ""), ran.output
    assert label.stat().st_mode & 0o777 == ROOT_ALONE
    told = json.loads(label.read_text())
    assert told["code"] not in ran.output
    for words in (
        ("add", inventory, "10000000a1b2c3d4", "--device", "example/red-corner"),
        ("take", inventory, label),
    ):
        assert kerbwatch("fleet", words[0], *map(str, words[1:])).exit_code == 0
    listed = kerbwatch("fleet", "list", str(inventory), "--json").stdout
    assert told["page_address"] in listed
    assert told["code"].encode() not in inventory.read_bytes()


def test_a_faulty_site_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    card = card_of("firstrun", tmp_path / "card")
    write_red_site(tmp_path / "site")
    (tmp_path / "site/site.toml").write_text("[site]\n")
    ran = kerbwatch(
        "card", "prepare", str(card.boot), "--by", "me", "--site", str(tmp_path / "site")
    )
    refused(ran, 3)
    assert not (card.boot / "kerbwatch").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", [each.name for each in layouts()])
def test_an_image_file_is_prepared_as_it_is(name: str, tmp_path: Path) -> None:
    """Partitions on loop devices, as a downloaded image has them."""
    image = write_image(name, tmp_path)
    write_red_site(tmp_path / "site")
    ran = kerbwatch("card", "prepare", str(image), "--by", "me", "--site", str(tmp_path / "site"))
    assert ran.exit_code == 0, ran.output
    assert f"seeding: {name}" in ran.output
    with opened(image) as card:
        assert (card.boot / "kerbwatch/seed/site/site.toml").is_file()
        assert card.root is not None
        assert not (card.root / "kerbwatch").exists()
    looped = subprocess.run(["losetup", "-j", str(image)], capture_output=True, check=True)
    assert looped.stdout == b"", "nothing stays mounted"


def test_the_check_says_who_seeded_the_device_and_what_failed(tmp_path: Path) -> None:
    assert [finding.what for finding in of_root(tmp_path, None)] == ["seeded: no"]
    root = seeded(tmp_path)
    plant(root, NOW, partial(take, root), lambda *_: "the server said no", lambda: None)
    found = list(of_root(root, "Asia/Shanghai"))
    assert [finding.severity for finding in found] == ["ok", "warning"]
    assert found[0].what.startswith("seeded: yes, by Workshop 3, at 2026-03-01 16:00")
    assert "the server said no" in found[1].what
