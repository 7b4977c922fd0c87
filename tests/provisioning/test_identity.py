"""A device's identity: its key stays, and no certificate but its own is put in use, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from drivers import hardware
from drivers.files.folder_lock import lock_folder
from provisioning.commands import identity as command
from tests.support.broker import Broker
from tests.support.command_line import refused
from tests.support.identity_commands import NAME, UPLINK, done, enrolled, run, shown, signed, site
from tests.support.offline_authority import Office
from tests.support.openssl import connects
from tests.support.sites import site_of, write_site
from tests.support.topics import DEVICE, TENANT

__all__ = ["site"]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("office"))


def test_a_certificate_comes_by_stick_and_the_key_never_leaves(
    site: Path, office: Office, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    enrolled(site, office, stick)
    assert not any(b"PRIVATE KEY" in each.read_bytes() for each in stick.iterdir())
    current = site / "identity" / "current"
    certificate = x509.load_pem_x509_certificate((current / "device.crt").read_bytes())
    key = load_pem_private_key((current / "device.key").read_bytes(), None)
    assert certificate.public_key() == key.public_key()
    assert shown(site)["name"] == NAME
    assert shown(site)["request"] is None
    assert not (site / "identity" / "next.key").exists()


def test_the_agents_group_reads_the_key_and_nobody_else(
    site: Path, office: Office, tmp_path: Path
) -> None:
    if os.geteuid() == 0:
        os.chown(site, 0, 4242)
    enrolled(site, office, tmp_path / "stick")
    key = (site / "identity" / "current" / "device.key").stat()
    assert key.st_mode & 0o777 == 0o640
    for path in (site / "identity").rglob("*"):
        assert (
            path.lstat().st_gid == site.stat().st_gid
            or path.is_symlink()
            or "authority" in path.name
        )
        assert path.is_symlink() or path.stat().st_mode & 0o007 in {0, 0o004}
        assert "key" not in path.name or path.stat().st_mode & 0o007 == 0


def test_the_pair_lets_the_device_in_at_a_broker(
    site: Path, office: Office, tmp_path: Path, start_broker: Callable[..., Broker]
) -> None:
    enrolled(site, office, tmp_path / "stick")
    broker = start_broker()
    broker.stop()
    pki = broker.authority.certificate_file.parent
    certificate_file, key_file = office.server(tmp_path)
    for source, name in (
        (office.certificate_file, "ca.pem"),
        (certificate_file, "broker.pem"),
        (key_file, "broker.key"),
    ):
        shutil.copy(source, pki / name)
    broker.start()
    files = {name: site / UPLINK[name] for name in ("ca_file", "certificate_file", "key_file")}
    assert connects(broker.settings(**files, broker=f"mqtts://localhost:{broker.port}")) is None
    assert f"u'{NAME}'" in broker.log()


def test_everything_that_is_wrong_with_a_certificate_is_said_and_the_old_pair_stays(
    site: Path, office: Office, tmp_path: Path
) -> None:
    enrolled(site, office, tmp_path / "stick")
    before = (site / "identity" / "current" / "device.crt").read_bytes()
    done(run("request", site))
    stranger = Office(tmp_path / "stranger", "Another CA")
    wrong, key_file = stranger.issue("city/corner-2", tmp_path / "wrong")
    told = refused(run("install", site, wrong), 1)
    for fault in (
        "not of the key that was made here",
        "its name (CN) is city/corner-2, this device is city/corner-1",
        "does not lead to the pinned authority (CN=Example City Devices CA)",
    ):
        assert fault in told
    assert "holds no certificate" in refused(run("install", site, key_file), 1)
    certificate_file, _ = office.server(tmp_path / "server")
    assert "not for a client" in refused(run("install", site, certificate_file), 1)
    assert (site / "identity" / "current" / "device.crt").read_bytes() == before
    assert (site / "identity" / "next.key").exists(), "the request still waits"


def test_a_certificate_without_a_request_is_refused(
    site: Path, office: Office, tmp_path: Path
) -> None:
    certificate, _ = office.issue(NAME, tmp_path / "elsewhere", "--renew")
    told = refused(run("install", site, certificate, "--authority", office.certificate_file), 1)
    assert "no key waits for a certificate here" in told


def test_a_request_is_the_same_until_its_certificate_was_installed(
    site: Path, office: Office, tmp_path: Path
) -> None:
    def key_of(folder: Path) -> object:
        done(run("request", site, "--authority", office.certificate_file, "--out", folder))
        request = x509.load_pem_x509_csr((folder / f"{TENANT}.{DEVICE}.csr").read_bytes())
        return request.public_key()

    first = key_of(tmp_path / "a")
    assert key_of(tmp_path / "b") == first
    done(run("install", site, signed(office, tmp_path / "b" / f"{TENANT}.{DEVICE}.csr")))
    assert key_of(tmp_path / "c") != first


class PowerCut(BaseException):
    """Nothing runs after it, no clean-up either."""


STEPS = ("rename", "replace", "symlink_to", "unlink", "mkdir")


def cut_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> list[int]:
    """Cut the power once so many changes of names were made."""
    left = [steps]

    def counted(made: Callable[..., Any]) -> Callable[..., Any]:
        def step(*words: Any, **more: Any) -> Any:
            if left[0] <= 0:
                raise PowerCut
            left[0] -= 1
            return made(*words, **more)

        return step

    for name in STEPS:
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))
    return left


def test_a_power_cut_at_any_moment_leaves_the_old_pair_or_the_new_one(
    site: Path, office: Office, tmp_path: Path
) -> None:
    enrolled(site, office, tmp_path / "stick")
    done(run("request", site, "--out", tmp_path / "next"))
    certificate = signed(office, tmp_path / "next" / f"{TENANT}.{DEVICE}.csr")
    wanted = x509.load_pem_x509_certificate(certificate.read_bytes())
    seen = set()
    for steps in range(200):
        corner = tmp_path / f"corner-{steps}"
        shutil.copytree(site, corner, symlinks=True)
        with pytest.MonkeyPatch.context() as patch:
            left = cut_after(patch, steps)
            with contextlib.suppress(PowerCut):
                command.install(corner, None, certificate, None)
            ended = left[0] > 0
        current = corner / "identity" / "current"
        found = x509.load_pem_x509_certificate((current / "device.crt").read_bytes())
        key = load_pem_private_key((current / "device.key").read_bytes(), None)
        assert found.public_key() == key.public_key(), f"after {steps} steps"
        seen.add(found == wanted)
        if found != wanted:  # what was begun is done by the next try
            done(run("install", corner, certificate))
            found = x509.load_pem_x509_certificate((current / "device.crt").read_bytes())
            assert found == wanted
        assert not list(corner.rglob("*.part")) or found == wanted
        shutil.rmtree(corner)
        if ended:
            break
    else:
        pytest.fail("it never came to its end")
    assert seen == {False, True}


def test_a_replaced_unit_gets_the_site_and_never_the_identity(
    site: Path, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "unit_id", lambda: "board:one")
    enrolled(site, office, tmp_path / "stick")
    done(run("request", site))  # a request under way moves no more than a pair does
    monkeypatch.setattr(command, "unit_id", lambda: "board:two")  # the card in another unit
    assert shown(site)["foreign"]
    assert "another unit" in done(run("show", site))
    assert "no identity of this unit" in refused(run("renew", site, "--now"), 1)
    old = x509.load_pem_x509_certificate((site / "identity/current/device.crt").read_bytes())
    done(run("request", site, "--out", tmp_path / "second"))
    request = tmp_path / "second" / f"{TENANT}.{DEVICE}.csr"
    assert x509.load_pem_x509_csr(request.read_bytes()).public_key() != old.public_key()
    done(office.run("sign", request, "--replace"))
    done(run("install", site, tmp_path / "second" / f"{TENANT}.{DEVICE}.crt"))
    assert not shown(site)["foreign"]
    assert len(list((site / "identity" / "pairs").iterdir())) == 1, (
        "nothing of the other unit stays"
    )
    crl = x509.load_pem_x509_crl(office.crl_file.read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(old.serial_number) is not None


def test_what_is_handed_over_to_another_unit_holds_no_secret(
    site: Path, office: Office, tmp_path: Path
) -> None:
    enrolled(site, office, tmp_path / "stick")
    done(run("request", site))
    camera = {
        "camera_id": "street",
        "driver": "rtsp",
        "settings": {"url": "rtsp://10.0.0.9/1", "user": "u", "password_file": "camera.password"},
    }
    write_site(
        site,
        site_of(
            site={"tenant": TENANT, "device_id": DEVICE},
            uplink={**UPLINK, "password_file": "broker.password"},
            cameras=[camera],
        ),
    )
    for name in ("camera.password", "broker.password"):
        (site / name).write_text("swordfish", encoding="utf-8")
    out = tmp_path / "other"
    told = done(run("hand-over", site, out))
    files = {str(each.relative_to(out)) for each in out.rglob("*") if each.is_file()}
    assert files == {"site.toml", "identity/authority.crt"}
    for path in out.rglob("*"):
        assert path.is_dir() or b"PRIVATE KEY" not in path.read_bytes()
        assert path.is_dir() or b"swordfish" not in path.read_bytes()
    assert "camera.password" in told
    assert "is not empty" in refused(run("hand-over", site, out), 1)
    done(run("request", out, "--out", tmp_path / "theirs"))
    theirs = x509.load_pem_x509_csr((tmp_path / "theirs" / f"{TENANT}.{DEVICE}.csr").read_bytes())
    ours = x509.load_pem_x509_certificate((site / "identity/current/device.crt").read_bytes())
    assert theirs.public_key() != ours.public_key()


def test_the_unit_is_known_by_its_board_and_else_by_its_installation(tmp_path: Path) -> None:
    assert hardware.unit_id(tmp_path) is None
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    by_installation = hardware.unit_id(tmp_path)
    assert by_installation is not None
    assert by_installation.startswith("machine:")
    assert "0123456789abcdef" not in by_installation
    board = tmp_path / "proc" / "device-tree" / "serial-number"
    board.parent.mkdir(parents=True)
    board.write_bytes(b"10000000a1b2c3d4\0")
    assert hardware.unit_id(tmp_path) == "board:10000000a1b2c3d4"
    assert hardware.serial_number(tmp_path) == "10000000a1b2c3d4"


def test_a_site_that_does_not_name_the_pair_is_told_what_to_write(
    site: Path, office: Office, tmp_path: Path
) -> None:
    write_site(site, site_of(site={"tenant": TENANT, "device_id": DEVICE}))
    done(run("request", site, "--authority", office.certificate_file, "--out", tmp_path))
    told = done(run("install", site, signed(office, tmp_path / f"{TENANT}.{DEVICE}.csr")))
    assert 'certificate_file = "identity/current/device.crt"' in told
    assert 'key_file = "identity/current/device.key"' in told


def test_without_a_server_a_renewal_makes_the_request_that_is_carried(
    site: Path, office: Office, tmp_path: Path
) -> None:
    enrolled(site, office, tmp_path / "stick")
    assert "Nothing to do" in done(run("renew", site))
    assert shown(site)["request"] is None
    told = done(run("renew", site, "--now"))
    assert str(site / "identity" / "next.csr") in told
    before = x509.load_pem_x509_certificate((site / "identity/current/device.crt").read_bytes())
    done(office.run("sign", site / "identity" / "next.csr", "--renew", "--out", tmp_path))
    done(run("install", site, tmp_path / f"{TENANT}.{DEVICE}.crt"))
    after = x509.load_pem_x509_certificate((site / "identity/current/device.crt").read_bytes())
    assert after.public_key() != before.public_key(), "each certificate has a key of its own"


def test_two_commands_do_not_work_on_one_identity_at_once(
    site: Path, office: Office, tmp_path: Path
) -> None:
    enrolled(site, office, tmp_path / "stick")
    held = lock_folder(site / "identity")
    told = refused(run("request", site), 1)
    os.close(held)
    assert "another command" in told
