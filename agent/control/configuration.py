"""Applies configurations to the running agent: on trial first, in force once confirmed, else back.

What is decided is on the disk before it is done, so that an end at any moment is followed by a start with the one
that was in force before (:mod:`agent.config.in_force`).
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Protocol

from agent.config.applied import Applied, AppliedConfigurations, Current, Trial
from agent.config.faults import ConfigError
from agent.config.ordered import protected_changes
from agent.config.site_texts import SiteTexts
from agent.control.errors import RefusedError
from agent.delivery.commands.configuration import NotTakenError
from agent.protocol.heartbeat import AppliedHealth
from drivers.files.small_files import UnreadableError
from wording.known_errors import words_of
from wording.messages import said, said_many

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from agent.config.in_force import InForce
    from agent.config.schema import Configuration
    from agent.control.channel import Recorder
    from drivers.clock import Clock

LOOK_EVERY_S = 0.5
RESTART_AFTER_S = 1.0
"""So that who asked for it has the answer first."""
PROVED_AFTER_S = 120.0
"""One that proves itself is confirmed once it was online and analysing for so long without a break."""
PINNED = ("storage.state_dir", "storage.run_dir")
"""What is applied lies in the one, and is asked for beside the other: changed in the site's folder only."""
PROVES_WITHIN_S = 600.0
READY_WITHIN_S = 60.0
_STATES: Mapping[str, Literal["on_trial", "in_force", "reverted"]] = {
    "configuration.applied": "on_trial",
    "configuration.confirmed": "in_force",
    "configuration.reverted": "reverted",
}
Through = Literal["technician", "page", "platform"]

_log = logging.getLogger(__name__)


class Run(Protocol):
    """What the running agent lets be done with it. From any thread."""

    def go_on_with(self, configuration: Configuration) -> None:
        """Go by a configuration that needs no restart; raises what keeps it from it, and has then changed nothing."""

    def beyond(self, then: Configuration) -> tuple[str, ...]:
        """The sections for which a configuration needs a restart."""

    def withdraw(self) -> int:
        """End the open cases that are watched no more; gives how many."""

    def restart(self) -> None:
        """End in a planned way, to be started again."""

    def failing(self) -> str | None:
        """A camera whose frames cannot be judged any more; None: there is none."""

    def works(self) -> bool:
        """Whether it is online and analyses every camera."""


@dataclass(frozen=True, slots=True)
class Held:
    """A configuration with its texts; ``number`` None: it is the site's own files."""

    configuration: Configuration
    texts: SiteTexts
    number: int | None


class Applying:
    """The configurations of one run. From any thread.

    Args:
        in_force: With which the run began.
        store: Where they are kept.
        run: The running agent.
        clock: Its monotonic time counts.
        record: Writes into the audit log.
    """

    def __init__(
        self,
        in_force: InForce,
        store: AppliedConfigurations,
        run: Run,
        clock: Clock,
        record: Recorder,
    ) -> None:
        self._site, self.store, self._run = in_force.site, store, run
        self._clock, self._record = clock, record
        self._now = Held(in_force.configuration, in_force.texts, in_force.number)
        self._before: Held | None = None
        """What the run goes back to without a restart."""
        self._trial = in_force.trial
        self._last: AppliedHealth | None = None
        self._ready = threading.Event()
        """Set once all parts of the run are there that go by the configuration."""
        self.on_change: Callable[[], object] = lambda: None
        """Called whenever there is news of :attr:`last`."""
        self._restart_s: float | None = None
        self._works_since_s: float | None = None
        self._lock = threading.RLock()
        self._tell_of_start(in_force)
        self._tell_what_holds()

    @property
    def now(self) -> Held:
        """The one by which the run goes."""
        return self._now

    @property
    def trial(self) -> Trial | None:
        """The trial that is on."""
        return self._trial

    def left_s(self, trial: Trial) -> float:
        """How long a trial may still be confirmed."""
        return max(0.0, trial.until_s - self._clock.monotonic_s())

    def confirm_by(self, trial: Trial) -> datetime:
        """Until when a trial may be confirmed, by the wall clock as it is now."""
        return self._clock.now() + timedelta(seconds=self.left_s(trial))

    def written_sha256(self) -> str:
        """Of the site's own files as they are now; "" where they cannot be read."""
        try:
            return SiteTexts.of(self._site).sha256()
        except UnreadableError:
            return ""

    def proposed(self, site: str | None, zones: str | None) -> SiteTexts:
        """Both texts of a proposal of which one may be as it is."""
        now = self._now.texts
        if site is not None:
            return SiteTexts(site, zones)
        if zones is None:
            return now
        return SiteTexts(now.site, zones, redrawn=True)

    def checked(self, texts: SiteTexts, through: Through) -> Configuration:
        """Read a proposal.

        Raises:
            RefusedError: With every fault.
        """
        try:
            then = texts.read()
        except ConfigError as error:
            raise _refused(error.faults) from error
        except OSError as error:
            raise RefusedError("disk", words_of(error)) from error
        changed = protected_changes(self._now.configuration, then)
        if through == "technician":
            changed = tuple(name for name in changed if name in PINNED)
        if changed:
            raise _refused(
                [
                    said("{name}: may only be changed in the site's own files", name=name)
                    for name in changed
                ]
            )
        return then

    def apply(
        self,
        texts: SiteTexts,
        *,
        user: str,
        through: Through,
        confirm_within_s: float,
        over: int | None = None,
        proves_itself: bool = False,
        ordered: int | None = None,
    ) -> tuple[Applied, Trial]:
        """Go by a configuration from now on, on trial.

        Raises:
            RefusedError: Nothing has changed; it says why.
        """
        if not self._ready.wait(READY_WITHIN_S):
            raise RefusedError("busy", said("the agent is just starting: ask again"))
        with self._lock:
            then = self.checked(texts, through)
            self._refuse_out_of_turn(then, over)
            restarts = bool(self._run.beyond(then))
            try:
                new, trial = self._begin(
                    texts,
                    user=user,
                    through=through,
                    ordered=ordered,
                    trial=(confirm_within_s, restarts, proves_itself),
                )
            except OSError as error:
                raise RefusedError("disk", words_of(error)) from error
            if not restarts:
                self._go_on_with(Held(then, texts, new.number))
            self._trial, self._works_since_s = trial, None
            self._note("configuration.applied", new.number, user, through, sha256=then.sha256())
            if restarts:
                self.restart_soon()
            return new, trial

    def confirm(self, number: int, *, user: str, through: str) -> int:
        """Keep what is on trial; gives how many cases ended with it.

        Raises:
            RefusedError: It is not on trial, or the disk did not take it.
        """
        with self._lock:
            self._refuse_another(number)
            try:
                self._put_in_force(number)
                self.store.end_trial()
            except OSError as error:
                raise RefusedError("disk", words_of(error)) from error
            self._trial = self._before = None
            self._note("configuration.confirmed", number, user, through)
            return self._run.withdraw()

    def revert(self, number: int, *, user: str, through: str, because: str = "asked") -> bool:
        """Go back to the one before; gives whether that takes a restart.

        Raises:
            RefusedError: Another one is on trial, or none.
        """
        with self._lock:
            self._refuse_another(number)
            try:
                self.store.end_trial()
            except OSError as error:
                _log.error("%s", words_of(error))  # the next start ends it
            self._trial = None
            self._note("configuration.reverted", number, user, through, because=because)
            before, self._before = self._before, None
            if before is not None and self._restart_s is None:
                try:
                    self._run.go_on_with(before.configuration)
                except Exception:  # noqa: BLE001 - whatever it is, a restart goes back as well
                    _log.exception("the agent restarts to go back")
                else:
                    self._now = before
                    self._run.withdraw()
                    return False
            self.restart_soon()
            return True

    @property
    def last(self) -> AppliedHealth | None:
        """What became of the one that was applied last; None: none was. For the heartbeat, from any thread."""
        return self._last

    def is_free(self) -> bool:
        """Whether nothing is on trial."""
        return self._trial is None and self._restart_s is None

    def put_on_trial(self, texts: SiteTexts, number: int, key: str) -> str:
        """Put what the platform has ordered on trial; see :class:`agent.delivery.commands.configuration.Trials`."""
        try:
            new, trial = self.apply(
                texts,
                user=f"key {key}",
                through="platform",
                confirm_within_s=PROVES_WITHIN_S,
                proves_itself=True,
                ordered=number,
            )
        except RefusedError as error:
            if error.code == "same":
                return f"number {number} is what the device goes by already"
            raise NotTakenError(error.reason) from error
        how = "after a restart" if trial.starts_left else "from now on"
        return (
            f"number {number} is on trial {how}, as configuration {new.number} of the device; "
            f"it is confirmed after {PROVED_AFTER_S:.0f} s online, or reverted within {PROVES_WITHIN_S:.0f} s"
        )

    def run(self, stop: threading.Event) -> None:
        """Watch over trials until stopped."""
        self._ready.set()
        while not stop.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> None:
        """End a trial whose time is over or that does not work; restart if that is due."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if self._restart_s is not None:
                if now_s >= self._restart_s:
                    self._run.restart()
                return
            if (trial := self._trial) is None:
                return
            if (camera_id := self._run.failing()) is not None:
                self._revert_by_itself(trial, f"frames of {camera_id} cannot be judged by it")
            elif trial.proves_itself and self._has_proved(now_s):
                self.confirm(trial.number, user="agent", through="platform")
            elif now_s >= trial.until_s:
                self._revert_by_itself(trial, "not confirmed in time")

    def _has_proved(self, now_s: float) -> bool:
        if not self._run.works():
            self._works_since_s = None
            return False
        if self._works_since_s is None:
            self._works_since_s = now_s
        return now_s - self._works_since_s >= PROVED_AFTER_S

    def _revert_by_itself(self, trial: Trial, because: str) -> None:
        _log.error("configuration %d: %s: the one before it holds again", trial.number, because)
        self.revert(trial.number, user="agent", through="agent", because=because)

    def refuse_trial(self) -> None:
        """Refuse while a configuration is on trial, or the agent is about to restart.

        Raises:
            RefusedError: It is so.
        """
        if self._trial is not None or self._restart_s is not None:
            number = 0 if self._trial is None else self._trial.number
            text = said(
                "configuration {number} is on trial: confirm it or go back first", number=number
            )
            raise RefusedError("on_trial", text)

    def _refuse_out_of_turn(self, then: Configuration, over: int | None) -> None:
        self.refuse_trial()
        if over is not None and over != (self._now.number or 0):
            text = said(
                "configuration {number} is in force by now: look at the proposal again",
                number=self._now.number or 0,
            )
            raise RefusedError("outdated", text)
        if then == self._now.configuration:
            raise RefusedError("same", said("this is what is in force already"))

    def _refuse_another(self, number: int) -> None:
        if self._trial is None or self._trial.number != number:
            raise RefusedError(
                "not_on_trial", said("configuration {number} is not on trial", number=number)
            )

    def _begin(
        self,
        texts: SiteTexts,
        *,
        user: str,
        through: Through,
        ordered: int | None,
        trial: tuple[float, bool, bool],
    ) -> tuple[Applied, Trial]:
        """Write down what shall be done: first the one that is in force, then the new one, then the trial."""
        over = self._keep_running()
        within_s, restarts, proves_itself = trial
        new = self._applied(texts, user=user, through=through, over=over, ordered=ordered)
        self.store.keep(new)
        begun = Trial(
            number=new.number,
            boot_id=self._clock.boot_id,
            until_s=self._clock.monotonic_s() + within_s,
            starts_left=int(restarts),
            proves_itself=proves_itself,
        )
        self.store.begin(begun)
        return new, begun

    def _keep_running(self) -> int:
        """Let the one that is in force be kept, and hold over the site's files as they are now."""
        number = self._now.number
        if number is None or self.store.get(number) is None:
            kept = self._applied(self._now.texts, user="agent", through="start", over=None)
            self.store.keep(kept)
            number = kept.number
            self._now = Held(self._now.configuration, self._now.texts, number)
        self._put_in_force(number)
        return number

    def _put_in_force(self, number: int) -> None:
        current = Current(number=number, of=str(self._site), written_sha256=self.written_sha256())
        if self.store.current != current:
            self.store.put_in_force(current)

    def _applied(
        self,
        texts: SiteTexts,
        *,
        user: str,
        through: Literal["technician", "page", "platform", "start"],
        over: int | None,
        ordered: int | None = None,
    ) -> Applied:
        return Applied(
            number=self.store.next_number(),
            site=texts.site,
            zones=texts.zones,
            redrawn=texts.redrawn,
            sha256=texts.sha256(),
            at=self._clock.now(),
            user=user,
            through=through,
            over=over,
            ordered=ordered,
        )

    def _go_on_with(self, new: Held) -> None:
        try:
            self._run.go_on_with(new.configuration)
        except Exception as error:
            _log.exception("configuration %s is not taken over", new.number)
            try:
                self.store.end_trial()
            except OSError as left:
                _log.error("%s", words_of(left))
            text = said("the agent could not go by it, and goes on as before: see its log")
            raise RefusedError("not_taken", text) from error
        self._before, self._now = self._now, new

    def restart_soon(self) -> None:
        """End the run in a planned way, once whoever asked for it has the answer."""
        self._restart_s = self._clock.monotonic_s() + RESTART_AFTER_S

    def _tell_of_start(self, in_force: InForce) -> None:
        if (dropped := in_force.dropped) is not None:
            because = "the run ended before it was confirmed"
            self._note("configuration.reverted", dropped.number, "agent", "agent", because=because)
        if in_force.overruled is not None:
            self._note("configuration.overruled", in_force.overruled, "agent", "agent")

    def _tell_what_holds(self) -> None:
        """After a start: what holds was applied once, or is on trial."""
        number = self._now.number
        if self._last is None and number is not None:
            one = self.store.get(number)
            self._last = AppliedHealth(
                number=number,
                ordered=None if one is None else one.ordered,
                state="in_force" if self._trial is None else "on_trial",
                because=None,
            )

    def _note(self, what: str, number: int, user: str, through: str, **facts: str) -> None:
        if (state := _STATES.get(what)) is not None:
            one = self.store.get(number)
            ordered = None if one is None else one.ordered
            because = facts.get("because")
            self._last = AppliedHealth(number=number, ordered=ordered, state=state, because=because)
            self.on_change()
        try:
            self._record(what, number=number, user=user, through=through, **facts)
        except OSError as error:
            _log.error("%s", words_of(error))


def _refused(faults: Sequence[str]) -> RefusedError:
    text = said_many(
        "the configuration is refused: {count} fault",
        "the configuration is refused: {count} faults",
        len(faults),
    )
    return RefusedError("invalid", text, faults)
