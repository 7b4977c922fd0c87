"""The verbs of the local channel on configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.analysis import withdrawal
from agent.control import proposals
from agent.control.errors import RefusedError
from agent.control.messages.configuration import (
    AppliedRow,
    ApplyReply,
    AskApply,
    AskCheck,
    AskConfiguration,
    AskConfirm,
    AskHistory,
    AskRevert,
    CaseEnd,
    CheckReply,
    ConfigurationReply,
    ConfirmReply,
    HistoryReply,
    RevertReply,
    TrialState,
)
from agent.control.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agent.config.applied import Trial
    from agent.control.configuration import Applying, Run
    from agent.control.verbs import Caller, Verb
    from agent.domain.scene import Case, Vantage


class ConfigurationVerbs:
    """Answers what is asked of configurations.

    Args:
        applying: Applies them.
        run: The running agent.
        cases: The open ones, asked between two frames or not: what is told is of a moment.
        vantages: From where cameras look.
    """

    def __init__(
        self,
        applying: Applying,
        run: Run,
        *,
        cases: Callable[[], Iterable[Case]],
        vantages: Mapping[str, Vantage],
    ) -> None:
        self._applying, self._store, self._run = applying, applying.store, run
        self._cases, self._vantages = cases, vantages

    @property
    def verbs(self) -> tuple[Verb, ...]:
        """For the channel's table."""
        return (
            verb(AskConfiguration, lambda _, caller: self.read(caller)),
            verb(AskCheck, self.check),
            verb(AskApply, self.apply, changes=True),
            verb(AskConfirm, self.confirm, changes=True),
            verb(AskRevert, self.revert, changes=True),
            verb(AskHistory, lambda _, __: self.history()),
        )

    def read(self, caller: Caller) -> ConfigurationReply:
        """The one in force; the page is not given what addresses of cameras may hold."""
        now, trial = self._applying.now, self._applying.trial
        configuration = now.configuration
        return ConfigurationReply(
            number=now.number,
            sha256=configuration.sha256(),
            site=now.texts.site if caller.by == "technician" else "",
            zones=proposals.zones_text(configuration),
            shown=configuration.shown(),
            kinds=proposals.kinds_of(configuration),
            site_facts=proposals.site_facts(configuration),
            bounds=proposals.bounds(),
            trial=None if trial is None else self._state(trial),
            differs_from_written=self._applying.written_sha256() != now.texts.sha256(),
        )

    def check(self, asked: AskCheck, caller: Caller) -> CheckReply:
        """What a proposal would mean."""
        applying, now = self._applying, self._applying.now.configuration
        try:
            then = applying.checked(applying.proposed(asked.site, asked.zones), caller.by)
        except RefusedError as error:
            if not error.faults:
                raise
            return CheckReply(faults=tuple(map(proposals.fault_of, error.faults)))
        cases = {case.case_id: case for case in self._cases()}
        ends = withdrawal.reasons(cases.values(), then, self._vantages)
        return CheckReply(
            remarks=tuple(proposals.remarks_on(then)),
            settings=tuple(proposals.settings_changed(now, then)),
            things=tuple(proposals.things_changed(now, then)),
            restart=self._run.beyond(then),
            cases=tuple(
                CaseEnd(case_id=each, zone_id=cases[each].zone_id, because=why)
                for each, why in ends.items()
            ),
        )

    def apply(self, asked: AskApply, caller: Caller) -> ApplyReply:
        """Put a proposal on trial."""
        new, trial = self._applying.apply(
            self._applying.proposed(asked.site, asked.zones),
            user=caller.user,
            through=caller.by,
            confirm_within_s=asked.confirm_within_s,
            over=asked.over,
        )
        return ApplyReply(
            number=new.number,
            confirm_within_s=asked.confirm_within_s,
            confirm_by=self._applying.confirm_by(trial),
            restarts=bool(trial.starts_left),
        )

    def confirm(self, asked: AskConfirm, caller: Caller) -> ConfirmReply:
        """Keep what is on trial."""
        withdrawn = self._applying.confirm(asked.number, user=caller.user, through=caller.by)
        return ConfirmReply(number=asked.number, withdrawn=withdrawn)

    def revert(self, asked: AskRevert, caller: Caller) -> RevertReply:
        """Go back to the one before."""
        restarts = self._applying.revert(asked.number, user=caller.user, through=caller.by)
        current = self._store.current
        return RevertReply(number=None if current is None else current.number, restarts=restarts)

    def history(self) -> HistoryReply:
        """Those that are kept."""
        current, trial = self._store.current, self._applying.trial
        states = {}
        if current is not None:
            states[current.number] = "in_force"
        if trial is not None:
            states[trial.number] = "on_trial"
        rows = []
        for number in self._store.numbers():
            if (one := self._store.get(number)) is not None:
                told = one.model_dump(
                    include={"number", "at", "user", "through", "over", "ordered"}
                )
                rows.append(AppliedRow(**told, state=states.get(number, "kept")))
        return HistoryReply(rows=rows)

    def _state(self, trial: Trial) -> TrialState:
        return TrialState(
            number=trial.number,
            left_s=self._applying.left_s(trial),
            confirm_by=self._applying.confirm_by(trial),
            proves_itself=trial.proves_itself,
        )
