"""The life cycle of a case: opened → persisting → cleared or withdrawn, across restarts.

One street problem is one case, keyed by place and kind: not one per frame, per track, per camera
or per restart.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.domain import case_members
from agent.domain.scene import Case, Finding, Look, Member, Unseen, Vantage, Withdrawal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

ChangeType = Literal[
    "case.opened",
    "case.persisting",
    "case.changed",
    "case.cleared",
    "case.abstained",
    "case.withdrawn",
]
CHANGE_EVERY_S = 60.0
"""That members came or went is told this long after the case's last event, or later."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a case, and the finding that made it happen.

    None if the case abstains because nothing can be seen any more, or is withdrawn. ``left`` are the members
    that have gone since the case's last event.
    """

    type: ChangeType
    case: Case
    finding: Finding | None
    left: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Remembered:
    """The state of :class:`Cases` at one moment; each by place and kind, ``unseen`` by zone."""

    open: dict[tuple[str, str], Case]
    present: dict[tuple[str, str], set[str]]
    witnesses: dict[tuple[str, str], set[str]]
    unseen: dict[str, Unseen]


class Cases:
    """All open cases of the device.

    Args:
        new_id: Gives a case its id, by the time of its opening.
        persist_every_s: How often an open case is reported again.
        open_cases: Those that were open when the device stopped.
        vantages: Camera → from where it looks now.
        change_every_s: How often it is reported at most that members came or went.
        legal_gaps: What the law asks of the site and is not there yet.

    Attributes:
        testing: Whether cases that open are made to try the way.
    """

    def __init__(
        self,
        new_id: Callable[[datetime], str],
        persist_every_s: float = 3600.0,
        open_cases: Iterable[Case] = (),
        vantages: Mapping[str, Vantage] | None = None,
        change_every_s: float = CHANGE_EVERY_S,
        legal_gaps: tuple[str, ...] | None = None,
    ) -> None:
        self._new_id = new_id
        self._persist_every_s, self._change_every_s = persist_every_s, change_every_s
        self._vantages = dict(vantages or {})
        self._legal_gaps = legal_gaps
        self.testing = False
        self._open = {(case.place_id, case.kind): case for case in open_cases}
        # Zones of one place, of one camera or of several: in which the problem stands now, and in
        # which it was ever seen.
        self._present = {key: {case.zone_id} for key, case in self._open.items()}
        self._witnesses = {key: {case.zone_id} for key, case in self._open.items()}
        self._unseen: dict[str, Unseen] = {}

    @property
    def open(self) -> tuple[Case, ...]:
        return tuple(self._open.values())

    def look_from(self, camera_id: str, vantage: Vantage) -> None:
        """Note from where a camera looks from now on; what that ends is the caller's to find out."""
        self._vantages[camera_id] = vantage

    def report_every(self, persist_s: float, change_s: float) -> None:
        """Report open cases at other intervals from now on: those that nothing happens to, and changed members."""
        self._persist_every_s, self._change_every_s = persist_s, change_s

    def remembered(self) -> Remembered:
        """The present state, for :meth:`go_back`."""
        return Remembered(
            dict(self._open),
            {key: set(zones) for key, zones in self._present.items()},
            {key: set(zones) for key, zones in self._witnesses.items()},
            dict(self._unseen),
        )

    def go_back(self, to: Remembered) -> None:
        """Go back to an earlier state, because the changes since were not stored."""
        self._open, self._present = to.open, to.present
        self._witnesses, self._unseen = to.witnesses, to.unseen

    def file_as(self, case: Case, matter: str) -> Case:
        """Let the city be told of an open case as this matter, from now on."""
        filed = dataclasses.replace(case, matter=matter)
        self._open[case.place_id, case.kind] = filed
        return filed

    def shift(self, camera_id: str, shift_s: float) -> None:
        """Move the times of one camera's cases onto another boot's clock."""
        for key, case in self._open.items():
            if case.camera_id == camera_id and shift_s:
                self._open[key] = dataclasses.replace(
                    case,
                    began_s=case.began_s + shift_s,
                    opened_s=case.opened_s + shift_s,
                    last_present_s=case.last_present_s + shift_s,
                    last_reported_s=case.last_reported_s + shift_s,
                    members=tuple(case_members.shifted(m, shift_s) for m in case.members),
                    gone=tuple(case_members.shifted(m, shift_s) for m in case.gone),
                    stays={name: (n, s + shift_s) for name, (n, s) in case.stays.items()},
                    abstained_s=None if case.abstained_s is None else case.abstained_s + shift_s,
                    warned_s=None if case.warned_s is None else case.warned_s + shift_s,
                )

    def abstain(self, zone_ids: Iterable[str], unseen: Mapping[str, Unseen]) -> list[Change]:
        """Take which zones of a camera cannot be seen, and return the cases that abstain because of that.

        A case abstains once, when none of the zones in which it was ever seen can be. It goes on
        when it is seen again, or is cleared by who sees its place in order.

        Args:
            zone_ids: All zones of the camera.
            unseen: Those of them that cannot be seen now.
        """
        for zone_id in zone_ids:
            self._unseen.pop(zone_id, None)
        self._unseen.update(unseen)
        return [
            self._look_away(key, case)
            for key, case in self._open.items()
            if case.abstained_s is None and self._witnesses[key] <= self._unseen.keys()
        ]

    def _look_away(self, key: tuple[str, str], case: Case) -> Change:
        last = max((self._unseen[zone_id] for zone_id in self._witnesses[key]), key=_since)
        case = dataclasses.replace(case, abstained_s=last.since_s, abstained_because=last.because)
        return self._told("case.abstained", case, None)

    def withdraw(self, reasons: Mapping[str, Withdrawal]) -> list[Change]:
        """End cases of which nobody will see how they end; the others go on, seen from where cameras look now.

        Args:
            reasons: Why, by the ids of the cases.
        """
        changes = [
            self._withdraw(case, reasons[case.case_id])
            for case in self.open
            if case.case_id in reasons
        ]
        for key, case in self._open.items():
            if (now := self._vantages.get(case.camera_id)) is not None:
                then = case.vantage or now
                self._open[key] = dataclasses.replace(case, vantage=then.updated(now))
        return changes

    def _withdraw(self, case: Case, because: Withdrawal) -> Change:
        self._forget(case)
        case = dataclasses.replace(
            case_members.ended(case, case.last_present_s),
            state="withdrawn",
            withdrawn_because=because,
            abstained_s=None,
            abstained_because=None,
        )
        return Change("case.withdrawn", case_members.told(case), None, case.gone)

    def _forget(self, case: Case) -> None:
        key = (case.place_id, case.kind)
        del self._open[key], self._present[key], self._witnesses[key]

    def _told(self, type_: ChangeType, case: Case, finding: Finding | None) -> Change:
        """Report an open case, with its members as they are now."""
        told = self._open[case.place_id, case.kind] = case_members.told(case)
        return Change(type_, told, finding, case.gone)

    def name_operators(self, case: Case, operators: Mapping[str, str]) -> Case:
        """Note whose shared bikes an open case's members are, by the members' ids."""
        members = (
            dataclasses.replace(m, operator=operators.get(m.member_id, m.operator))
            for m in case.members
        )
        named = dataclasses.replace(case, members=tuple(members))
        self._open[case.place_id, case.kind] = named
        return named

    def note_warned(self, case: Case, warned_s: float) -> Case:
        """Note when somebody was warned before an open case opened."""
        noted = dataclasses.replace(case, warned_s=warned_s)
        self._open[case.place_id, case.kind] = noted
        return noted

    def note_looks(self, case: Case, looks: Mapping[str, Look]) -> Case:
        """Note how an open case's members look, by the members' ids."""
        members = tuple(
            dataclasses.replace(m, look=looks.get(m.member_id, m.look)) for m in case.members
        )
        noted = dataclasses.replace(case, members=members)
        self._open[case.place_id, case.kind] = noted
        return noted

    def update(
        self, camera_id: str, findings: Iterable[Finding], now_s: float, at: datetime
    ) -> list[Change]:
        """Take one camera's findings at one moment, and return the changes.

        Args:
            camera_id: Whose findings.
            findings: What its scenarios said.
            now_s: The frame's ``monotonic_s``.
            at: The frame's ``captured_at``.
        """
        changes = [self._take(camera_id, finding, now_s, at) for finding in findings]
        return [change for change in changes if change is not None]

    def _take(self, camera_id: str, finding: Finding, now_s: float, at: datetime) -> Change | None:
        key = (finding.place_id, finding.kind)
        case = self._open.get(key)
        if finding.state == "present":
            self._present.setdefault(key, set()).add(finding.zone_id)
            self._witnesses.setdefault(key, set()).add(finding.zone_id)
            if case is None:
                return self._begin(camera_id, finding, now_s, at)
            return self._go_on(camera_id, case, finding, now_s)
        if case is None:
            return None
        # Cameras that see the same place: it is clear when none of them sees the problem.
        present = self._present[key]
        present.discard(finding.zone_id)
        if present - self._unseen.keys():
            self._open[key] = case_members.in_order(case, finding, present)
            return None
        # Who cannot see hinders nobody, but only who has seen the problem can say that it is gone.
        if present and finding.zone_id not in self._witnesses[key]:
            return None
        return self._clear(case, finding, now_s)

    def _begin(self, camera_id: str, finding: Finding, now_s: float, at: datetime) -> Change:
        case = Case(
            case_id=self._new_id(at),
            kind=finding.kind,
            zone_id=finding.zone_id,
            place_id=finding.place_id,
            camera_id=camera_id,
            state="open",
            began_s=finding.since_s,
            opened_s=now_s,
            last_present_s=now_s,
            last_reported_s=now_s,
            members=case_members.begun(finding, now_s),
            confidence=finding.confidence,
            vantage=self._vantages.get(camera_id),
            test=self.testing,
            legal_gaps=self._legal_gaps,
        )
        return self._told("case.opened", case, finding)

    def _go_on(self, camera_id: str, case: Case, finding: Finding, now_s: float) -> Change | None:
        key = (case.place_id, case.kind)
        # Where things stand is said in the picture of the camera that opened the case.
        if camera_id == case.camera_id:
            case = case_members.seen(case, finding, now_s)
        else:
            case = case_members.held(case, self._present[key], now_s)
        reason = self._reason_to_report(case, now_s)
        case = self._open[key] = dataclasses.replace(
            case,
            last_present_s=now_s,
            last_reported_s=case.last_reported_s if reason is None else now_s,
            confidence=max(case.confidence, finding.confidence),
            abstained_s=None,
            abstained_because=None,
        )
        return None if reason is None else self._told(reason, case, finding)

    def _reason_to_report(self, case: Case, now_s: float) -> ChangeType | None:
        """As what an open case that is seen is to be reported now, if it is."""
        since_s = now_s - case.last_reported_s
        if case.abstained_s is not None or since_s >= self._persist_every_s:
            return "case.persisting"
        if len(case.gone) >= case_members.MOST_GONE:
            return "case.changed"
        changed = since_s >= self._change_every_s and case_members.differs(case)
        return "case.changed" if changed else None

    def _clear(self, case: Case, finding: Finding, now_s: float) -> Change:
        self._forget(case)
        last_s = min(finding.since_s, now_s)
        if case.abstained_s is not None:  # nobody has seen it since: no more is claimed
            last_s = min(last_s, case.last_present_s)
        last_s = max(case.began_s, last_s)
        case = dataclasses.replace(
            case_members.ended(case, last_s),
            state="cleared",
            last_present_s=last_s,
            cleared_s=now_s,
            abstained_s=None,
            abstained_because=None,
        )
        return Change("case.cleared", case_members.told(case), finding, case.gone)


def _since(unseen: Unseen) -> float:
    return unseen.since_s
