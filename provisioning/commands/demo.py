"""``kerbwatch demo``: runs the agent on a rendered street, with a broker and a consumer."""

from __future__ import annotations

import signal
import socket
import tempfile
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import ValidationError

from agent.config import loading, schema
from agent.runtime import log_format
from agent.storage.database_file import read_only
from agent.storage.outbox_queries import last_sequence, waiting_types
from agent.storage.paths import DATABASE
from agent.storage.state_table import load_state
from provisioning.console.exit_codes import FAULT
from provisioning.console.progress import Progress
from provisioning.demo.consumer import Consumer
from provisioning.demo.ground_truth import Truth, compare, reported_cases
from provisioning.demo.street import STREET
from provisioning.wording import say, say_many
from provisioning.wording.case_sentences import in_words, position
from provisioning.wording.vocabulary import kind_in_words
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.config.schema import Configuration
    from agent.protocol.events import Event
    from provisioning.demo.consumer import Received
    from provisioning.demo.ground_truth import Comparison

_LAST_MESSAGES_TIMEOUT_S = 10.0
"""What the broker has confirmed reaches the consumer within this time."""


def show(out: Path | None, broker: str | None, *, fast: bool = False) -> int:
    """Run the demo and give its exit code.

    Args:
        out: Where results go; None for a fresh folder in ``demo-out``.
        broker: Another broker's URL; None for one of the demo's own.
        fast: Show every frame as fast as the machine takes it, not in real time.

    Raises:
        click.UsageError: The folder is not empty, or there is no example street.
        ConfigError, CameraError, ModelError, StorageError, BrokerError: As their names say.
    """
    if not (STREET / "truth.json").exists():
        raise click.UsageError(
            say(
                "the example street is not in {folder}: run this from the source tree",
                folder=STREET,
            )
        )
    folder = _fresh_folder(out)
    truth = Truth.model_validate_json((STREET / "truth.json").read_text(encoding="utf-8"))
    with _named_broker(broker) if broker else own_broker() as url:
        began_at = datetime.now(UTC)
        configuration = _configuration(folder, url, began_at, "fast" if fast else "real_time")
        return Stage(configuration, folder, truth, began_at).play()


def _fresh_folder(out: Path | None) -> Path:
    if out is None:
        runs = (Path("demo-out") / f"run-{number}" for number in count(1))
        out = next(folder for folder in runs if not folder.exists())
    elif out.exists() and any(out.iterdir()):
        raise click.UsageError(
            say("{folder} is not empty: name another folder with --out, or remove it", folder=out)
        )
    out.mkdir(parents=True, exist_ok=True)
    return out


def _configuration(folder: Path, url: str, began_at: datetime, pace: str) -> Configuration:
    configuration = loading.load(STREET)
    # The comparison at the end relies on the clip beginning now.
    shown = {"pace": pace, "starts_at": began_at.isoformat()}
    cameras = tuple(
        camera.model_copy(update={"settings": {**camera.settings, **shown}})
        for camera in configuration.cameras
    )
    storage = configuration.storage.model_copy(update={"state_dir": folder.absolute() / "state"})
    uplink = configuration.uplink.model_copy(update={"broker": url})
    return configuration.model_copy(
        update={"cameras": cameras, "storage": storage, "uplink": uplink}
    )


@contextmanager
def _named_broker(url: str) -> Iterator[str]:
    try:
        # The same rule as for a site's configuration.
        checked = schema.UplinkSection.model_validate({"broker": url}).broker
    except ValidationError as error:
        raise click.BadParameter(
            say("give it as mqtt://HOST[:PORT]"), param_hint="--broker"
        ) from error
    yield checked or url


@contextmanager
def own_broker() -> Iterator[str]:
    """Start a broker on the loopback alone, for as long as the context lasts; gives its URL."""
    try:
        from iotcore import Broker  # noqa: PLC0415 - the extra "demo"; a device does without
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            said(
                "the demo's own broker is the package iotcore: install kerbwatch[demo], or "
                "give --broker"
            )
        ) from error
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "broker.toml"
        settings.write_text(_BROKER.format(port=port), encoding="utf-8")
        with Broker(config_path=str(settings)):
            yield f"mqtt://127.0.0.1:{port}"


_BROKER = """
id = 0
[router]
id = 0
max_connections = 20
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v5.1]
name = "kerbwatch-demo"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 100
dynamic_filters = true
"""
"""The package's defaults listen to the whole network and speak MQTT 3.1.1."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How many events the outbox took in, and which of them are where."""

    accepted: int
    cases_waiting: int
    others_waiting: int
    """A heartbeat that came up while the agent stopped: it would go at the next connection."""
    missing: int


@dataclass(frozen=True, slots=True)
class Stage:
    """One showing of the street."""

    configuration: Configuration
    folder: Path
    truth: Truth
    began_at: datetime
    stop: threading.Event = field(default_factory=threading.Event)

    def play(self) -> int:
        """Show the street, then say what came of it; give the exit code."""
        url = self.configuration.uplink.broker or ""
        site = self.configuration.site
        topic = self.configuration.topics.of("events")
        seconds = self.truth.clip.seconds
        facts = {"address": site.address, "seconds": seconds, "broker": url, "topic": topic}
        click.echo(
            say(
                'Watching "{address}" for {seconds:.0f} s of rendered street.\n'
                "Broker {broker}, topic {topic}\n",
                **facts,
            )
        )
        with Progress(say("street")) as progress:

            def tell(event: Event) -> None:
                line = in_words(event, self.began_at)
                if line is not None:
                    progress.line(line)

            with Consumer(url, topic, self.folder / "events.jsonl", tell) as consumer:
                code = self._run_agent(lambda at_s: progress.at(at_s, seconds))
                delivery = self._delivery(consumer)
        if self.stop.is_set():
            raise KeyboardInterrupt  # the clip was not shown to its end: there is nothing to compare
        self._print_comparison(consumer.received)
        return _print_outcome(self.folder, code, delivery, consumer.received)

    def _run_agent(self, on_progress: Callable[[float], None]) -> int:
        from agent.runtime.device import run  # noqa: PLC0415 - loads the network's runtime

        # What the agent logs is for a journal; here it would drown the cases.
        log_format.begin(self.folder / "agent.log")
        first_s: float | None = None

        def analysed(_camera_id: str, monotonic_s: float) -> None:
            nonlocal first_s
            first_s = monotonic_s if first_s is None else first_s
            on_progress(monotonic_s - first_s)

        before = signal.signal(signal.SIGINT, lambda *_: self.stop.set())
        try:
            return run(
                self.configuration,
                base=STREET,
                stop=self.stop,
                until_done=True,
                on_progress=analysed,
            )
        finally:
            signal.signal(signal.SIGINT, before)

    def _delivery(self, consumer: Consumer) -> Delivery:
        path = self.configuration.storage.state_dir / DATABASE
        with closing(read_only(path)) as connection:
            epoch = load_state(connection, "outbox.epoch") or ""
            waiting, accepted = waiting_types(connection), last_sequence(connection)
        missing = consumer.wait_for(epoch, accepted, set(waiting), _LAST_MESSAGES_TIMEOUT_S)
        cases = sum(kind.startswith("case.") for kind in waiting.values())
        return Delivery(accepted, cases, len(waiting) - cases, len(missing))

    def _print_comparison(self, received: Received) -> None:
        click.echo()
        click.echo(say("Reported cases compared with staged problems (times of the clip):"))
        cases = reported_cases(received.events, self.began_at)
        verdicts = list(compare(self.truth.problems, cases))
        for verdict in verdicts:
            click.echo(f"  {_in_words(verdict)}")
        outcomes = [verdict.outcome for verdict in verdicts]
        tally = {
            "found": outcomes.count("found"),
            "staged": len(self.truth.problems),
            "extra": outcomes.count("false_case"),
        }
        click.echo(
            say(
                "{found} of {staged} staged problems reported; {extra} cases that were not staged.",
                **tally,
            )
        )


def _in_words(verdict: Comparison) -> str:
    problem, case = verdict.problem, verdict.case
    told = problem or case
    assert told is not None, "a verdict is about a problem, a case or both"
    facts = {"kind": kind_in_words(told.kind), "zone": told.zone_id}
    if problem is not None:
        facts["staged"] = _stretch(problem.begins_s, problem.ends_s)
    if case is not None:
        facts["found"] = _stretch(case.began_s, case.ended_s)
    if problem is None:
        return say("{kind}, zone {zone}: reported {found}, NOT staged", **facts)
    if case is None:
        return say("{kind}, zone {zone}: staged {staged}, NOT reported", **facts)
    line = say("{kind}, zone {zone}: staged {staged}, reported {found}", **facts)
    differences = [
        say("begin {difference:+.1f} s", difference=_tenths(case.began_s, problem.begins_s))
    ]
    if case.ended_s is None and problem.ends_s is not None:
        differences.append(say("end NOT reported"))
    elif case.ended_s is not None and problem.ends_s is not None:
        difference = _tenths(case.ended_s, problem.ends_s)
        differences.append(say("end {difference:+.1f} s", difference=difference))
    return say("{line} ({differences})", line=line, differences=differences)


def _tenths(found_s: float, staged_s: float) -> float:
    return round(found_s - staged_s, 1) + 0.0  # -0.0 would be shown with its sign


def _stretch(begins_s: float, ends_s: float | None) -> str:
    end = "…" if ends_s is None else position(ends_s)
    return f"{position(begins_s)}–{end}"


def _print_outcome(folder: Path, code: int, delivery: Delivery, received: Received) -> int:
    faults = _faults(code, delivery, received)
    if not faults:
        _print_arrived(delivery)
    places = {
        "events": folder / "events.jsonl",
        "state": folder / "state",
        "log": folder / "agent.log",
    }
    click.echo(
        say("Events: {events}\nState and pictures: {state}\nLog of the agent: {log}", **places)
    )
    for fault in faults:
        click.echo(fault, err=True)
    return FAULT if faults else 0


def _faults(code: int, delivery: Delivery, received: Received) -> list[str]:
    """What did not go as it must."""
    faults = []
    if code:
        faults.append(say("FAILED: the agent ended with code {code}.", code=code))
    if delivery.cases_waiting:
        faults.append(
            say_many(
                "FAILED: {count} event is still in the outbox.",
                "FAILED: {count} events are still in the outbox.",
                delivery.cases_waiting,
            )
        )
    if delivery.missing:
        facts = {"missing": delivery.missing, "accepted": delivery.accepted}
        faults.append(
            say(
                "FAILED: {missing} of {accepted} events that the outbox accepted were not "
                "received.",
                **facts,
            )
        )
    if received.refused:
        faults.append(
            say_many(
                "FAILED: {count} message broke the contract: {first}",
                "FAILED: {count} messages broke the contract, the first: {first}",
                received.refused,
                first=received.invalid[0],
            )
        )
    return faults


def _print_arrived(delivery: Delivery) -> None:
    arrived = delivery.accepted - delivery.others_waiting
    click.echo()
    click.echo(
        say(
            "Received over MQTT, each valid under the contract: all {received} events that "
            "were sent.",
            received=arrived,
        )
    )
    if delivery.others_waiting:
        click.echo(
            say_many(
                "{count} heartbeat was written while the agent stopped, and is sent after "
                "its next start.",
                "{count} heartbeats were written while the agent stopped, and are sent after "
                "its next start.",
                delivery.others_waiting,
            )
        )
