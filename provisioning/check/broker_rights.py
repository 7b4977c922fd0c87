"""Check of the device's rights at the broker, by what the running agent has seen.

The right to publish is shown by the broker's PUBACK to an ordinary event, state or answer; the right to
receive only by a message received. A granted subscription shows neither.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agent.delivery.reason_codes import NO_SUBSCRIBERS, name_of
from agent.protocol.topics import CHANNELS, Topics
from agent.telemetry.status_file import FILE
from provisioning.check.findings import Check, Device, Finding
from provisioning.commands.watch import NotRunningError, read
from provisioning.console.local_time import local
from provisioning.wording.case_sentences import duration
from provisioning.wording.recovered import recovered
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.schema import Configuration
    from agent.telemetry.status_file import Status, UplinkStatus

TAKEN = frozenset({0, NO_SUBSCRIBERS})
WAIT_S = 15.0
"""An agent that has just connected has its first answers after this time at the latest."""


def delivery(device: Device) -> Iterator[Finding]:
    """What became of what the agent published, and whether it hears the platform."""
    configuration, here = device.configuration, device.agent
    assert configuration is not None
    if configuration.uplink.broker is None or here is None or not here.meant:
        return
    status = here.status
    if status is None or status.uplink is None:
        yield Finding(
            "delivery",
            "note",
            said("what it may publish and receive is unknown: only a running agent shows it"),
            code="delivery_known",
        )
        return
    status = _settled(status, device, configuration)
    uplink = status.uplink
    assert uplink is not None
    if uplink.connected_since is None:
        yield Finding(
            "delivery",
            "fault",
            said(
                "the agent is not connected: {reason}", reason=recovered(uplink.last_error or "–")
            ),
            said("Events wait on the device; they are sent when the broker is reached."),
            said("Compare address, certificates and the broker's list of devices."),
            code="delivery_connection",
        )
    yield from _published(uplink, configuration.topics)
    yield from _heard(status, uplink, configuration)
    if uplink.dead_letters:
        yield Finding(
            "delivery",
            "warning",
            said("{count} event(s) refused permanently", count=uplink.dead_letters),
            said("They are kept on the device and do not arrive."),
            said("See the broker's limits, and the agent's log for the reason."),
            code="delivery_refused",
        )


def _settled(status: Status, device: Device, configuration: Configuration) -> Status:
    """The agent's status, once it has had the time to be connected and answered."""
    path = device.base / configuration.storage.run_dir / FILE
    until_s = time.monotonic() + WAIT_S
    while time.monotonic() < until_s:
        uplink = status.uplink
        young = status.uptime_s is not None and status.uptime_s < 2 * WAIT_S
        waits = uplink is not None and (
            young
            if uplink.connected_since is None
            else not {"events", "state"} <= uplink.codes.keys()
        )
        if not waits:
            break
        time.sleep(0.5)
        try:
            status = read(path)
        except NotRunningError:
            break
    return status


def _published(uplink: UplinkStatus, topics: Topics) -> Iterator[Finding]:
    for channel in (each.name for each in CHANNELS if each.sent):
        code, topic = uplink.codes.get(channel), topics.of(channel)
        if code in TAKEN:
            yield Finding(
                "delivery",
                "ok",
                said("publishing to {topic} works", topic=topic),
                code="delivery_publish",
                subject=channel,
            )
        elif code is not None:
            yield Finding(
                "delivery",
                "fault",
                said(
                    "publishing to {topic} is refused: {reason}", topic=topic, reason=name_of(code)
                ),
                said("The device may connect but not send."),
                said("Give this device the right to publish below its own topic on the broker."),
                code="delivery_publish",
                subject=channel,
            )
        else:
            yield _not_known(
                said(
                    "whether it may publish to {topic} is unknown: nothing was sent there yet",
                    topic=topic,
                ),
                code="delivery_publish",
                subject=channel,
            )


def _heard(status: Status, uplink: UplinkStatus, configuration: Configuration) -> Iterator[Finding]:
    for channel in (each.name for each in CHANNELS if not each.sent):
        at, topic = uplink.heard.get(channel), configuration.topics.of(channel)
        if at is not None:
            when = local(at, status.timezone)
            yield Finding(
                "delivery",
                "ok",
                said("last message on {topic}: {at}", topic=topic, at=when),
                code="delivery_receive",
                subject=channel,
            )
        elif channel == "receipts" and (waited := _waits_in_vain(status, uplink, configuration)):
            yield Finding(
                "delivery",
                "fault",
                said("no receipt has come on {topic} for {waited}", topic=topic, waited=waited),
                said("Events are never confirmed, and so they are sent again and again."),
                said(
                    "Give this device the right to read {topic} on the broker; see that the platform"
                    ' answers. Without receipts: confirm = "broker".',
                    topic=topic,
                ),
                code="delivery_receive",
                subject=channel,
            )
        else:
            yield _not_known(
                said(
                    "whether it may receive {topic} is unknown: nothing has come there yet",
                    topic=topic,
                ),
                code="delivery_receive",
                subject=channel,
            )
    if uplink.deaf is not None:
        yield Finding(
            "delivery",
            "fault",
            said(
                "the broker refuses the subscription to the platform's messages: {reason}",
                reason=recovered(uplink.deaf),
            ),
            said("Neither receipts nor commands arrive."),
            said("Give this device the right to read below its own topic on the broker."),
            code="delivery_subscription",
        )


def _waits_in_vain(
    status: Status, uplink: UplinkStatus, configuration: Configuration
) -> str | None:
    """For how long a receipt has been due that must have come by now; None if none is missing."""
    settings = configuration.uplink
    if settings.confirm != "platform" or uplink.codes.get("events") not in TAKEN:
        return None
    if uplink.connected_since is None:
        return None
    waited_s = (status.at - uplink.connected_since).total_seconds()
    waited_s = min(waited_s, status.uptime_s or 0.0)  # the clock may have been set meanwhile
    if uplink.unreceipted or waited_s > 2 * settings.receipt_timeout_s:
        return duration(waited_s)
    return None


def _not_known(what: str, *, code: str, subject: str) -> Finding:
    return Finding("delivery", "note", what, code=code, subject=subject)


CHECKS = (Check("delivery", delivery, limit_s=60),)
