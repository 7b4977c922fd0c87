"""An offline authority: what it issues is taken by the strictest reader and by a real broker, and revoked there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store

from agent.config.schema import UplinkSection
from drivers.files.folder_lock import lock_folder
from provisioning.enrolment import profiles
from provisioning.enrolment.register import REASONS
from provisioning.groups import authority as group
from tests.support.broker import Broker
from tests.support.command_line import kerbwatch, refused
from tests.support.offline_authority import PASSPHRASE, Office, requested
from tests.support.openssl import connects, openssl
from tests.support.paths import DOCS, ROOT
from tests.support.sites import site_of, write_site
from tests.support.topics import DEVICE, TENANT
from tests.support.waiting import wait_until

NAME = f"{TENANT}/{DEVICE}"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("office"))


@pytest.fixture
def own_office(tmp_path: Path) -> Office:
    """One that a test changes."""
    return Office(tmp_path / "office")


def certificate_in(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def listed(office: Office) -> list[dict[str, str]]:
    return json.loads(office.run("list", "--json").stdout)  # type: ignore[no-any-return]


def test_what_is_issued_holds_by_the_strictest_rule_of_openssl(
    office: Office, tmp_path: Path
) -> None:
    device, _ = office.issue("city/strict", tmp_path)
    server, _ = office.server(tmp_path)
    openssl(
        tmp_path,
        f"openssl verify -x509_strict -CAfile {office.certificate_file} -purpose sslclient {device}\n"
        f"openssl verify -x509_strict -CAfile {office.certificate_file} -purpose sslserver "
        f"-verify_hostname localhost -verify_ip 127.0.0.1 {server}\n"
        f"openssl verify -x509_strict -crl_check -CAfile {office.certificate_file} "
        f"-CRLfile {office.crl_file} {device}\n",
    )
    wrong = subprocess.run(
        ["openssl", "verify", "-CAfile", office.certificate_file, "-purpose", "sslserver", device],
        capture_output=True,
        check=False,
    )
    assert wrong.returncode != 0, "a device's certificate is none of a server"


def test_what_is_issued_holds_by_the_rule_of_browsers_too(office: Office, tmp_path: Path) -> None:
    device, _ = office.issue("city/browser", tmp_path)
    server, _ = office.server(tmp_path)
    policy = PolicyBuilder().store(Store([certificate_in(office.certificate_file)]))
    known = policy.build_client_verifier().verify(certificate_in(device), [])
    assert known.subjects is not None
    assert [each.value for each in known.subjects] == ["kerbwatch://city/browser"]
    policy.build_server_verifier(x509.DNSName("localhost")).verify(certificate_in(server), [])


def test_a_device_is_its_name_and_nothing_that_it_asks_for_besides(
    office: Office, tmp_path: Path
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "city/greedy"),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "platform"),
        ]
    )
    asked = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("broker")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "greedy.csr"
    path.write_bytes(asked.public_bytes(Encoding.PEM))
    assert office.run("sign", path).exit_code == 0
    issued = certificate_in(tmp_path / "city.greedy.crt")
    assert issued.subject.rfc4514_string() == "CN=city/greedy"
    names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == []
    basic = issued.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not basic.ca
    assert issued.public_key() == key.public_key()


def broker_of(office: Office, start: Callable[..., Broker], tmp_path: Path) -> Broker:
    """A Mosquitto that trusts the office's authority and looks into its revocation list."""
    broker = start(f"crlfile {tmp_path / 'broker.crl'}")
    broker.stop()
    certificate_file, key_file = office.server(tmp_path)
    pki = broker.authority.certificate_file.parent
    shutil.copy(office.certificate_file, pki / "ca.pem")
    shutil.copy(certificate_file, pki / "broker.pem")
    shutil.copy(key_file, pki / "broker.key")
    shutil.copy(office.crl_file, tmp_path / "broker.crl")
    broker.start()
    return broker


def of(office: Office, broker: Broker, files: tuple[Path, Path]) -> UplinkSection:
    return broker.settings(
        ca_file=office.certificate_file,
        certificate_file=files[0],
        key_file=files[1],
        broker=f"mqtts://localhost:{broker.port}",
    )


def test_mosquitto_lets_a_device_in_by_its_name_until_it_is_revoked(
    own_office: Office, start_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    office = own_office
    shutil.copy(office.crl_file, tmp_path / "broker.crl")
    broker = broker_of(office, start_broker, tmp_path)
    ours = of(office, broker, office.issue(NAME, tmp_path / "ours"))
    other = of(office, broker, office.issue("city/other", tmp_path / "other"))
    assert connects(ours) is None
    assert connects(other) is None
    assert f"u'{NAME}'" in broker.log()
    revoked = office.run("revoke", NAME, "--reason", "lost")
    assert revoked.exit_code == 0, revoked.output
    shutil.copy(office.crl_file, tmp_path / "broker.crl")
    broker.stop()
    broker.start()
    told = connects(ours)
    assert told is not None
    assert "does not accept this device's certificate" in told
    assert connects(other) is None


def test_python_with_strict_checks_trusts_the_broker(
    office: Office, start_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    shutil.copy(office.crl_file, tmp_path / "broker.crl")
    broker = broker_of(office, start_broker, tmp_path)
    context = ssl.create_default_context(cafile=office.certificate_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_cert_chain(*office.issue("city/strict-python", tmp_path))
    with (
        socket.create_connection(("127.0.0.1", broker.port)) as channel,
        context.wrap_socket(channel, server_hostname="localhost") as secured,
    ):
        assert secured.version() in {"TLSv1.2", "TLSv1.3"}


def test_a_second_certificate_of_a_name_is_given_only_when_somebody_says_why(
    own_office: Office, tmp_path: Path
) -> None:
    office = own_office
    office.issue(NAME, tmp_path / "first")
    [first] = listed(office)
    request_file, _ = requested(NAME, tmp_path / "second")
    told = refused(office.run("sign", request_file), 1)
    assert NAME in told
    assert first["serial"] in told
    assert [each["state"] for each in listed(office)] == ["valid"]
    assert office.run("sign", request_file, "--renew").exit_code == 0
    assert [each["state"] for each in listed(office)] == ["valid", "valid"]
    third, _ = requested(NAME, tmp_path / "third")
    assert office.run("sign", third, "--replace").exit_code == 0
    assert [(each["state"], each["reason"]) for each in listed(office)] == [
        ("revoked", "replaced"),
        ("revoked", "replaced"),
        ("valid", None),
    ]
    crl = x509.load_pem_x509_crl(office.crl_file.read_bytes())
    assert {f"{each.serial_number:x}" for each in crl} == {
        each["serial"] for each in listed(office) if each["state"] == "revoked"
    }
    assert crl.is_signature_valid(certificate_in(office.certificate_file).public_key())  # type: ignore[arg-type]


def test_every_fault_of_every_request_is_said_and_none_is_signed(
    office: Office, tmp_path: Path
) -> None:
    before = listed(office)
    good, key_file = requested("city/good", tmp_path)
    twice, _ = requested("city/good", tmp_path / "again")
    weak, _ = requested("city/weak", tmp_path, rsa.generate_private_key(65_537, 1024))
    torn = tmp_path / "torn.csr"
    torn.write_bytes(good.read_bytes()[:200])
    nameless = tmp_path / "nameless.csr"
    openssl(
        tmp_path,
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout x.key"
        " -subj /CN=corner-1 -out nameless.csr",
    )
    told = refused(office.run("sign", good, twice, weak, torn, nameless, key_file), 1)
    for path, fault in {
        twice: "another file asks for city/good as well",
        weak: "too weak",
        torn: "no certificate request",
        nameless: "corner-1 is not TENANT/DEVICE",
        key_file: "must not leave the device",
    }.items():
        assert f"{path}: " in told
        assert fault in told
    assert listed(office) == before
    assert not list(tmp_path.rglob("*.crt"))


def test_a_request_of_another_device_than_expected_is_refused(
    office: Office, tmp_path: Path
) -> None:
    request_file, _ = requested("city/sneaking", tmp_path)
    told = refused(office.run("sign", request_file, "--device", NAME), 1)
    assert f"it is of city/sneaking, not of {NAME}" in told


def test_a_request_whose_key_somebody_else_holds_is_refused(office: Office, tmp_path: Path) -> None:
    request_file, _ = requested("city/forged", tmp_path)
    forged = bytearray(x509.load_pem_x509_csr(request_file.read_bytes()).public_bytes(Encoding.DER))
    at = forged.index(b"city/forged")
    forged[at : at + 11] = b"city/victim"
    request_file.write_bytes(forged)
    assert "does not hold the key" in refused(office.run("sign", request_file), 1)


def test_the_key_opens_with_its_passphrase_alone_and_openssl_opens_it_too(
    office: Office, tmp_path: Path
) -> None:
    key_file = office.folder / "authority.p12"
    assert key_file.stat().st_mode & 0o777 == 0o600
    openssl(
        tmp_path, f"openssl pkcs12 -in {key_file} -passin 'pass:{PASSPHRASE}' -noenc -out all.pem"
    )
    assert b"PRIVATE KEY" in (tmp_path / "all.pem").read_bytes()
    wrong = tmp_path / "wrong"
    wrong.write_text("another passphrase", encoding="utf-8")
    request_file, _ = requested("city/locked", tmp_path)
    told = kerbwatch("ca", "sign", office.folder, request_file, "--passphrase-file", wrong)
    assert "the passphrase is wrong" in refused(told, 1)


def test_an_authority_is_not_made_over_another_nor_with_a_passphrase_that_is_none(
    office: Office, tmp_path: Path
) -> None:
    before = office.certificate_file.read_bytes()
    assert "already" in refused(office.run("init", "--name", "Second"), 1)
    assert office.certificate_file.read_bytes() == before
    short = tmp_path / "short"
    short.write_text("12345", encoding="utf-8")
    ran = kerbwatch("ca", "init", tmp_path / "new", "--name", "X", "--passphrase-file", short)
    assert "at least 12" in refused(ran, 1)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["", "x" * 65, "Example\nCity", "City\u202e"])
def test_an_authority_is_not_called_what_no_certificate_can_say(tmp_path: Path, name: str) -> None:
    typed = f"{PASSPHRASE}\n{PASSPHRASE}\n"
    ran = kerbwatch("ca", "init", tmp_path / "new", "--name", name, typed=typed)
    assert "authority's name" in refused(ran, 1)
    assert not (tmp_path / "new").exists()


def test_of_two_who_revoke_at_once_neither_list_loses_the_others(
    own_office: Office, tmp_path: Path
) -> None:
    office = own_office
    names = ["city/a", "city/b", "city/c"]
    for name in names:
        office.issue(name, tmp_path)
    asked = [sys.executable, "-P", "-m", "provisioning.cli", "ca", "revoke", str(office.folder)]
    held = lock_folder(office.folder)
    running = [
        subprocess.Popen([*asked, name, "--passphrase-file", str(office.passphrase_file)], cwd=ROOT)
        for name in names
    ]
    wait_until(lambda: all(each["state"] == "revoked" for each in listed(office)), timeout_s=120)
    os.close(held)
    assert [each.wait(timeout=120) for each in running] == [0, 0, 0]
    revoked = x509.load_pem_x509_crl(office.crl_file.read_bytes())
    assert {f"{each.serial_number:x}" for each in revoked} == {
        each["serial"] for each in listed(office)
    }


def test_of_two_who_sign_for_one_name_at_once_one_is_told_of_the_other(
    own_office: Office, tmp_path: Path
) -> None:
    office = own_office
    held = lock_folder(office.folder)
    running = []
    for desk in ("a", "b"):
        request_file, _ = requested("city/a", tmp_path / desk)
        asked = [sys.executable, "-P", "-m", "provisioning.cli", "ca", "sign", str(office.folder)]
        passphrase = ("--passphrase-file", str(office.passphrase_file))
        running.append(subprocess.Popen([*asked, str(request_file), *passphrase], cwd=ROOT))
    os.close(held)
    assert sorted(each.wait(timeout=120) for each in running) == [0, 1]
    [issued] = [each for each in listed(office) if each["name"] == "city/a"]
    assert issued["state"] == "valid"


def test_the_passphrase_can_be_typed(tmp_path: Path) -> None:
    typed = f"{PASSPHRASE}\n{PASSPHRASE}\n"
    made = kerbwatch("ca", "init", tmp_path / "a", "--name", "Typed", typed=typed)
    assert made.exit_code == 0, made.output
    assert PASSPHRASE not in made.output


def test_what_is_meant_by_a_revocation_is_clear_or_all_of_it_is_refused(
    own_office: Office, tmp_path: Path
) -> None:
    office = own_office
    office.issue("city/a", tmp_path)
    office.issue("city/b", tmp_path)
    serial = listed(office)[0]["serial"]
    told = refused(office.run("revoke", "city/a", "city/nobody", ""), 1)
    assert "city/nobody: no certificate of this name" in told
    assert {each["state"] for each in listed(office)} == {"valid"}
    assert office.run("revoke", serial[:20].upper()).exit_code == 0
    assert [each["state"] for each in listed(office)] == ["revoked", "valid"]
    assert "revoked already" in refused(office.run("revoke", "city/a"), 1)


def test_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(PASSPHRASE, encoding="utf-8")
    folder = tmp_path / "authority"
    words = ("--passphrase-file", passphrase)
    assert kerbwatch("ca", "init", folder, "--name", "Short", "--days", 10, *words).exit_code == 0
    request_file, _ = requested(NAME, tmp_path)
    assert kerbwatch("ca", "sign", folder, request_file, "--days", 700, *words).exit_code == 0
    authority = certificate_in(folder / "ca.crt")
    issued = certificate_in(tmp_path / "city.corner-1.crt")
    assert issued.not_valid_after_utc == authority.not_valid_after_utc
    assert issued.not_valid_before_utc >= authority.not_valid_before_utc


def test_a_server_has_every_name_that_was_given_and_no_name_that_is_none(
    office: Office, tmp_path: Path
) -> None:
    words = ("--name", "broker.city.example", "--name", "10.1.2.3", "--name", "2001:db8::5")
    assert office.run("sign", "--server", *words, "--out", tmp_path).exit_code == 0
    issued = certificate_in(tmp_path / "server.broker.city.example.crt")
    names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each.value) for each in names] == ["broker.city.example", "10.1.2.3", "2001:db8::5"]
    faulty = ("--name", "bröker", "--name", "a b", "--name", "10.1.2.300")
    told = refused(office.run("sign", "--server", *faulty, "--out", tmp_path), 1)
    assert all(name in told for name in ("bröker", "a b", "10.1.2.300"))
    assert office.run("sign", "--server").exit_code == 1


def test_the_options_are_those_of_the_profiles() -> None:
    assert set(group.REASONS) == set(REASONS)
    for name in ("AUTHORITY_DAYS", "DEVICE_DAYS", "SERVER_DAYS", "CRL_DAYS"):
        assert getattr(group, name) == getattr(profiles, name)


def test_the_page_on_certificates_is_followed_command_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "etc"
    site.mkdir()
    write_site(site, site_of(site={"tenant": "example-city", "device_id": "corner-1"}))
    (tmp_path / "passphrase").write_text(PASSPHRASE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "certificates.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```console issues\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    assert len(commands) == 8
    for line in commands:
        assert line.startswith("$ kerbwatch ")
        words = [word.replace("/etc/kerbwatch", str(site)) for word in shlex.split(line)[2:]]
        ran = kerbwatch(*words)
        assert ran.exit_code == 0, f"{line}\n{ran.output}"
    assert "revoked" in ran.output
    assert (site / "identity" / "current" / "device.key").exists()
