"""Certificates by EST: a token once for one device, then by the certificate itself; and who is not trusted."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.disk import replace_file
from provisioning.enrolment import est_client, known_time, profiles, requests, trust
from provisioning.enrolment.est_client import EstError, address_of
from provisioning.enrolment.names import device_name
from provisioning.enrolment.requests import RequestError
from provisioning.enrolment.trust import TrustError
from tests.faults.clocks import PretendedClock
from tests.support.command_line import refused
from tests.support.est_server import EstServer, issuer, start_est
from tests.support.identity_commands import NAME, done, enrolled, run, shown, site
from tests.support.offline_authority import Office
from tests.support.topics import DEVICE, TENANT

if TYPE_CHECKING:
    from click.testing import Result

__all__ = ["site", "start_est"]
YEAR = timedelta(days=365)


def enrol(site: Path, server: EstServer, token: str, *words: object) -> Result:
    file = site.parent / "token"
    file.write_text(f"{token}\n", encoding="utf-8")
    named = ("--server", server.url, "--authority", server.certificate_file)
    return run("enrol", site, *named, "--token-file", file, *words)


def in_use(site: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((site / "identity/current/device.crt").read_bytes())


def test_a_device_is_enrolled_with_a_token_and_renewed_without(
    site: Path, start_est: Callable[..., EstServer]
) -> None:
    server = start_est()
    token = server.token(NAME)
    told = done(enrol(site, server, token))
    assert token not in told
    first = in_use(site)
    assert first.issuer == server.issuer.certificate.subject
    assert "Nothing to do" in done(run("renew", site))
    done(run("renew", site, "--now"))
    second = in_use(site)
    assert second.public_key() != first.public_key()
    assert second.subject == first.subject
    assert server.asked == [("simpleenroll", "Basic"), ("simplereenroll", "")]
    assert not any(
        token.encode() in each.read_bytes() for each in site.rglob("*") if each.is_file()
    )


def test_a_token_may_be_wanted_as_bearer(site: Path, start_est: Callable[..., EstServer]) -> None:
    server = start_est(bearer=True)
    done(enrol(site, server, server.token(NAME)))
    assert server.asked == [("simpleenroll", "Basic"), ("simpleenroll", "Bearer")]


def test_a_token_is_good_once_for_one_device_and_for_a_while(
    site: Path, start_est: Callable[..., EstServer]
) -> None:
    server = start_est()
    used = server.token(NAME)
    done(enrol(site, server, used))
    before = in_use(site)
    late = server.token(NAME, good_for=timedelta(hours=-1))
    for token in (used, late, server.token("city/other"), "made up"):
        told = refused(enrol(site, server, token), 1)
        assert f"ask for a new one for {NAME}" in told
    assert in_use(site) == before


def test_from_two_thirds_of_its_life_on_a_certificate_is_renewed(
    site: Path, start_est: Callable[..., EstServer]
) -> None:
    server = start_est(life=(timedelta(days=60), timedelta(days=31)))
    done(enrol(site, server, server.token(NAME)))
    first = in_use(site)
    assert "Nothing to do" in done(run("renew", site))
    server.life = (timedelta(days=61), timedelta(days=30))
    done(run("renew", site, "--now"))
    due = in_use(site)
    server.life = (timedelta(days=1), timedelta(days=90))
    done(run("renew", site))
    assert in_use(site) not in (first, due)


def test_after_months_offline_an_expired_certificate_is_renewed_if_the_server_allows_it(
    site: Path, start_est: Callable[..., EstServer], tmp_path: Path
) -> None:
    authority = issuer("City EST CA")
    server = start_est(issuer=authority, allows_expired=True)
    expired(site, server)
    done(run("renew", site))
    assert in_use(site).not_valid_after_utc > profiles.now()


def test_a_server_that_does_not_allow_it_makes_us_ask_for_a_token_in_words(
    site: Path, start_est: Callable[..., EstServer]
) -> None:
    server = start_est()
    ended = expired(site, server)
    told = refused(run("renew", site), 1)
    assert f"ended on {ended:%Y-%m-%d}" in told
    assert f"a token for {NAME}" in told
    assert "kerbwatch identity enrol" in told
    done(enrol(site, server, server.token(NAME)))
    assert in_use(site).not_valid_after_utc > profiles.now()


def expired(site: Path, server: EstServer) -> dt.datetime:
    """A device whose certificate ended ten days ago, as if it had been installed in time."""
    now = profiles.now()
    server.life = (timedelta(days=100), timedelta(days=20))
    done(enrol(site, server, server.token(NAME)))
    key_file = site / "identity" / "current" / "device.key"
    key = known_key(key_file)
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"kerbwatch://{NAME}")])
    ended = now - timedelta(days=10)
    made = server.issued(
        key.public_key(), in_use(site).subject, names, (timedelta(days=100), timedelta(days=-10))
    )
    replace_file(site / "identity" / "current" / "device.crt", made.public_bytes(Encoding.PEM))
    server.life = (timedelta(days=1), timedelta(days=90))
    return ended


def known_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def test_a_revoked_certificate_is_not_renewed_and_that_is_said(
    site: Path, start_est: Callable[..., EstServer]
) -> None:
    server = start_est()
    done(enrol(site, server, server.token(NAME)))
    server.revoked.add(in_use(site).serial_number)
    before = in_use(site)
    told = refused(run("renew", site, "--now"), 1)
    assert "revoked" in told
    assert f"with a token for {NAME}" in told
    assert in_use(site) == before


def test_a_server_of_another_authority_gets_no_token(
    site: Path, start_est: Callable[..., EstServer], tmp_path: Path
) -> None:
    server, pinned = start_est(), issuer("Ours")
    server.certificate_file.write_bytes(pinned.certificate.public_bytes(Encoding.PEM))
    told = refused(enrol(site, server, server.token(NAME)), 1)
    assert "is not trusted" in told
    assert server.asked == []


def test_a_server_of_another_name_gets_no_token(
    site: Path, start_est: Callable[..., EstServer]
) -> None:
    server = start_est()
    token = server.token(NAME)
    file = site.parent / "token"
    file.write_text(token)
    named = ("--authority", server.certificate_file, "--token-file", file)
    by_another_name = server.url.replace("localhost", "127.0.0.1")
    told = refused(run("enrol", site, "--server", by_another_name, *named), 1)
    assert "is not trusted" in told
    assert server.asked == []


def swapped(key: Any, _subject: x509.Name) -> tuple[Any, x509.Name]:
    return ec.generate_private_key(ec.SECP256R1()).public_key(), _subject


def renamed(key: Any, _subject: x509.Name) -> tuple[Any, x509.Name]:
    return key, x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "city/other")])


@pytest.mark.parametrize(
    ("tampers", "fault"),
    [(swapped, "not of the key that was made here"), (renamed, "its name (CN) is city/other")],
)
def test_what_a_server_gives_is_held_against_key_and_name(
    site: Path, start_est: Callable[..., EstServer], tampers: Any, fault: str
) -> None:
    server = start_est(tampers=tampers)
    assert fault in refused(enrol(site, server, server.token(NAME)), 1)
    assert not (site / "identity" / "current").exists()


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ((200, b"no base64 *"), "holds no certificates"),
        ((200, base64.b64encode(b"\x30\x82" + bytes(500))), "holds no certificates"),
        ((200, b"A" * 100_000), "cannot be reached"),
        ((200, b""), "holds no certificates"),
        ((500, b"\x1b[31mboom\nfaked line"), r"answered 500: \x1b[31mboom\nfaked line"),
        ((302, b""), "answered 302"),
    ],
)
def test_an_answer_that_is_none_changes_nothing_and_is_said(
    site: Path, start_est: Callable[..., EstServer], answer: tuple[int, bytes], fault: str
) -> None:
    server = start_est()
    done(enrol(site, server, server.token(NAME)))
    before = in_use(site)
    server.answers["simplereenroll"] = answer
    ran = run("renew", site, "--now")
    assert fault in refused(ran, ran.exit_code)
    assert ran.exit_code in {1, 4}
    assert in_use(site) == before


def test_a_server_that_has_not_decided_is_asked_again_with_the_same_key(
    site: Path, start_est: Callable[..., EstServer]
) -> None:
    server = start_est(waits=True)
    token = server.token(NAME)
    told = refused(enrol(site, server, token), 1)
    assert "ask again in 30 min" in told
    waiting = x509.load_pem_x509_csr((site / "identity" / "next.csr").read_bytes())
    server.waits = False
    done(enrol(site, server, token))
    assert in_use(site).public_key() == waiting.public_key()


@pytest.mark.parametrize("told", ["9" * 5000, "99999999", "Wed, 21 Oct 2026 07:28:00 GMT", ""])
def test_a_time_to_ask_again_that_is_none_counts_as_an_hour(
    site: Path, start_est: Callable[..., EstServer], told: str
) -> None:
    server = start_est(waits=True, retry_after=told)
    assert "ask again in 60 min" in refused(enrol(site, server, server.token(NAME)), 1)


def test_a_server_whose_answer_has_no_end_is_hung_up_on(
    site: Path, start_est: Callable[..., EstServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_est()
    done(enrol(site, server, server.token(NAME)))
    before = in_use(site)
    monkeypatch.setattr(est_client, "ANSWER_WITHIN_S", 1.0)
    server.without_end = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert "cannot be reached" in refused(run("renew", site, "--now"), 4)
    assert in_use(site) == before


def test_a_server_that_is_not_there_is_another_failure_than_one_that_refuses(
    site: Path, start_est: Callable[..., EstServer]
) -> None:
    server = start_est()
    done(enrol(site, server, server.token(NAME)))
    (site / "identity" / "enrolment.json").write_text(
        json.dumps({"server": "https://localhost:1/.well-known/est"})
    )
    assert "cannot be reached" in refused(run("renew", site, "--now"), 4)


def test_a_certificate_in_between_comes_from_the_servers_cacerts(
    site: Path, start_est: Callable[..., EstServer]
) -> None:
    root = issuer("City Root")
    middle = issuer("City Middle", above=root)
    server = start_est(issuer=middle, between=(middle.certificate,))
    server.certificate_file.write_bytes(root.certificate.public_bytes(Encoding.PEM))
    done(enrol(site, server, server.token(NAME)))
    content = (site / "identity" / "current" / "device.crt").read_bytes()
    chain = x509.load_pem_x509_certificates(content)
    assert [each.subject.rfc4514_string() for each in chain] == [f"CN={NAME}", "CN=City Middle"]


def test_the_address_of_a_server_is_https_with_the_path_of_the_standard() -> None:
    assert address_of("https://est.city.example").path == "/.well-known/est"
    assert address_of("https://est.city.example:8443/.well-known/est/poles/").port == 8443
    for url in (
        "http://est.city.example",
        "https://user:secret@est.city.example",
        "https://est.city.example/other",
        "https://est.city.example/.well-known/est/a/b",
        "https://est.city.example?x",
        "https://[::1",
        "est.city.example",
    ):
        with pytest.raises(EstError, match="no address of an EST server"):
            address_of(url)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up what root may")
def test_the_unit_that_renews_needs_no_capability_and_leaves_the_key_to_the_agents_group(
    site: Path, start_est: Callable[..., EstServer]
) -> None:
    server = start_est()
    os.chown(site, 0, 4242)
    done(enrol(site, server, server.token(NAME)))
    for path in site.rglob("*"):
        os.chown(path, 0, 4242, follow_symlinks=False)
    before = in_use(site)
    as_unit = (
        "--reuid=0",
        "--regid=4242",
        "--clear-groups",
        "--bounding-set=-all",
        "--inh-caps=-all",
    )
    ran = subprocess.run(
        [
            *("setpriv", *as_unit, "--no-new-privs", sys.executable, "-m", "provisioning.cli"),
            *("identity", "renew", str(site), "--now"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "KERBWATCH_LANGUAGE": "en"},
    )
    assert ran.returncode == 0, ran.stderr
    assert in_use(site) != before
    key = (site / "identity" / "current" / "device.key").stat()
    assert (key.st_uid, key.st_gid, key.st_mode & 0o777) == (0, 4242, 0o640)


# A clock that is wrong: in a process of its own, which is pretended another time.


def with_clock(
    clock: PretendedClock, site: Path, *words: object
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "provisioning.cli", "identity", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**clock.environment, "PATH": "/usr/bin:/bin", "KERBWATCH_LANGUAGE": "en"},
    )


@pytest.fixture
def clock(tmp_path: Path) -> PretendedClock:
    folder = tmp_path / "clock"
    folder.mkdir()
    return PretendedClock(folder)


def asking(site: Path, server: EstServer) -> tuple[object, ...]:
    file = site.parent / "token"
    file.write_text(server.token(NAME), encoding="utf-8")
    named = ("--server", server.url, "--authority", server.certificate_file)
    return ("enrol", site, *named, "--token-file", file)


def test_a_clock_that_begins_in_1970_keeps_no_device_from_its_first_certificate(
    site: Path, start_est: Callable[..., EstServer], clock: PretendedClock
) -> None:
    server = start_est()
    with clock:
        clock.set(-56 * YEAR.total_seconds(), synchronised=False)
        ran = with_clock(clock, site, *asking(site, server))
    assert ran.returncode == 0, ran.stderr
    assert in_use(site).issuer == server.issuer.certificate.subject


def test_the_same_clock_when_a_time_source_vouches_for_it_is_believed(
    site: Path, start_est: Callable[..., EstServer], clock: PretendedClock
) -> None:
    server = start_est()
    with clock:
        clock.set(20 * YEAR.total_seconds(), synchronised=True)
        ran = with_clock(clock, site, *asking(site, server))
    assert ran.returncode == 1
    assert "is not trusted" in ran.stderr
    assert server.asked == []


def test_a_wrong_clock_loosens_neither_authority_nor_name(
    site: Path, start_est: Callable[..., EstServer], clock: PretendedClock
) -> None:
    server = start_est()
    asked = asking(site, server)
    server.certificate_file.write_bytes(issuer("Ours").certificate.public_bytes(Encoding.PEM))
    with clock:
        clock.set(-56 * YEAR.total_seconds(), synchronised=False)
        stranger = with_clock(clock, site, *asked)
    assert "is not trusted" in stranger.stderr
    other = start_est()
    asked = ("enrol", site, "--server", other.url.replace("localhost", "127.0.0.1"))
    with clock:
        clock.set(-56 * YEAR.total_seconds(), synchronised=False)
        renamed = with_clock(
            clock,
            site,
            *asked,
            "--authority",
            other.certificate_file,
            "--token-file",
            site.parent / "token",
        )
    assert "is not trusted" in renamed.stderr
    assert server.asked == other.asked == []


def test_what_had_ended_before_the_last_good_time_is_refused_whatever_the_clock_says(
    site: Path, start_est: Callable[..., EstServer], clock: PretendedClock
) -> None:
    server = start_est(days=(-30, 20))
    folder = site / "identity"
    folder.mkdir()
    (folder / known_time.FILE).write_text((profiles.now() + timedelta(days=40)).isoformat())
    with clock:
        clock.set(-56 * YEAR.total_seconds(), synchronised=False)
        ran = with_clock(clock, site, *asking(site, server))
    assert ran.returncode == 1
    assert "it ended on" in ran.stderr
    assert server.asked == [], "no token goes to it"


def test_the_last_good_time_is_noted_when_a_time_source_vouches_for_it(
    site: Path, start_est: Callable[..., EstServer], clock: PretendedClock
) -> None:
    server = start_est()
    with clock:
        clock.set(0, synchronised=True)
        ran = with_clock(clock, site, *asking(site, server))
    assert ran.returncode == 0, ran.stderr
    noted = dt.datetime.fromisoformat((site / "identity" / known_time.FILE).read_text().strip())
    assert abs(noted - profiles.now()) < timedelta(hours=1)


def test_by_stick_a_wrong_clock_is_no_fault_of_a_certificate(
    site: Path, tmp_path: Path, clock: PretendedClock
) -> None:
    office = Office(tmp_path / "office")
    enrolled(site, office, tmp_path / "stick")
    done(run("request", site, "--out", tmp_path / "next"))
    done(office.run("sign", tmp_path / "next" / f"{TENANT}.{DEVICE}.csr", "--renew"))
    certificate = tmp_path / "next" / f"{TENANT}.{DEVICE}.crt"
    with clock:
        clock.set(-56 * YEAR.total_seconds(), synchronised=False)
        ran = with_clock(clock, site, "install", site, certificate)
    assert ran.returncode == 0, ran.stderr
    assert shown(site)["request"] is None


# What comes from elsewhere is refused in words, whatever it is.


@pytest.fixture(scope="module")
def seeds() -> list[bytes]:
    """A request, a certificate and a PKCS#7, in DER."""
    office = issuer("Seed")
    key = ec.generate_private_key(ec.SECP256R1())
    request = requests.make(device_name(NAME), key)
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"kerbwatch://{NAME}")])
    made = (
        x509.CertificateBuilder()
        .subject_name(device_name(NAME).subject())
        .issuer_name(office.certificate.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(profiles.now())
        .not_valid_after(profiles.now() + YEAR)
        .add_extension(names, critical=False)
        .sign(office.key, hashes.SHA256())
    )
    return [
        request.public_bytes(Encoding.DER),
        made.public_bytes(Encoding.DER),
        pkcs7.serialize_certificates([made], Encoding.DER),
    ]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_bytes_bring_another_error_than_ours(seeds: list[bytes], data: st.DataObject) -> None:
    content = bytearray(data.draw(st.one_of(st.binary(max_size=200), st.sampled_from(seeds))))
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    raw = bytes(content)
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n%s-----END CERTIFICATE REQUEST-----\n"
    for form in (raw, pem % base64.encodebytes(raw)):
        with suppress(RequestError):
            requests.parsed(form)
    pem = b"-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n"
    for form in (raw, pem % base64.encodebytes(raw)):
        with suppress(TrustError):
            trust.certificates_in(form)
    for form in (raw, base64.encodebytes(raw)):
        with suppress(EstError):
            est_client.unpacked(form, "est.city.example")
