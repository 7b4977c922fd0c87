"""Files by which device and broker know each other: each wrong one is named with what to do, none asks.

The files are made by OpenSSL as people make them; where connecting is the point, to a real Mosquitto.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.config import loading
from agent.config.schema import UplinkSection
from agent.identity import credentials
from agent.identity.credentials import CredentialsError
from provisioning.check import broker as broker_check
from provisioning.check.findings import Device
from provisioning.wording import in_words
from tests.support.broker import Broker
from tests.support.command_line import kerbwatch
from tests.support.openssl import connects, openssl, settings_of, shows
from tests.support.paths import ROOT
from tests.support.red_bike_model import write_model
from tests.support.sites import write_uplink_site

GOOD = """
key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out $1.key; }
issue() { # name, issuer, extensions
  key $1
  openssl req -new -key $1.key -subj /CN=$1 -out $1.csr
  openssl x509 -req -in $1.csr -CA $2.crt -CAkey $2.key -CAcreateserial -days 30 -out $1.crt \
    -extfile <(printf "$3")
}
key ca
openssl req -x509 -key ca.key -subj /CN=Root -days 30 -out ca.crt
issue middle ca 'basicConstraints=critical,CA:TRUE\n'
issue server ca 'subjectAltName=DNS:localhost,IP:127.0.0.1\n'
issue alone middle 'extendedKeyUsage=clientAuth\n'
issue other ca 'extendedKeyUsage=clientAuth\n'
cat alone.crt middle.crt > device.crt
mv alone.key device.key
printf 'geheim\n' > password
"""


@dataclass(frozen=True)
class Case:
    """What is done to good files, and what is said then."""

    does: str
    said: str
    file: str = "ca.crt"


PASSPHRASE = "protected by a passphrase"
CASES = {
    # the authority's certificate
    "no CA": Case("rm ca.crt", "there is no such file"),
    "an empty CA": Case(": > ca.crt", "it is empty"),
    "only blank lines": Case("printf '\\n\\n' > ca.crt", "it is empty"),
    "a torn CA": Case("head -c 300 ca.crt > x; mv x ca.crt", "-----END is missing"),
    "a second one torn": Case("head -c 300 middle.crt >> ca.crt", "-----END is missing"),
    "a damaged CA": Case("sed -i '3s/..../****/' ca.crt", "is damaged"),
    "a CA in UTF-16": Case("iconv -t UTF-16 ca.crt > x; mv x ca.crt", "UTF-16"),
    "a page of the web": Case("echo '<html>Not found</html>' > ca.crt", "-----BEGIN"),
    "the authority's key": Case("cp ca.key ca.crt", "holds a private key, and no certificate"),
    "a request": Case("cp server.csr ca.crt", "a certificate request (CSR)"),
    "a revocation list": Case(
        "touch index; echo 01 > crlnumber; printf '[ca]\\ndefault_ca=x\\n[x]\\ndatabase=index\\n"
        "crlnumber=crlnumber\\ndefault_md=sha256\\ndefault_crl_days=9\\n' > x.cnf;"
        " openssl ca -gencrl -config x.cnf -keyfile ca.key -cert ca.crt -out x; mv x ca.crt",
        "no certificate, but X509 CRL",
    ),
    "PKCS#7": Case(
        "openssl crl2pkcs7 -nocrl -certfile ca.crt -out x; mv x ca.crt",
        "openssl pkcs7 -print_certs",
    ),
    "PKCS#7 in DER": Case(
        "openssl crl2pkcs7 -nocrl -certfile ca.crt -outform der -out x; mv x ca.crt",
        "openssl pkcs7 -inform der",
    ),
    "PKCS#12 as the CA": Case(
        "openssl pkcs12 -export -nokeys -in ca.crt -passout pass:x -out x; mv x ca.crt",
        "openssl pkcs12 -in ca.crt",
    ),
    "random bytes": Case("head -c 500 /dev/zero | tr '\\0' '\\251' > ca.crt", "-----BEGIN"),
    "a folder": Case("rm ca.crt; mkdir ca.crt", "it is a folder"),
    "a pipe": Case("rm ca.crt; mkfifo ca.crt", "a pipe or a device"),
    "a device": Case("rm ca.crt; ln -s /dev/zero ca.crt", "a pipe or a device"),
    "a link to nothing": Case("rm ca.crt; ln -s nowhere ca.crt", "there is no such file"),
    "a link to itself": Case("rm ca.crt; ln -s ca.crt ca.crt", "Too many levels of symbolic links"),
    "a huge file": Case("truncate -s 8G ca.crt", "it is larger than"),
    # the device's own
    "no certificate": Case("rm device.crt", "there is no such file", "device.crt"),
    "an empty certificate": Case(": > device.crt", "it is empty", "device.crt"),
    "a torn certificate": Case(
        "head -c 300 alone.crt > device.crt", "-----END is missing", "device.crt"
    ),
    "a certificate in DER": Case(
        "openssl x509 -in alone.crt -outform der -out device.crt",
        "openssl x509 -inform der -in device.crt",
        "device.crt",
    ),
    "a chain in the wrong order": Case(
        "cat middle.crt alone.crt > device.crt", "own certificate first", "device.crt"
    ),
    "a chain from the root on": Case(
        "cat ca.crt middle.crt alone.crt > device.crt", "own certificate first", "device.crt"
    ),
    "the request": Case("mv alone.csr device.crt", "a certificate request (CSR)", "device.crt"),
    "two exchanged": Case(
        "cp alone.crt x; mv device.key device.crt; mv x device.key",
        "exchange the two",
        "device.key",
    ),
    "twice the key": Case(
        "cp device.key device.crt", "holds a private key, and no certificate", "device.crt"
    ),
    "twice the certificate": Case(
        "cp device.crt device.key", "holds a certificate, and no private key", "device.key"
    ),
    "another's key": Case("cp other.key device.key", "is not the key of", "device.key"),
    "no key": Case("rm device.key", "there is no such file", "device.key"),
    "an empty key": Case(": > device.key", "it is empty", "device.key"),
    "a torn key": Case(
        "head -c 100 device.key > x; mv x device.key", "-----END is missing", "device.key"
    ),
    "a damaged key": Case("sed -i '2s/..../****/' device.key", "is damaged", "device.key"),
    "a public key": Case(
        "openssl pkey -in device.key -pubout -out x; mv x device.key", "PUBLIC KEY", "device.key"
    ),
    "a key in DER": Case(
        "openssl pkey -in device.key -outform der -out x; mv x device.key",
        "openssl pkey -inform der -in device.key",
        "device.key",
    ),
    "a key with a passphrase in DER": Case(
        "openssl pkcs8 -topk8 -in device.key -passout pass:x -outform der -out x; mv x device.key",
        "openssl pkey -inform der -in device.key",
        "device.key",
    ),
    "an old key in DER": Case(
        "openssl genrsa -traditional 2048 | openssl rsa -traditional -outform der -out device.key",
        "openssl pkey -inform der -in device.key",
        "device.key",
    ),
    "a key with a passphrase": Case(
        "openssl pkcs8 -topk8 -in device.key -passout pass:x -out x; mv x device.key",
        PASSPHRASE,
        "device.key",
    ),
    "an old key with a passphrase": Case(
        "openssl ec -in device.key -aes256 -passout pass:x -out x; mv x device.key",
        PASSPHRASE,
        "device.key",
    ),
    "PKCS#12 as the key": Case(
        "openssl pkcs12 -export -in alone.crt -inkey device.key -passout pass:x -out x;"
        " mv x device.key",
        "openssl pkcs12 -in device.key",
        "device.key",
    ),
    "a key of SSH": Case(
        "echo '-----BEGIN OPENSSH PRIVATE KEY-----' > device.key;"
        " echo '-----END OPENSSH PRIVATE KEY-----' >> device.key",
        "a key for SSH",
        "device.key",
    ),
    "a key that is a pipe": Case(
        "rm device.key; mkfifo device.key", "a pipe or a device", "device.key"
    ),
    "a certificate that is too weak": Case(
        "openssl req -x509 -newkey rsa:1024 -nodes -keyout device.key -out device.crt -subj /CN=d",
        "too weak for TLS",
        "device.crt",
    ),
    # the password
    "no password": Case("rm password", "there is no such file", "password"),
    "an empty password": Case("printf '\\r\\n' > password", "it is empty", "password"),
    "a second line": Case("echo note >> password", "more than one line", "password"),
    "a password in UTF-16": Case(
        "echo geheim | iconv -t UTF-16LE > password", "UTF-16", "password"
    ),
    "a password in GBK": Case("echo 密码 | iconv -t GBK > password", "probably GBK", "password"),
    "a folder for a password": Case("rm password; mkdir password", "it is a folder", "password"),
    "a film for a password": Case("truncate -s 1M password", "too long", "password"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    openssl(folder, GOOD)
    return folder


@pytest.fixture
def files(good: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    shutil.copytree(good, folder)
    write_uplink_site(folder, 1, host="localhost")
    with (folder / "site.toml").open("a", encoding="utf-8") as opened:
        opened.write(
            'ca_file = "ca.crt"\ncertificate_file = "device.crt"\nkey_file = "device.key"\n'
            'username = "d"\npassword_file = "password"\n'
        )
    return folder


def faults(site: Path) -> tuple[str, ...]:
    settings = loading.load(site).uplink.located(site)
    with pytest.raises(CredentialsError) as caught:
        credentials.read(settings)
    return caught.value.faults


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_wrong_file_is_named_with_what_to_do(
    files: Path, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    openssl(files, case.does)
    [fault] = faults(files)
    assert str(files / case.file) in fault
    assert case.said in fault
    # the check says it, and connects to nobody
    loaded = loading.load(files)
    [found] = [
        each
        for each in broker_check.broker(Device(files, files, loaded))
        if each.severity == "fault"
    ]
    assert found.what == fault
    assert found.remedy
    # the agent says it
    settings = loaded.uplink.located(files)
    assert connects(settings) == fault
    # the command says it; what is not there may come later
    ran = kerbwatch("config", "validate", files, "--json")
    told = json.loads(ran.output)
    absent = case.said == "there is no such file"
    assert (ran.exit_code, told["valid"]) == ((0, True) if absent else (3, False))
    warned = [each["what"] for each in told["warnings"]]
    assert (warned if absent else told["faults"]) == [fault]
    # and in Chinese
    monkeypatch.setenv("KERBWATCH_LANGUAGE", "zh_CN")
    chinese = in_words(fault).replace(str(files), "")
    assert len(re.findall(r"[\u4e00-\u9fff]", chinese)) >= 4, chinese
    assert not re.search(r"[a-z]+ [a-z]+ [a-z]+", re.sub(r"openssl [ -~]+", "", chinese)), chinese


def test_every_wrong_file_is_named_at_once(files: Path) -> None:
    openssl(files, ": > ca.crt; cp other.key device.key; rm password")
    assert len(faults(files)) == 3
    told = connects(loading.load(files).uplink.located(files))
    for name in ("ca.crt", "device.key", "password"):
        assert str(files / name) in (told or "")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_file_that_may_not_be_read_is_said_with_who_may_not(files: Path) -> None:
    def read() -> str | None:
        os.setegid(65_534)
        os.seteuid(65_534)
        try:
            return connects(settings)
        finally:
            os.seteuid(0)
            os.setegid(0)

    for folder in (files, *files.parents):  # down to here everybody may go
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    (files / "device.key").chmod(0o600)
    settings = loading.load(files).uplink.located(files)
    told = read() or ""
    assert str(files / "device.key") in told
    assert "the user nobody may not read it" in told


@pytest.mark.parametrize("path", ["~/ca.crt", "$HOME/ca.crt", "%h/ca.crt"])
def test_what_stands_for_nothing_in_a_path_is_said(files: Path, path: str) -> None:
    site = files / "site.toml"
    text = site.read_text(encoding="utf-8").replace('ca_file = "ca.crt"', f'ca_file = "{path}"')
    site.write_text(text, encoding="utf-8")
    [fault] = faults(files)
    assert "write the whole path" in fault


FORMS = {
    "as it should be": "",
    "a CA in DER": "openssl x509 -in ca.crt -outform der -out x; mv x ca.crt",
    "a CA with a mark before it": "printf '\\357\\273\\277' | cat - ca.crt > x; mv x ca.crt",
    "a CA from Windows": "sed -i 's/$/\\r/' ca.crt",
    "a CA with words around it": "(echo 市信息中心; cat ca.crt) > x; mv x ca.crt",
    "two CAs": "(cat middle.crt ca.crt) > x; mv x ca.crt",
    "a CA with its key": "cat ca.key >> ca.crt",
    "certificate and key in one file": "cat device.key >> device.crt; cp device.crt device.key",
    "a certificate from Windows": "sed -i 's/$/\\r/' device.crt device.key",
}


def test_every_form_that_is_clear_connects(
    start_broker: Callable[..., Broker], good: Path, tmp_path: Path
) -> None:
    broker = start_broker()
    shows(broker, good)
    for name, does in FORMS.items():
        folder = tmp_path / name
        shutil.copytree(good, folder)
        openssl(folder, does)
        assert connects(settings_of(broker, folder)) is None, name


def test_a_key_beside_the_authoritys_certificate_is_warned_of(
    start_broker: Callable[..., Broker], files: Path
) -> None:
    broker = start_broker()
    shows(broker, files)
    openssl(files, "cat ca.key >> ca.crt")
    site = files / "site.toml"
    text = site.read_text(encoding="utf-8").replace("localhost:1", f"localhost:{broker.port}")
    site.write_text(text, encoding="utf-8")
    found = list(broker_check.broker(Device(files, files, loading.load(files))))
    warned = [each.what for each in found if each.severity == "warning"]
    assert any("holds a private key as well" in each for each in warned)


def test_tls_where_none_is_spoken_is_said(start_broker: Callable[..., Broker], files: Path) -> None:
    broker = start_broker(tls=False)
    settings = loading.load(files).uplink.located(files)
    told = connects(settings.model_copy(update={"broker": f"mqtts://127.0.0.1:{broker.port}"}))
    assert "TLS may not be enabled at this port" in (told or "")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (b"geheim", "geheim"),
        (b"geheim\r\n\r\n", "geheim"),
        (b"\xef\xbb\xbfgeheim\n", "geheim"),
        (" zwei Wörter \n".encode(), " zwei Wörter "),
        ("密码\n".encode(), "密码"),
    ],
)
def test_a_password_is_its_line_and_nothing_of_it_is_lost(
    tmp_path: Path, written: bytes, meant: str
) -> None:
    (tmp_path / "password").write_bytes(written)
    settings = UplinkSection(broker="mqtts://h", username="d", password_file=tmp_path / "password")
    assert credentials.read(settings).password == meant


def in_a_terminal(command: list[str], until: str, **environment: str) -> str:
    """Run a command with a terminal that nobody types at, until it ends or says something."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, {**os.environ, "KERBWATCH_LANGUAGE": "en", **environment})
    shown, deadline_s = b"", time.monotonic() + 120
    while until not in shown.decode(errors="replace") and time.monotonic() < deadline_s:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 4096)
            except OSError:  # it has ended
                break
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)  # one that waits for a passphrase would not end
    os.close(terminal)
    return shown.decode(errors="replace")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "check", "config validate"])
def test_nobody_is_asked_for_a_passphrase(files: Path, tmp_path: Path, command: str) -> None:
    openssl(files, CASES["a key with a passphrase"].does)
    write_model(tmp_path / "models")
    shown = in_a_terminal(
        [sys.executable, "-m", "provisioning.cli", *command.split(), str(files)],
        PASSPHRASE,
        KERBWATCH_MODELS=str(tmp_path / "models"),
        PYTHONPATH=str(ROOT),
    )
    assert PASSPHRASE in shown
    assert "pass phrase" not in shown


def test_a_password_without_a_user_is_told_and_keeps_nobody_from_watching(files: Path) -> None:
    site = files / "site.toml"
    text = site.read_text(encoding="utf-8")
    site.write_text(text.replace('username = "d"\n', ""), encoding="utf-8")
    told: Any = kerbwatch("config", "validate", files, "--json")
    [warning] = json.loads(told.output)["warnings"]
    assert warning["what"] == "uplink.password_file: without username it is not used"
    assert kerbwatch("config", "validate", files, "--strict").exit_code == 1


def test_faults_of_the_broker_are_all_named(files: Path) -> None:
    site = files / "site.toml"
    text = site.read_text(encoding="utf-8")
    text = text.replace("mqtts://localhost:1", "ssl://localhost:1")
    site.write_text(text.replace('key_file = "device.key"\n', ""), encoding="utf-8")
    told: Any = kerbwatch("config", "validate", files, "--json")
    listed = json.loads(told.output)["faults"]
    assert any(each.startswith("uplink.broker: ssl:// is called mqtts:// here") for each in listed)
    assert any("certificate_file and key_file go together" in each for each in listed)


def test_a_fault_elsewhere_hides_no_wrong_file(files: Path) -> None:
    openssl(files, ": > ca.crt")
    site = files / "site.toml"
    text = site.read_text(encoding="utf-8").replace('kind = "no_parking"', 'kind = "parking"')
    site.write_text(text, encoding="utf-8")
    told: Any = kerbwatch("config", "validate", files, "--json")
    listed = json.loads(told.output)["faults"]
    assert any("zone 'kerb'" in each for each in listed)
    assert any("ca.crt: it is empty" in each for each in listed)
