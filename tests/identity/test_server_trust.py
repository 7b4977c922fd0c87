"""Which brokers are trusted and why one is not, on a real Mosquitto with real certificates."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.config.schema import UplinkSection
from agent.delivery.link_errors import LinkError
from agent.delivery.mqtt_connection import Connection
from agent.identity import server_trust
from tests.support.broker import Broker
from tests.support.catalogue import translated
from tests.support.certificates import Authority
from tests.support.openssl import MOSQUITTOS_MANUAL, connects, openssl, settings_of, shows
from tests.support.paths import DOCS
from tests.support.topics import DEVICE, STATE


def refusal(broker: Broker, **changes: object) -> str:
    connection = Connection(broker.settings(**changes), client_id=DEVICE, will=(STATE, b""))
    with pytest.raises(LinkError) as caught:
        connection.open()
    connection.close()
    return caught.value.reason


@pytest.fixture
def broker_with_certificate(
    start_broker: Callable[..., Broker],
) -> Callable[[float, float], Broker]:
    """A broker whose certificate is valid in so many days, for so many."""

    def start(in_days: float, days: float) -> Broker:
        broker = start_broker()
        broker.stop()
        broker.authority.issue("broker", server=True, in_days=in_days, days=days)
        broker.start()
        return broker

    return start


def test_a_clock_that_is_behind_is_said_with_both_times(
    broker_with_certificate: Callable[[float, float], Broker],
) -> None:
    said = refusal(broker_with_certificate(400, 800))
    assert said.startswith("this device's clock says 20")
    assert "the broker's certificate is valid from 20" in said
    assert "NTP" in said


def test_a_certificate_that_has_expired_is_said_with_both_times(
    broker_with_certificate: Callable[[float, float], Broker],
) -> None:
    said = refusal(broker_with_certificate(-400, -2))
    assert said.startswith("the broker's certificate was valid until 20")
    assert "renew the certificate, or check the clock" in said


def test_another_fault_of_a_certificate_is_not_put_on_the_clock(
    start_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger", "Another CA")
    said = refusal(start_broker(), ca_file=stranger.certificate_file)
    assert "not trusted" in said
    assert "clock" not in said


CHAIN = """
issue() { # name, issuer, extensions
  openssl req -newkey rsa:2048 -nodes -keyout $1.key -out $1.csr -subj /CN=$1
  openssl x509 -req -in $1.csr -CA $2.crt -CAkey $2.key -CAcreateserial -days 30 -out $1.crt \
    -extfile <(printf "$3")
}
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=Root
issue middle ca "basicConstraints=CA:$MIDDLE\n"
issue server middle 'subjectAltName=DNS:localhost,IP:127.0.0.1\n'
issue device ca 'extendedKeyUsage=clientAuth\n'
cat server.crt middle.crt > chain.crt
mv chain.crt server.crt
"""


@pytest.fixture
def as_newest_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's default as it is since 3.13, under an older one too."""
    by_python = ssl.create_default_context

    def strict(**options: Any) -> ssl.SSLContext:
        context = by_python(**options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)


@pytest.fixture
def as_oldest_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's default as it is before 3.13, under a newer one too."""
    by_python = ssl.create_default_context

    def lenient(**options: Any) -> ssl.SSLContext:
        context = by_python(**options)
        context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST
        return context

    monkeypatch.setattr(ssl, "create_default_context", lenient)


@pytest.mark.usefixtures("as_newest_python")
def test_an_authority_of_mosquittos_own_recipe_is_trusted_and_its_gaps_are_named(
    start_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    openssl(tmp_path, MOSQUITTOS_MANUAL)
    broker = start_broker()
    shows(broker, tmp_path)
    settings = settings_of(broker, tmp_path)
    assert connects(settings) is None
    missing = list(server_trust.formalities_missing(settings, "localhost", broker.port))
    assert missing == [
        "CA cert does not include key usage extension",
        "its name is only in CN, and not in subjectAltName",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("as_oldest_python")
def test_an_intermediate_authority_in_ca_file_is_enough(
    start_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    openssl(tmp_path, "MIDDLE=TRUE" + CHAIN)
    broker = start_broker()
    shows(broker, tmp_path)
    assert connects(settings_of(broker, tmp_path, ca_file=tmp_path / "middle.crt")) is None
    assert connects(settings_of(broker, tmp_path)) is None


@pytest.mark.slow
@pytest.mark.usefixtures("as_oldest_python")
@pytest.mark.parametrize("ca_file", ["ca.crt", "middle.crt"])
def test_who_is_no_authority_issues_nothing(
    start_broker: Callable[..., Broker], tmp_path: Path, ca_file: str
) -> None:
    openssl(tmp_path, "MIDDLE=FALSE" + CHAIN)
    broker = start_broker()
    shows(broker, tmp_path)
    told = connects(settings_of(broker, tmp_path, ca_file=tmp_path / ca_file))
    assert told == "the broker's certificate is not trusted: invalid CA certificate"


@pytest.mark.parametrize("python", ["as_oldest_python", "as_newest_python"])
def test_the_rule_is_the_same_under_every_python(
    python: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(python)
    context = server_trust.context_for(UplinkSection(broker="mqtts://broker.example"))
    assert context.verify_flags == server_trust.RULE
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_certificate_for_another_host_is_said_with_the_names_in_it(
    start_broker: Callable[..., Broker],
) -> None:
    broker = start_broker()
    broker.stop()
    broker.authority.issue("broker", server=True, host="platform.example")
    broker.start()
    said = refusal(broker)
    assert "is not valid for 127.0.0.1, but for DNS:platform.example" in said
    assert "IP:" in said


PAGE = DOCS / "certificates.md"


def test_the_commands_of_the_page_make_what_the_strictest_reader_takes(
    start_broker: Callable[..., Broker], tmp_path: Path
) -> None:
    blocks = re.findall(
        r"^```sh runs\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) == 4
    for block in blocks:
        openssl(tmp_path, block)
    broker = start_broker()
    shows(broker, tmp_path, "broker.crt")
    assert (tmp_path / "device.key").stat().st_mode & 0o077 == 0
    for host in ("localhost", "127.0.0.1"):
        settings = settings_of(broker, tmp_path, host)
        assert connects(settings) is None
        assert list(server_trust.formalities_missing(settings, host, broker.port)) == []


def test_what_the_page_says_that_the_device_says_it_does_say() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?) \|", page[page.index("| it says |") :], re.MULTILINE)
    assert len(rows) > 10
    texts = [str(message.id) for message in translated()]
    for row in rows:
        for phrase in re.findall(r"`([^`]+)`", row):
            assert any(phrase in text for text in texts), phrase
