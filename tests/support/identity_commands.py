"""``kerbwatch identity`` on a site of a test, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.command_line import kerbwatch
from tests.support.offline_authority import Office
from tests.support.sites import site_of, write_site
from tests.support.topics import DEVICE, TENANT

if TYPE_CHECKING:
    from click.testing import Result

NAME = f"{TENANT}/{DEVICE}"
UPLINK = {
    "broker": "mqtts://broker.example:8883",
    "ca_file": "identity/authority.crt",
    "certificate_file": "identity/current/device.crt",
    "key_file": "identity/current/device.key",
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    folder.mkdir()
    write_site(folder, site_of(site={"tenant": TENANT, "device_id": DEVICE}, uplink=UPLINK))
    return folder


def run(what: str, site: Path, *words: object, language: str | None = None) -> Result:
    return kerbwatch("identity", what, site, *words, language=language)


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def shown(site: Path) -> dict[str, Any]:
    return json.loads(done(run("show", site, "--json")))  # type: ignore[no-any-return]


def signed(office: Office, request: Path, *words: object) -> Path:
    done(office.run("sign", request, "--renew", *words))
    return request.parent / f"{TENANT}.{DEVICE}.crt"


def enrolled(site: Path, office: Office, stick: Path) -> Path:
    """A certificate by stick; gives where it was."""
    done(run("request", site, "--authority", office.certificate_file, "--out", stick))
    certificate = signed(office, stick / f"{TENANT}.{DEVICE}.csr")
    done(run("install", site, certificate))
    return certificate
