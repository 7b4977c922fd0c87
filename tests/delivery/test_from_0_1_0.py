"""A device of version 0.1.0 gets this version: what waited arrives once, and there is no silent way back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from agent.config.schema import UplinkSection
from agent.protocol.commands import Resend
from agent.protocol.events import Predecessor
from agent.storage.corruption import open_database
from agent.storage.database import Database
from agent.storage.database_file import SCHEMA
from agent.storage.errors import NewerDatabaseError
from agent.storage.state_table import save_state
from provisioning.demo.consumer import unpacked
from tests.support.delivering_device import Device
from tests.support.outboxes import open_outbox
from tests.support.state_of_0_1_0 import EPOCH, LAST, column, put_state_of_0_1_0
from tests.support.topics import DEVICE, TENANT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.broker import Broker
    from tests.support.platform_client import Platform

_STATE_OF_1 = f"kerbwatch/v1/{TENANT}/{DEVICE}/state"


def test_what_waited_is_numbered_anew_what_arrived_is_kept_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    path = put_state_of_0_1_0(tmp_path)
    waited = column(path, "SELECT event_id FROM outbox WHERE arrived = 0 ORDER BY sequence")
    arrived = column(path, "SELECT event_id FROM outbox WHERE arrived = 1")
    refused = column(path, "SELECT event_id FROM dead_letters")
    opened = column(path, "SELECT case_id FROM cases WHERE state = 'open'")
    assert all((waited, arrived, refused, opened))
    with Database(path) as database:
        outbox = open_outbox(database, keep_arrived=5000, boot_id="boot")
        assert (outbox.begun.because, outbox.begun.carried) == ("upgraded", len(waited))
        assert outbox.predecessor == Predecessor(epoch=EPOCH, last_sequence=LAST)
    assert column(path, "SELECT event_id FROM outbox ORDER BY sequence") == waited
    assert set(column(path, "SELECT event_id FROM kept")) == {*arrived, *refused}
    assert column(path, "SELECT case_id FROM cases WHERE state = 'open'") == opened
    assert column(path, "SELECT count(*) FROM losses WHERE reported IS NULL") == [0]
    lost = column(path, "SELECT lost FROM kept WHERE standing = 'set_aside' ORDER BY sequence")
    assert lost == [1, 1, 0], "two it had reported; the third is kept, and not lost"


def events_of(platform: Platform) -> list[dict[str, Any]]:
    """What came, each with the version of its message."""
    found = []
    for received in list(platform.received):
        if received.topic.endswith("/events"):
            message = json.loads(unpacked(received.payload))
            found += [{**each, "message": message["contract"]} for each in message["events"]]
    return found


@pytest.mark.slow
def test_what_waited_arrives_once_as_it_was_written_and_the_old_state_is_cleared(
    broker: Broker, tmp_path: Path
) -> None:
    path = put_state_of_0_1_0(tmp_path)
    path.rename(tmp_path / "device.db")
    path = tmp_path / "device.db"
    waited = column(path, "SELECT event_id FROM outbox WHERE arrived = 0 ORDER BY sequence")
    too_large = column(path, "SELECT event_id FROM dead_letters WHERE reason LIKE '%takes%'")
    events = column(path, "SELECT event FROM outbox UNION ALL SELECT event FROM dead_letters")
    old = {json.loads(text)["event_id"]: json.loads(text) for text in events}
    told = broker.settings().model_dump(exclude={"topic_prefix"}, exclude_unset=True)
    settings = UplinkSection.model_validate(told)  # the site leaves it to the agent
    with broker.platform() as platform:
        platform._client.subscribe("kerbwatch/v1/#", qos=1)
        platform._client.publish(_STATE_OF_1, "{}", qos=1, retain=True).wait_for_publish(60)
        with Device(tmp_path, settings) as device:
            device.connect()
            device.wait_until_drained()
            wait_until(lambda: len(events_of(platform)) > len(waited) + len(too_large))
            came = events_of(platform)
            assert (came[0]["type"], came[0]["sequence"]) == ("device.birth", 1)
            assert came[0]["body"]["because"] == "upgraded"
            assert all(each["contract"] == each["message"] for each in came), "one version each"
            of_1 = [each for each in came if each["contract"] == 1]
            assert sorted(each["event_id"] for each in of_1) == sorted([*waited, *too_large]), (
                "each once, also what a small limit had refused"
            )
            for each in of_1:
                now = {**each, "epoch": EPOCH, "sequence": old[each["event_id"]]["sequence"]}
                del now["message"]
                assert now == old[each["event_id"]], "nothing else was changed"
            wait_until(
                lambda: any(o.topic == _STATE_OF_1 and not o.payload for o in platform.received)
            )
            asked = Resend(command="resend", command_id="r", epoch=EPOCH, ranges=((1, LAST),))
            topic = f"kerbwatch/v2/{TENANT}/{DEVICE}/commands"
            platform._client.publish(topic, asked.model_dump_json(), qos=1).wait_for_publish(60)
            given = set(column(path, f"SELECT sequence FROM kept WHERE epoch = '{EPOCH}'"))
            wait_until(
                lambda: given <= {e["sequence"] for e in events_of(platform) if e["epoch"] == EPOCH}
            )
            again = [each for each in events_of(platform) if each["epoch"] == EPOCH]
            assert all(each["contract"] == each["message"] == 1 for each in again)
    with broker.platform("later") as later:
        later._client.subscribe("kerbwatch/v1/#", qos=1)
        wait_until(lambda: later.states() or later.received)
        assert not [o for o in later.received if o.topic == _STATE_OF_1]


def test_an_older_agent_is_refused_in_words_before_it_changes_anything(tmp_path: Path) -> None:
    """It proves that it can write first; that is where it ends. (0.1.0 looks at no version.)"""
    with Database(tmp_path / "kerbwatch.sqlite3") as database:
        open_outbox(database)
        with pytest.raises(sqlite3.IntegrityError, match="an older agent must not write to it"):
            database.write(lambda c: save_state(c, "storage.proved", "")).result()


def test_a_database_of_a_newer_agent_is_refused_in_words_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "kerbwatch.sqlite3"
    with Database(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    before = path.read_bytes()
    with pytest.raises(NewerDatabaseError, match="a newer version of the agent wrote it"):
        open_database(path, check=True, in_memory=tmp_path / "memory")
    assert path.read_bytes() == before
    assert not (tmp_path / "memory").exists(), "memory would only hide it"
