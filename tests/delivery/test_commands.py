"""A command of the platform is one model and one handler; everything else follows from the table."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import TypeAdapter, ValidationError

from agent.audit import OF_PLATFORM, records
from agent.config.schema import UplinkSection
from agent.delivery.command_log import AT_ONCE, CommandLog
from agent.delivery.commands import Change, Commands, Done, Handler, RefusedError
from agent.delivery.mqtt_connection import Delivery
from agent.protocol.commands import COMMANDS, Answer, Command, any_of, name_of
from agent.protocol.examples import examples
from agent.protocol.field_examples import Example, example_of
from agent.protocol.fields import Flag, Name
from tests.support.delivering_device import uplink_of
from tests.support.housekeeping import housekeeping_of
from tests.support.state_folder import StateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Light(Command):
    """Switch the light at the pole: made up for these tests."""

    command: Literal["light"]
    lamp: Annotated[Name, Example("north")]
    on: Annotated[Flag, Example(True)]


class Pole:
    """Has one lamp, and the one handler of the command."""

    def __init__(self) -> None:
        self.switched: list[bool] = []
        self.worn_out = False

    @property
    def handler(self) -> Handler[Light]:
        return Handler(Light, self._obey, self._refusal)

    def _refusal(self, command: Light) -> str | None:
        return None if command.lamp == "north" else f"there is no lamp {command.lamp}"

    def _obey(self, command: Light) -> Done:
        if self.worn_out:
            raise RefusedError("the lamp is worn out")
        self.switched.append(command.on)
        return Done(count=1, change=Change("light.switched", {"lamp": command.lamp}))


class Heeding:
    """A device that hears the platform, as over a broker."""

    def __init__(self, folder: Path) -> None:
        self.device, self.pole, self.folder = StateFolder(folder), Pole(), folder
        self.housekeeping = housekeeping_of(self.device, folder)
        self.begin()

    def begin(self) -> None:
        self.uplink = uplink_of(
            UplinkSection(broker="mqtts://broker.example"),
            self.device.database,
            self.device.outbox,
            self.device.clock,
            handlers=(*self.housekeeping.handlers, self.pole.handler),
            record=self.housekeeping.record_order,
        )
        self.downlink = self.uplink._downlink

    def end(self) -> None:
        """Of the uplink, which has not begun."""
        stop = threading.Event()
        stop.set()
        self.uplink.run(stop)

    def order(self, *, retained: bool = False, **told: Any) -> Answer | None:
        words = {"command": "light", "command_id": "l-1", "lamp": "north", "on": True, **told}
        payload = json.dumps(words).encode()
        delivery = Delivery(self.downlink.commands_topic, payload, retained=retained)
        with closing(self.device.database.read()) as reader:
            return self.downlink.heed(delivery, reader)

    def recorded(self) -> list[tuple[str, dict[str, Any]]]:
        return [
            (each.what, dict(each.facts)) for each in records(self.folder / "audit" / OF_PLATFORM)
        ]


@pytest.fixture
def heeding(tmp_path: Path) -> Iterator[Heeding]:
    made = Heeding(tmp_path)
    yield made
    made.end()
    made.device.database.close()


def test_it_is_obeyed_answered_and_recorded_and_never_obeyed_twice(heeding: Heeding) -> None:
    answer = heeding.order()
    assert answer == Answer(command_id="l-1", accepted=True, count=1)
    assert heeding.order() == answer
    heeding.end()
    heeding.begin()  # as after a restart
    assert heeding.order() == answer, "remembered on the disk"
    assert heeding.pole.switched == [True]
    assert heeding.recorded() == [("light.switched", {"lamp": "north", "order": "l-1"})]


@pytest.mark.parametrize(
    "told",
    [{"on": "yes"}, {"lamp": "a/b"}, {"surprise": 1}, {"command": "lights"}, {"contract": 1}],
    ids=lambda told: next(iter(told)),
)
def test_what_is_not_valid_by_its_model_is_refused_and_answered(
    heeding: Heeding, told: dict[str, Any]
) -> None:
    answer = heeding.order(**told)
    assert answer is not None
    assert (answer.command_id, answer.accepted) == ("l-1", False)
    assert next(iter(told)) in (answer.reason or "") or "lights" in (answer.reason or "")
    assert (heeding.pole.switched, heeding.downlink.refused) == ([], 1)


def test_what_its_handler_does_not_allow_is_declined_and_may_come_again(heeding: Heeding) -> None:
    answer = heeding.order(lamp="south")
    assert answer == Answer(command_id="l-1", accepted=False, reason="there is no lamp south")
    heeding.pole.worn_out = True
    answer = heeding.order()
    assert answer == Answer(command_id="l-1", accepted=False, reason="the lamp is worn out")
    assert (heeding.downlink.declined, heeding.recorded()) == (2, [])
    assert heeding.downlink.last_refused == "light: the lamp is worn out"
    heeding.pole.worn_out = False
    assert heeding.order() == Answer(command_id="l-1", accepted=True, count=1)


def test_a_retained_one_is_not_obeyed(heeding: Heeding) -> None:
    assert heeding.order(retained=True) is None
    assert heeding.pole.switched == []


def test_of_a_flood_the_allowance_is_obeyed(heeding: Heeding) -> None:
    answers = [heeding.order(command_id=f"l-{number}") for number in range(2 * AT_ONCE)]
    assert len(heeding.pole.switched) == AT_ONCE
    assert [each is not None and each.accepted for each in answers].count(True) == AT_ONCE


def test_what_cannot_be_recorded_is_not_answered_as_done(heeding: Heeding) -> None:
    (heeding.folder / "audit").mkdir(exist_ok=True)
    (heeding.folder / "audit" / OF_PLATFORM).write_text("no folder")
    answer = heeding.order()
    assert answer is not None
    assert not answer.accepted
    assert "the disk refused" in (answer.reason or "")


def test_schema_and_example_follow_from_the_model() -> None:
    adapter: TypeAdapter[Command] = TypeAdapter(any_of((*COMMANDS, Light)))
    schema = adapter.json_schema()
    shown = example_of(Light).model_dump(mode="json")
    assert (name_of(Light), shown["command"], shown["lamp"]) == ("light", "light", "north")
    jsonschema.Draft202012Validator(schema).validate(shown)
    assert adapter.validate_json(json.dumps(shown)) == example_of(Light)
    with pytest.raises(ValidationError):
        TypeAdapter(any_of()).validate_python(shown)


def test_every_command_of_the_contract_has_its_handler_and_its_example(heeding: Heeding) -> None:
    assert heeding.downlink.obeyed == {*COMMANDS, Light}
    shown = {name for name in examples() if name.startswith("command-")}
    assert shown == {f"command-{name_of(each)}" for each in COMMANDS}


def test_two_handlers_of_one_command_are_refused(heeding: Heeding) -> None:
    orders = CommandLog(heeding.device.database, heeding.device.clock)
    twice = [heeding.pole.handler, heeding.pole.handler]
    with pytest.raises(ValueError, match="two handlers"):
        Commands(twice, orders, heeding.housekeeping.record_order, lambda _: None)
