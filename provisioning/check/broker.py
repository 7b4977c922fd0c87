"""Check of the broker: name, port, trust, identity, and one published message."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from agent.delivery.link_errors import LinkError
from agent.delivery.mqtt_connection import Connection
from agent.identity import server_trust
from agent.identity.credentials import CredentialsError
from agent.identity.credentials import read as read_credentials
from agent.identity.pem import CertificateError, holds_key
from agent.identity.pem import read as read_file
from provisioning.check.findings import Check, Device, Finding
from wording.harmless import harmless
from wording.known_errors import reason_of
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.config.schema import Configuration, UplinkSection
    from provisioning.check.findings import Severity

RENEW_DAYS = 30
SMALL_PACKET_BYTES = 16_384
ANSWER_S = 10.0


def broker(device: Device) -> Iterator[Finding]:
    """Connect as the device does, beside it, and publish once on its answers channel."""
    configured = device.configuration
    assert configured is not None
    settings = configured.uplink.located(device.base)
    if settings.broker is None:
        return
    if settings.broker.startswith("mqtt://"):
        yield Finding(
            "broker",
            "warning",
            said("{broker} is not encrypted", broker=settings.broker),
            said("Anyone on the line can read and forge the events."),
            said("Use mqtts:// with ca_file, certificate_file and key_file."),
            code="broker_encryption",
        )
    try:
        read_credentials(settings)
    except CredentialsError as error:
        yield from map(_unusable, error.faults)
        return
    yield from _too_much_in(settings)
    if settings.certificate_file is not None:
        yield from _certificate(settings.certificate_file, configured)
    if settings.ca_file is not None:
        yield from _authority(settings.ca_file)
    # Another client id than the agent's: the broker would end the agent's connection otherwise.
    client_id = f"{configured.site.tenant}:{configured.site.device_id}.check"
    topic = configured.topics.of("answers")
    connection = Connection(settings, client_id=client_id, will=(topic, b""), retain=False)
    try:
        connection.open()
    except LinkError as error:
        yield Finding(
            "broker",
            "fault",
            said("{broker}: {reason}", broker=settings.broker, reason=error.reason),
            said("Events wait on the device; they are sent when the broker is reached."),
            said("Compare address, certificates and the broker's list of devices."),
            code="broker_connection",
        )
        connection.close()
        return
    try:
        yield from _accepted(connection, configured, topic)
        if settings.broker.startswith("mqtts://"):
            yield from _formalities(connection, settings)
    finally:
        connection.say_goodbye(2.0)
        connection.close()


def _unusable(fault: str) -> Finding:
    return Finding(
        "broker",
        "fault",
        fault,
        said("Events wait on the device; they are sent when the broker is reached."),
        said("Correct the file; docs/certificates.md says what belongs into it."),
        code="broker_identity",
    )


def _too_much_in(settings: UplinkSection) -> Iterator[Finding]:
    if settings.ca_file is not None and holds_key(read_file("ca_file", settings.ca_file)):
        yield Finding(
            "broker",
            "warning",
            said("ca_file {file} holds a private key as well", file=settings.ca_file),
            said("Anyone who reads it can issue certificates that every device trusts."),
            said(
                "Leave only the certificate in it; if the key was the authority's, make a new authority."
            ),
            code="broker_authority_file",
        )


def _accepted(connection: Connection, configured: Configuration, topic: str) -> Iterator[Finding]:
    yield Finding(
        "broker",
        "ok",
        said("connected to {broker}", broker=configured.uplink.broker),
        code="broker_connection",
    )
    largest = connection.limits.packet_bytes
    if largest is not None and largest < SMALL_PACKET_BYTES:
        yield Finding(
            "broker",
            "warning",
            said("the broker takes at most {size} bytes a message", size=largest),
            said("Larger events are set aside and never delivered."),
            said("Raise the broker's maximum packet size to 64 kB or more."),
            code="broker_packet_size",
        )
    if not connection.limits.retains:
        yield Finding(
            "broker",
            "warning",
            said("the broker has no retained messages"),
            said("Only clients subscribed at that moment learn whether the device is connected."),
            said("Allow retained messages on the broker, or rely on births and heartbeats."),
            code="broker_retained",
        )
    # A granted subscription proves nothing; only a publish that is acknowledged does.
    packet_id = connection.publish(topic, b"")
    deadline_s = time.monotonic() + ANSWER_S
    while not connection.acknowledged and time.monotonic() < deadline_s:
        connection.turn(0.2)
    answers = [each for each in connection.acknowledged if each.packet_id == packet_id]
    if not answers:
        yield Finding(
            "broker",
            "fault",
            said("the broker does not acknowledge within {seconds:g} s", seconds=ANSWER_S),
            said("Nothing that the device sends is ever confirmed, and so nothing is delivered."),
            said("Check the broker's load and log."),
            code="broker_acknowledges",
        )
    elif answers[0].code >= 0x80:
        yield Finding(
            "broker",
            "fault",
            said("publishing to {topic} is refused: {reason}", topic=topic, reason=answers[0].text),
            said("The device may connect but not send."),
            said("Give this device the right to publish below its own topic on the broker."),
            code="broker_publish",
        )
    else:
        yield Finding(
            "broker", "ok", said("publishing to {topic} works", topic=topic), code="broker_publish"
        )


def _formalities(connection: Connection, settings: UplinkSection) -> Iterator[Finding]:
    try:
        missing = list(server_trust.formalities_missing(settings, *connection.address))
    except (OSError, CertificateError) as error:
        what = said(
            "whether its certificates fully conform could not be checked: {reason}",
            reason=reason_of(error),
        )
        yield Finding("broker", "note", what, code="broker_certificates_conform")
        return
    for each in missing:
        yield Finding(
            "broker",
            "warning",
            said(
                "the certificates of the broker or its authority do not fully conform: {reason}",
                reason=each,
            ),
            said(
                "This device accepts them. Other or newer programs of the platform may refuse them."
            ),
            said("Have the city's IT renew them as docs/certificates.md says; there is no hurry."),
            code="broker_certificates_conform",
        )


def _certificate(path: Path, configured: Configuration) -> Iterator[Finding]:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        yield Finding(
            "broker",
            "fault",
            said("certificate {file}: {reason}", file=path.name, reason=reason_of(error)),
            said("Without it the broker does not know the device."),
            said("Enrol the device again, or correct certificate_file."),
            code="device_certificate",
        )
        return
    yield _named(certificate, path, configured)
    yield _days_left(
        certificate,
        path,
        said("After that day the broker refuses the device."),
        said("Renew the device's certificate; look at the clock if it should be valid."),
        code="device_certificate_days",
    )


def _authority(path: Path) -> Iterator[Finding]:
    """Until when the broker's authority can be trusted: the first that ends ends it."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):  # what is wrong with the file is told where it is used
        return
    yield _days_left(
        min(found, key=lambda each: each.not_valid_after_utc),
        path,
        said("After that day the device trusts the broker no more."),
        said("Ask the city's IT for the new ca_file; look at the clock if it should be valid."),
        code="authority_certificate_days",
    )


def _days_left(
    certificate: x509.Certificate, path: Path, meaning: str, remedy: str, *, code: str
) -> Finding:
    left_days = (certificate.not_valid_after_utc - datetime.now(UTC)).days
    text = said("certificate {file}: {days} days left", file=path.name, days=left_days)
    if left_days >= RENEW_DAYS:
        return Finding("broker", "ok", text, code=code)
    severity: Severity = "fault" if left_days < 0 else "warning"
    return Finding("broker", severity, text, meaning, remedy, code=code)


def _named(certificate: x509.Certificate, path: Path, configured: Configuration) -> Finding:
    """Whether the certificate's name is the device's, by which a broker gives it its rights."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[0].value) if names else ""
    device_id = configured.site.device_id
    ours = f"{configured.site.tenant}/{device_id}"
    text = said(
        "certificate {file}: its name (CN) is {name}, this device is {ours}",
        file=path.name,
        name=harmless(name) or "-",
        ours=ours,
    )
    if name == ours:
        return Finding(
            "broker",
            "ok",
            said("certificate {file}: of {name}", file=path.name, name=ours),
            code="device_certificate_name",
        )
    if name == device_id:
        return Finding(
            "broker",
            "note",
            text,
            said(
                "It goes on as long as the broker knows devices by device_id, and has one tenant."
            ),
            said("Have the next certificate issued with CN = {ours}.", ours=ours),
            code="device_certificate_name",
        )
    return Finding(
        "broker",
        "warning",
        text,
        said("A broker that goes by the name gives this device the rights of another, or none."),
        said(
            "Have a certificate issued with CN = {ours}, or correct tenant and device_id.",
            ours=ours,
        ),
        code="device_certificate_name",
    )


CHECKS = (Check("broker", broker, limit_s=45),)
