"""The queues on RabbitMQ: what a worker declares and what an administrator is given are the same."""

from __future__ import annotations

import json

from kerbwatch_platform.transports import topology

from tests.support.paths import ROOT

DEFINED = ROOT / "examples" / "brokers" / "rabbitmq-platform.json"


def test_what_a_worker_declares_is_what_an_administrator_is_given() -> None:
    """With one argument that differs, RabbitMQ would refuse the worker's own declaration."""
    told = json.loads(DEFINED.read_text(encoding="utf-8"))
    queues = {each["name"]: each["arguments"] for each in told["queues"]}
    assert queues == topology.arguments("platform")
    bound = [
        (each["source"], each["destination"], each["routing_key"]) for each in told["bindings"]
    ]
    assert sorted(bound) == sorted(topology.bindings("platform", "kerbwatch/v2"))
    exchanges = [each["name"] for each in told["exchanges"]]
    assert exchanges == [topology.dead("platform"), topology.mark("platform")]


def test_what_is_given_up_is_kept() -> None:
    """The default limit of RabbitMQ 4 throws away what it gives up."""
    told = topology.arguments("platform")
    events = told[topology.events("platform")]
    assert events["x-delivery-limit"] == topology.DELIVERIES
    assert events["x-dead-letter-exchange"] == topology.dead("platform")
    assert events["x-dead-letter-strategy"] == "at-least-once"
    assert told[topology.dead("platform")]["x-delivery-limit"] == -1
