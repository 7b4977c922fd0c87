"""Promises about frames on their way from the cameras to the analysis."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.capture import camera_reader
from agent.capture.camera_reader import CameraReader
from agent.capture.mailbox import Mailbox
from agent.concurrency.backoff import Backoff
from drivers.cameras import CameraError, Frame
from drivers.cameras.synthetic import Settings, open_camera
from tests.support.scenes import frame_of, paving

NEVER = threading.Event()


def frame(now_s: float, camera_id: str = "street") -> Frame:
    return frame_of(paving(), now_s, camera_id)


def test_the_newest_frame_of_a_live_camera_wins_and_the_loss_is_counted() -> None:
    mailbox = Mailbox(["street"])
    for now_s in (1.0, 2.0, 3.0):
        mailbox.put(frame(now_s), live=True, stop=NEVER)
    taken = mailbox.take(0)
    assert taken is not None
    assert taken.monotonic_s == 3.0
    assert mailbox.dropped["street"] == 2
    assert mailbox.take(0) is None


def test_no_camera_starves_another() -> None:
    mailbox = Mailbox(["a", "b"])
    mailbox.put(frame(1, "a"), live=True, stop=NEVER)
    mailbox.put(frame(1, "b"), live=True, stop=NEVER)
    mailbox.put(frame(2, "a"), live=True, stop=NEVER)
    order = [taken.camera_id for _ in range(2) if (taken := mailbox.take(0)) is not None]
    assert order == ["a", "b"]


def watched(mailbox: Mailbox, frames_per_s: float) -> list[float]:
    """The times of the frames that a recording of three seconds, ten a second, comes down to."""
    settings = Settings(width=160, height=90, seconds=3, frames_per_s=10)
    reader = CameraReader(
        "street",
        lambda: open_camera("street", settings),
        mailbox,
        lambda: frames_per_s,
        lambda: None,
    )
    thread = threading.Thread(target=reader.run, args=(threading.Event(),))
    thread.start()
    times = []
    while not mailbox.done:
        taken = mailbox.take(0.1)
        if taken is not None:
            times.append(taken.monotonic_s)
    thread.join()
    return times


def test_every_frame_of_a_recording_is_taken_in_order() -> None:
    mailbox = Mailbox(["street"])
    assert watched(mailbox, 10) == pytest.approx([step / 10 for step in range(30)])
    assert mailbox.dropped.total() == 0


def test_a_recording_is_thinned_to_the_wanted_rate() -> None:
    assert watched(Mailbox(["street"]), 2) == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])


class Unsteady:
    """A camera whose cable is loose: it is lost after two frames, and then works."""

    size_px = (320, 180)
    live = True
    source = "a loose cable"

    def __init__(self, frames: Iterator[Frame | None]) -> None:
        self._frames = frames
        self.closed = False

    def read(self) -> Frame | None:
        found = next(self._frames)
        if found is not None and found.sequence < 0:
            raise CameraError("street", "unplugged")
        return found

    def close(self) -> None:
        self.closed = True


def test_a_lost_camera_is_closed_and_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_reader, "REOPEN_FIRST_S", 0.01)
    broken = frame_of(paving(), -1.0)
    first = Unsteady(iter([frame(1), frame(2), broken]))
    second = Unsteady(iter([frame(3), None]))
    cameras = iter([first, second])
    opened: list[Unsteady] = []

    def open_next() -> Unsteady:
        opened.append(next(cameras))
        return opened[-1]

    mailbox = Mailbox(["street"])
    reader = CameraReader("street", open_next, mailbox, lambda: 10, lambda: None)
    reader.run(threading.Event())
    assert opened == [first, second]
    assert first.closed
    assert second.closed
    last = mailbox.take(0)
    assert last is not None
    assert last.monotonic_s == 3
    assert mailbox.done


def test_a_camera_that_cannot_be_opened_says_why_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(camera_reader, "REOPEN_FIRST_S", 0.01)
    stop = threading.Event()
    reasons: list[str] = []

    def fails() -> Unsteady:
        reasons.append(reader.state)
        if len(reasons) == 3:
            stop.set()
        raise CameraError("street", "no such device")

    reader = CameraReader("street", fails, Mailbox(["street"]), lambda: 10, lambda: None)
    reader.run(stop)
    assert reasons == ["opening", "no such device", "no such device"]
    assert reader.activity.reopened == 3


def test_a_camera_that_is_stopped_has_not_come_to_its_end() -> None:
    """Whoever counts for how long it ran counts the last seconds after it has stopped."""
    stop, mailbox = threading.Event(), Mailbox(["street"])
    endless = Settings(width=160, height=90, seconds=100_000, frames_per_s=10)

    def stopped_by_its_first_frame() -> None:
        stop.set()

    reader = CameraReader(
        "street",
        lambda: open_camera("street", endless),
        mailbox,
        lambda: 10,
        stopped_by_its_first_frame,
    )
    reader.run(stop)
    assert (reader.state, reader.ended) == ("running", False)
    while mailbox.take(0) is not None:
        pass
    assert mailbox.done


def test_the_rate_may_change_while_the_camera_runs() -> None:
    wanted = iter([10.0] * 11 + [1.0] * 100)
    mailbox = Mailbox(["street"])
    settings = Settings(width=160, height=90, seconds=4, frames_per_s=10)
    reader = CameraReader(
        "street",
        lambda: open_camera("street", settings),
        mailbox,
        lambda: next(wanted),
        lambda: None,
    )
    thread = threading.Thread(target=reader.run, args=(threading.Event(),))
    thread.start()
    times = []
    while not mailbox.done:
        taken = mailbox.take(0.1)
        if taken is not None:
            times.append(taken.monotonic_s)
    thread.join()
    assert times[:10] == pytest.approx([step / 10 for step in range(10)])
    assert times[10:] == pytest.approx([1.0, 2.0, 3.0])
    assert reader.activity.frames == 40


@given(
    st.lists(st.floats(0, 200), min_size=1, max_size=40),
    st.floats(0.01, 10),
    st.floats(1, 20),
    st.floats(0, 1),
)
def test_waits_grow_while_it_fails_and_begin_anew_after_a_good_run(
    runs_s: list[float], first_s: float, times: float, min_share: float
) -> None:
    backoff = Backoff(first_s, first_s * times, 100.0, min_share=min_share)
    failures = 0
    for ran_s in runs_s:
        failures = 1 if ran_s >= 100.0 else failures + 1
        limit_s = min(first_s * times, first_s * 2.0 ** (failures - 1))
        wait_s = backoff.failed(ran_s)
        assert min_share * limit_s <= wait_s * (1 + 1e-9)
        assert wait_s <= limit_s * (1 + 1e-9)


def test_without_a_time_only_a_success_begins_the_count_anew() -> None:
    backoff = Backoff(2.0, 30.0)
    limits_s = []
    for _ in range(3):
        limits_s.append(backoff.limit_s)
        backoff.failed(ran_s=1e9)
    backoff.worked()
    assert [*limits_s, backoff.limit_s] == [2.0, 4.0, 8.0, 2.0]


def test_a_year_of_failures_overflows_nothing() -> None:
    backoff = Backoff(1.0, 30.0, 60.0)
    for _ in range(5000):
        backoff.failed()
    assert backoff.limit_s == 30.0
