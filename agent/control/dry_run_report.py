"""What a dry run comes to, for people: two configurations beside each other, and what nobody can know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent import scenarios
from agent.analysis.track_records import shape_of
from agent.control.messages import dry_run as told
from agent.control.messages.base import Words
from agent.domain.finite import finite
from agent.domain.scene import MASK
from agent.perception.standing_things import is_same_place
from wording.messages import said

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from agent.analysis.dry_run import DryCase, DryRun
    from agent.analysis.near_misses import NearMiss
    from agent.config.schema import Configuration
    from agent.domain.measure import Measure

SAME_S = 2.0
"""Two cases that begin and end as near to each other as this are the same."""
HARDLY_LOOKED = 0.02
"""A zone whose middle was looked at in less of the frames than this was watched by nobody."""


def report(
    now: DryRun, then: DryRun, proposed: Configuration, shapes: Collection[str]
) -> told.DryRunResult:
    """What today's configuration and a proposal would have given.

    Args:
        now: By today's.
        then: By the proposal.
        proposed: The proposal.
        shapes: Of all zones that were drawn while the tracks were noted.
    """
    return told.DryRunResult(
        source=_sources(then),
        now=told.DrySide(cases=[_case(each, now) for each in now.cases]),
        then=told.DrySide(cases=[_case(each, then) for each in then.cases]),
        differences=list(_differences(now, then)),
        near=[_near(each) for each in then.near],
        watched=_watched(then),
        limits=list(_limits(then, proposed, shapes)),
    )


def recent_report(
    found: DryRun, scores: Iterable[tuple[str, str, str, float]]
) -> told.RecentResult:
    """What the frames of the last minutes give.

    Args:
        found: By the proposal.
        scores: What classifiers said last: zone, classifier, meaning, 0 to 1.
    """
    return told.RecentResult(
        source=_sources(found),
        cases=[_case(each, found) for each in found.cases],
        near=[_near(each) for each in found.near],
        watched=_watched(found),
        scores=[
            told.ZoneScore(
                zone_id=zone_id,
                classifier=classifier,
                meaning=meaning,
                probability=round(probability, 3),
            )
            for zone_id, classifier, meaning, probability in scores
        ],
    )


def _sources(run: DryRun) -> list[told.Source]:
    return [
        told.Source(
            camera_id=camera_id,
            frames=one.frames,
            hours=round(one.seconds / 3600, 3),
            begins_at=one.begins_at,
            ends_at=one.ends_at,
        )
        for camera_id, one in sorted(run.sources.items())
    ]


def _watched(run: DryRun) -> list[told.WatchedZone]:
    return [
        told.WatchedZone(
            zone_id=zone_id,
            looked_share=round(one.looked_share, 3),
            unseen_share=round(one.unseen / one.frames, 3) if one.frames else 0.0,
        )
        for zone_id, one in run.watched.items()
    ]


def _case(found: DryCase, run: DryRun) -> told.DryCase:
    case, until = found.case, found.ended_at or run.ends_at or found.opened_at
    box = (case.members or case.gone)[0].box if case.members or case.gone else None
    return told.DryCase(
        kind=case.kind,
        zone_id=case.zone_id,
        camera_id=case.camera_id,
        opened_at=found.opened_at,
        began_at=found.began_at,
        ended_at=found.ended_at,
        lasted_s=round((until - found.began_at).total_seconds(), 1),
        box=(0, 0, 0, 0) if box is None else (box.left, box.top, box.right, box.bottom),
        unverified=found.unverified,
    )


def _differences(now: DryRun, then: DryRun) -> Iterator[told.Difference]:
    left = list(now.cases)
    for case in then.cases:
        before = next((each for each in left if _same(each, case)), None)
        kind, zone_id = scenarios.scenario_of(case.case.kind), case.case.zone_id
        named = case.case.kind if kind is None else kind.called(1)
        if before is None:
            text = said("{kind} in {zone_id}: would open", kind=named, zone_id=zone_id)
            yield told.Difference(change="appears", case=_case(case, then), text=Words.of(text))
            continue
        left.remove(before)
        if (what := _changed(before, case)) is not None:
            text = said("{kind} in {zone_id}: {what}", kind=named, zone_id=zone_id, what=what)
            yield told.Difference(change="changes", case=_case(case, then), text=Words.of(text))
    for case in left:
        kind = scenarios.scenario_of(case.case.kind)
        named = case.case.kind if kind is None else kind.called(1)
        text = said(
            "{kind} in {zone_id}: would not open any more", kind=named, zone_id=case.case.zone_id
        )
        yield told.Difference(change="goes", case=_case(case, now), text=Words.of(text))


def _same(a: DryCase, b: DryCase) -> bool:
    """Whether two cases are of one problem: at one place, at one time."""
    if a.case.kind != b.case.kind or a.case.camera_id != b.case.camera_id:
        return False
    ends = [each.ended_at for each in (a, b)]
    apart = (ends[0] is not None and ends[0] < b.began_at) or (
        ends[1] is not None and ends[1] < a.began_at
    )
    boxes = [[m.box for m in (*each.case.members, *each.case.gone)] for each in (a, b)]
    near = any(is_same_place(one, other) for one in boxes[0] for other in boxes[1])
    return not apart and (near or a.case.zone_id == b.case.zone_id)


def _changed(before: DryCase, after: DryCase) -> str | None:
    """What is different; None: nothing that matters."""
    if before.case.zone_id != after.case.zone_id:
        return said("it was in {before}", before=before.case.zone_id)
    opened_s = (after.opened_at - before.opened_at).total_seconds()
    if opened_s > SAME_S:
        return said("opens {seconds:.0f} s later", seconds=opened_s)
    if opened_s < -SAME_S:
        return said("opens {seconds:.0f} s earlier", seconds=-opened_s)
    if (before.ended_at is None) != (after.ended_at is None):
        return said("ends") if before.ended_at is None else said("does not end")
    if before.ended_at is None or after.ended_at is None:
        return None
    ended_s = (after.ended_at - before.ended_at).total_seconds()
    if ended_s > SAME_S:
        return said("ends {seconds:.0f} s later", seconds=ended_s)
    return said("ends {seconds:.0f} s earlier", seconds=-ended_s) if ended_s < -SAME_S else None


def _near(near: NearMiss) -> told.NearMiss:
    return told.NearMiss(
        zone_id=near.zone_id,
        kind=near.kind,
        at=near.at,
        goes_on=near.goes_on,
        measures=[_measure(near.kind, each) for each in near.measures],
    )


def _measure(kind: str, measure: Measure) -> told.DryMeasure:
    module = scenarios.scenario_of(kind)
    words = None if module is None else module.MEASURES.get(measure.name)
    return told.DryMeasure(
        name=measure.name,
        value=finite(measure.value, 3),
        threshold=round(measure.threshold, 3),
        needs=measure.needs,
        holds=measure.fulfilled,
        text=Words.of(measure.name if words is None else words.in_full),
    )


def _limits(then: DryRun, proposed: Configuration, shapes: Collection[str]) -> Iterator[told.Limit]:
    """What the tracks cannot tell."""
    if not then.frames:
        yield _limit(None, said("no tracks are kept yet: the agent keeps them while it runs"))
        return
    for zone in proposed.drawn():
        if zone.kind == MASK:
            if shape_of(zone) not in shapes:
                yield _limit(
                    zone.zone_id,
                    said("a new mask: what it will hide was seen then, and still counts here"),
                )
            continue
        watched = then.watched.get(zone.zone_id)
        if watched is None or not watched.frames:
            yield _limit(zone.zone_id, said("no tracks of its camera are kept"))
        elif zone.kind.judged and watched.looked_share < HARDLY_LOOKED:
            yield _limit(
                zone.zone_id,
                said(
                    "the network did not look there: it looks where zones are drawn, so nothing is known of it yet"
                ),
            )
        elif watched.unanswered:
            yield _limit(
                zone.zone_id,
                said("what is in it shows only in pictures, and none of this drawing was judged"),
            )
    for zone_id in sorted({each.case.zone_id for each in then.cases if each.unverified}):
        yield _limit(
            zone_id,
            said("the verifier was not asked then: it may find that it is no case"),
        )


def _limit(zone_id: str | None, text: str) -> told.Limit:
    return told.Limit(zone_id=zone_id, text=Words.of(text))
