"""Promises of the local channel: who may ask is answered, and nobody who asks disturbs the watching."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.control import frames
from agent.control.channel import MOST_OF_ONE_USER, ControlChannel
from agent.control.client import call
from agent.control.errors import AgentSilentError, RefusedError
from agent.control.meeting_place import folder_of
from agent.control.messages.base import Reply, Request, Words
from agent.control.messages.status import AskStatus
from agent.control.verbs import Caller, Verb, verb
from tests.support.paths import ROOT
from tests.support.running_agent import WatchedCorner, corner_at
from tests.support.topics import DEVICE
from tests.support.waiting import wait_until
from wording.messages import Said, said

__all__ = ["corner_at"]


class Echoed(Reply):
    text: str


class AskEcho(Request[Echoed]):
    verb: ClassVar[str] = "echo"
    answer: ClassVar[type[Reply]] = Echoed
    text: str


def _echo(asked: AskEcho, caller: Caller) -> tuple[Echoed, bytes]:
    if asked.text == "wrong":
        raise RefusedError("no", said("{what} is not said here", what=asked.text))
    if asked.text == "fault":
        raise ZeroDivisionError
    return Echoed(text=f"{asked.text} {caller.user} {caller.by}"), asked.text.encode() * 3


@contextmanager
def _channel(run_dir: Path, *verbs: Verb) -> Iterator[list[dict[str, Any]]]:
    """A channel in a thread; gives what it records."""
    records: list[dict[str, Any]] = []
    stop = threading.Event()
    run_dir.mkdir(exist_ok=True)
    channel = ControlChannel(
        folder_of(run_dir),
        verbs or (verb(AskEcho, _echo, changes=True),),
        lambda what, **facts: records.append({"what": what, **facts}),
    )
    channel.open()
    thread = threading.Thread(target=lambda: channel.run(stop))
    thread.start()
    try:
        yield records
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


@contextmanager
def _listening(run_dir: Path, name: str = "1-here.call") -> Iterator[socket.socket]:
    """Somebody who listens there and means no good."""
    path = folder_of(run_dir) / name
    with closing(socket.socket(socket.AF_UNIX)) as one:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path may be no longer than 108 bytes
        try:
            one.bind(name)
        finally:
            os.chdir(here)
        one.listen(1)
        one.settimeout(60)
        yield one
    path.unlink(missing_ok=True)


@pytest.mark.slow
def test_a_running_agent_says_how_it_is_and_one_that_ended_is_silent(
    corner_at: Callable[..., WatchedCorner],
) -> None:
    corner = corner_at()
    corner.start()
    with corner.asked() as agent:
        reply, payload = agent.ask(AskStatus())
        assert (reply.status.device_id, payload) == (DEVICE, b"")
        assert reply.status.cameras["street"].analysed > 0
        assert corner.stop() == 0
        with pytest.raises(AgentSilentError):
            agent.ask(AskStatus())
    with (
        pytest.raises(AgentSilentError, match="no running agent answered"),
        call(corner.run_dir, comes_within_s=0.3),
    ):
        pass


@pytest.mark.slow
def test_watching_goes_on_while_callers_flood_are_stuck_and_send_nonsense(
    corner_at: Callable[..., WatchedCorner],
) -> None:
    corner = corner_at()
    corner.start()
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            try:
                with corner.asked() as agent:
                    while not stop.is_set():
                        agent.ask(AskStatus(), timeout_s=60)
            except AgentSilentError:
                continue

    flooding = [threading.Thread(target=flood) for _ in range(MOST_OF_ONE_USER)]
    with _listening(corner.run_dir, "1-a.call"), _listening(corner.run_dir, "1-b.call") as nonsense:
        line, _ = nonsense.accept()
        with closing(line):
            line.sendall(b"\xff" * 100_000)
        for each in flooding:
            each.start()
        seen = corner.analysed()
        wait_until(lambda: corner.analysed() > seen + 25)
        stop.set()
        for each in flooding:
            each.join(60)
    assert corner.stop() == 0


def test_an_answer_comes_with_its_bytes_and_a_change_is_recorded(tmp_path: Path) -> None:
    with _channel(tmp_path / "run") as records, call(tmp_path / "run", person="Ms Li") as agent:
        reply, payload = agent.ask(AskEcho(text="hello"))
        assert (reply.text, payload) == ("hello Ms Li technician", b"hellohellohello")
        with pytest.raises(RefusedError, match="wrong is not said here") as refused:
            agent.ask(AskEcho(text="wrong"))
        assert refused.value.code == "no"
        with pytest.raises(RefusedError, match="see its log"):
            agent.ask(AskEcho(text="fault"))
        with pytest.raises(RefusedError, match="it knows: echo"):
            agent.ask(AskStatus())
        assert agent.ask(AskEcho(text="again"))[0].text.startswith("again")
    assert [each["outcome"] for each in records] == ["done", "refused: no", "failed", "done"]
    assert {(each["what"], each["user"]) for each in records} == {("control.asked", "Ms Li")}


def test_one_user_has_no_more_than_his_places_and_the_next_is_answered_when_one_is_free(
    tmp_path: Path,
) -> None:
    run_dir = tmp_path / "run"
    with _channel(run_dir):
        lines = [call(run_dir) for _ in range(MOST_OF_ONE_USER)]
        agents = [line.__enter__() for line in lines]
        assert [agent.ask(AskEcho(text="in"))[1] for agent in agents] == [b"ininin"] * len(agents)
        with pytest.raises(AgentSilentError), call(run_dir, comes_within_s=1.0):
            pass
        lines.pop().__exit__(None, None, None)
        with call(run_dir, comes_within_s=60) as agent:
            assert agent.ask(AskEcho(text="me"))[1] == b"mememe"
        for line in lines:
            line.__exit__(None, None, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to be somebody else")
def test_a_socket_of_another_user_is_never_called_and_another_user_is_never_taken_for_the_agent(
    tmp_path: Path,
) -> None:
    run_dir = tmp_path / "run"
    with _channel(run_dir), _listening(run_dir) as one:
        os.chown(folder_of(run_dir) / "1-here.call", 65534, 65534)
        one.settimeout(2.0)
        with pytest.raises(TimeoutError):
            one.accept()
    os.chown(run_dir, 65534, 65534)  # whoever keeps it is the agent: it is not this one
    with _channel(run_dir), pytest.raises(AgentSilentError), call(run_dir, comes_within_s=1.0):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to be somebody else")
def test_whatever_another_user_leaves_in_the_folder_root_is_answered(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    with _channel(run_dir):
        for number in range(300):
            left = folder_of(run_dir) / f"1-{number}.call"
            left.touch()
            os.chown(left, 65534, 65534)
        for _ in range(3):
            with call(run_dir, comes_within_s=60) as agent:
                assert agent.ask(AskEcho(text="me"))[1] == b"mememe"


def test_names_that_come_while_root_waits_hide_it_from_no_agent(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    folder_of(run_dir).mkdir(parents=True)
    for number in range(300):
        (folder_of(run_dir) / f"1-{number}.call").touch()
    with _channel(run_dir), _listening(run_dir) as one:
        one.accept()[0].close()


_heads = st.binary(max_size=200) | st.recursive(
    st.none() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
).map(lambda value: json.dumps({"verb": "echo", "body": value}).encode())


@given(head=_heads)
def test_no_request_however_made_brings_more_than_a_refusal(head: bytes) -> None:
    channel = ControlChannel(Path("/nowhere"), (verb(AskEcho, _echo),), lambda *_, **__: None)
    answer, payload = channel._answer(head, os.geteuid())
    told = json.loads(answer)
    assert (told["code"] in {"invalid", "unknown_verb", "no", "failed"}) or payload


@given(sent=st.binary(max_size=64))
def test_no_bytes_are_taken_for_a_frame_that_they_are_not(sent: bytes) -> None:
    here, there = socket.socketpair()
    with closing(here), closing(there):
        there.sendall(sent)
        there.shutdown(socket.SHUT_WR)
        try:
            head = frames.receive_head(here, 32, begins_within_s=60, within_s=60)
        except frames.FrameError:
            whole = len(sent) >= 4 and 0 < struct.unpack(">I", sent[:4])[0] <= min(
                32, len(sent) - 4
            )
            assert not whole
        else:
            assert sent.startswith(struct.pack(">I", len(head)) + head)


def test_a_text_arrives_as_it_was_said_and_one_that_reaches_into_objects_does_not() -> None:
    inner = said("zone {name}", name="kerb")
    sent = said("{zones} in {s:.0f} s", zones=[inner, inner], s=2.4)
    arrived = Words.model_validate_json(Words.of(sent).model_dump_json()).said()
    assert isinstance(arrived, Said)
    assert (arrived, arrived.template, arrived.facts["zones"][0].template) == (
        "zone kerb, zone kerb in 2 s",
        "{zones} in {s:.0f} s",
        "zone {name}",
    )
    for template in ("{x.__class__}", "{x:999999999}", "{x[0]}", "{", "{0}", "{x:{x}}"):
        assert Words(text="plain", template=template, facts={"x": "1"}).said() == "plain"


def test_who_asks_the_agent_loads_neither_networks_nor_pictures_nor_the_schema_of_a_site() -> None:
    script = (
        "import sys, pkgutil, importlib, agent.control.client, agent.control.messages as all\n"
        "[importlib.import_module(f'{all.__name__}.{each.name}') for each in pkgutil.iter_modules(all.__path__)]\n"
        "print({'cv2', 'onnxruntime', 'numpy', 'agent.config.schema'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, text=True, capture_output=True, check=True
    )
    assert done.stdout.strip() == "set()"
