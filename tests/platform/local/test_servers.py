"""PostgreSQL and Mosquitto of a desk's own: real ones, in a folder."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from kerbwatch_platform.local import broker, postgres
from kerbwatch_platform.local.configuration import settled
from kerbwatch_platform.local.desk import keep_desk
from kerbwatch_platform.local.errors import DeskError
from kerbwatch_platform.local.folder import opened
from kerbwatch_platform.local.postgresql_programs import programs
from kerbwatch_platform.local.supervisor import Supervisor
from kerbwatch_platform.transports import LARGEST_BYTES
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from tests.support.ports import free_port, listens
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _there_is_a_postgresql(place: Path) -> None:
    try:
        programs(place / "none", None, _never)
    except DeskError as error:
        pytest.skip(f"no PostgreSQL here (apt package postgresql): {error}")


def _never(line: str) -> None:
    raise DeskError(f"something would be installed: {line}")


def test_what_was_committed_is_there_at_the_next_start(place: Path) -> None:
    with opened(place) as folder:
        for told in (None, 7):
            made = postgres.cluster(folder, _never)
            with Supervisor(folder.logs, print) as running:
                running.start(made.program)
                running.wait_until(made.ready, postgres.NAME)
                with closing(psycopg.connect(made.database, autocommit=True)) as connection:
                    if told is None:
                        connection.execute("CREATE TABLE t AS SELECT 7 AS kept")
                    else:
                        assert connection.execute("SELECT kept FROM t").fetchall() == [(told,)]


def test_only_the_socket_in_the_folder_leads_to_it_and_root_does_not_run_it(place: Path) -> None:
    with opened(place) as folder, Supervisor(folder.logs, print) as running:
        made = postgres.cluster(folder, _never)
        running.start(made.program)
        running.wait_until(made.ready, postgres.NAME)
        assert folder.postgresql.stat().st_mode & 0o077 == 0
        with closing(psycopg.connect(made.database)) as connection:
            [(listening,)] = connection.execute("SHOW listen_addresses").fetchall()
        assert listening == ""
        owner = (folder.postgresql / "data").stat().st_uid
        assert owner != 0 if os.geteuid() == 0 else owner == os.geteuid()


def test_data_of_a_version_that_is_not_here_are_left_alone_and_it_is_said(place: Path) -> None:
    with pytest.raises(DeskError, match="the data are of PostgreSQL 9, which is not here any more"):
        programs(place / "programs", 9, _never)


def test_a_folder_whose_name_is_too_long_for_a_socket_is_refused(place: Path) -> None:
    with opened(place / ("x" * 100)) as folder, pytest.raises(DeskError, match="too long"):
        postgres.cluster(folder, _never)


def test_two_starts_on_one_folder_are_refused_with_who_has_it(place: Path) -> None:
    with (
        opened(place),
        pytest.raises(DeskError, match=rf"already runs on {place} \(process {os.getpid()}\)"),
        opened(place),
    ):
        pass
    with opened(place):  # and afterwards it is free
        pass


def test_a_folder_of_something_else_is_left_alone(place: Path) -> None:
    (place / "letter.txt").write_text("mine", "utf-8")
    with pytest.raises(DeskError, match="is no desk's folder"), opened(place):
        pass
    assert [each.name for each in place.iterdir()] == ["letter.txt"]


def test_ports_that_are_taken_are_named_all_of_them(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with socket.create_server(("127.0.0.1", port + 1)), pytest.raises(DeskError) as refused:
            keep_desk(place, port, with_demo=False)
    assert f"{port} (web)" in str(refused.value)
    assert f"{port + 1} (mosquitto)" in str(refused.value)


def test_the_settings_are_written_once_are_nobody_else_s_to_read_and_move_to_another_port(
    place: Path,
) -> None:
    with opened(place) as folder:
        first = settled(folder, "host=here", 9000)
        assert folder.settings.stat().st_mode & 0o077 == 0
        text = (
            folder.settings.read_text("utf-8")
            + '\n[[webhooks]]\nname = "mine"\nurl = "https://a.example"\nsecret_file = "/x"\n'
        )
        folder.settings.write_text(text, "utf-8")
        moved = settled(folder, "host=here", 9500)
        assert first.archive_folder == folder.archive
    assert (moved.web.port, moved.broker) == (9500, first.broker.replace(":9001", ":9501"))
    assert moved.webhooks[0].name == "mine"


def test_a_device_publishes_below_its_own_name_and_hears_nobody_else(place: Path) -> None:
    port = free_port()
    passwords = {"platform": "one", "city/mine": "two"}
    made = broker.mosquitto(place / "broker", port)
    made.prepare("kerbwatch/v2", passwords)
    assert "one" not in (place / "broker" / "passwords").read_text("ascii")
    with Supervisor(place, print) as running:
        running.start(made.program)
        running.wait_until(lambda: listens(port), broker.NAME)
        assert refused(port, "city/mine", "wrong", "kerbwatch/v2/city/mine/events")
        assert refused(port, "city/mine", "two", "kerbwatch/v2/city/other/events")
        assert refused(port, "city/mine", "two", "kerbwatch/v2/city/mine/receipts")
        assert not refused(port, "city/mine", "two", "kerbwatch/v2/city/mine/events")
        assert not refused(port, "platform", "one", "kerbwatch/v2/city/mine/receipts")


def test_the_broker_takes_nothing_that_it_could_not_give_to_a_worker(place: Path) -> None:
    """It would acknowledge a message to the device and drop it: devices go by the size that it announces."""
    port = free_port()
    made = broker.mosquitto(place / "broker", port)
    made.prepare("kerbwatch/v2", {"platform": "one"})
    with Supervisor(place, print) as running:
        running.start(made.program)
        running.wait_until(lambda: listens(port), broker.NAME)
        assert 500_000 < announced_bytes(port, "platform", "one") < LARGEST_BYTES


def announced_bytes(port: int, name: str, password: str) -> int:
    """The largest packet that the broker says it takes."""
    answers: list[int] = []
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set(name, password)

    def connected(_c: Client, _u: object, _f: object, _r: object, told: Any) -> None:
        answers.append(told.MaximumPacketSize)

    client.on_connect = connected
    client.connect("127.0.0.1", port)
    client.loop_start()
    wait_until(lambda: answers)
    client.disconnect()
    client.loop_stop()
    return answers[0]


def refused(port: int, name: str, password: str, topic: str) -> bool:
    """Whether the broker turns this client away, or what it publishes."""
    answers: list[bool] = []
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set(name, password)

    def connected(_c: Client, _u: object, _f: object, reason: ReasonCode, _p: object) -> None:
        if reason.is_failure:
            answers.append(True)
        else:
            client.publish(topic, "{}", qos=1)

    client.on_connect = connected
    client.on_publish = lambda _c, _u, _m, reason, _p: answers.append(reason.is_failure)
    client.connect("127.0.0.1", port)
    client.loop_start()
    wait_until(lambda: answers)
    client.disconnect()
    client.loop_stop()
    return answers[0]
