"""The life cycle of a case: opened → persisting → cleared, across restarts.

One street problem is one case, keyed by place and kind: not one per frame, per track, per camera
or per restart.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.domain.scene import Case, Finding, Unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

ChangeType = Literal["case.opened", "case.persisting", "case.cleared", "case.abstained"]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a case, and the finding that made it happen.

    None if the case abstains because nothing can be seen any more.
    """

    type: ChangeType
    case: Case
    finding: Finding | None


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
    """

    def __init__(
        self,
        new_id: Callable[[datetime], str],
        persist_every_s: float = 3600.0,
        open_cases: Iterable[Case] = (),
    ) -> None:
        self._new_id = new_id
        self._persist_every_s = persist_every_s
        self._open = {(case.place_id, case.kind): case for case in open_cases}
        # Zones of one place, of one camera or of several: in which the problem stands now, and in
        # which it was ever seen.
        self._present = {key: {case.zone_id} for key, case in self._open.items()}
        self._witnesses = {key: {case.zone_id} for key, case in self._open.items()}
        self._unseen: dict[str, Unseen] = {}

    @property
    def open(self) -> tuple[Case, ...]:
        return tuple(self._open.values())

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
                    abstained_s=None if case.abstained_s is None else case.abstained_s + shift_s,
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
        self._open[key] = case
        return Change("case.abstained", case, None)

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
            members=finding.members,
            confidence=finding.confidence,
        )
        self._open[case.place_id, case.kind] = case
        return Change("case.opened", case, finding)

    def _go_on(self, camera_id: str, case: Case, finding: Finding, now_s: float) -> Change | None:
        seen_again = case.abstained_s is not None
        due = seen_again or now_s - case.last_reported_s >= self._persist_every_s
        case = dataclasses.replace(
            case,
            last_present_s=now_s,
            last_reported_s=now_s if due else case.last_reported_s,
            # Where things stand is said in the picture of the camera that opened the case.
            members=finding.members if camera_id == case.camera_id else case.members,
            confidence=max(case.confidence, finding.confidence),
            abstained_s=None,
            abstained_because=None,
        )
        self._open[case.place_id, case.kind] = case
        return Change("case.persisting", case, finding) if due else None

    def _clear(self, case: Case, finding: Finding, now_s: float) -> Change:
        key = (case.place_id, case.kind)
        del self._open[key], self._present[key], self._witnesses[key]
        last_s = min(finding.since_s, now_s)
        if case.abstained_s is not None:  # nobody has seen it since: no more is claimed
            last_s = min(last_s, case.last_present_s)
        case = dataclasses.replace(
            case,
            state="cleared",
            last_present_s=max(case.began_s, last_s),
            cleared_s=now_s,
            abstained_s=None,
            abstained_because=None,
        )
        return Change("case.cleared", case, finding)


def _since(unseen: Unseen) -> float:
    return unseen.since_s
