r"""Cases from real pixels: real stalls, bikes, bags and bins in real places, and what must open nothing.

    python -m benchmarks.real_cases --data ../shared/data --clips build/real-cases
    KERBWATCH_MODELS=/tmp/new python -m benchmarks.real_cases --data ../shared/data --clips build/real-cases

Films every scene of ``training.composited.script`` that is not filmed yet (the same seed gives the same
pixels), replays it through the whole agent, and holds the cases against what was staged. A staged problem
counts as found if one case of its kind opens in its zone while it lasts; every other case is false.
Intervals are Wilson's, of counts of things. What the models learned from is told apart by their
``groups.json``; pictures that no model lists are unseen.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from agent import inference
from agent.analysis.camera_pipeline import Pipeline
from agent.runtime.replay import replay
from benchmarks.intervals import share_words
from benchmarks.machine import headline
from drivers.cameras import Frame
from tests.support.staged_clips import Told, reported, site_of, staged, truth_of
from training.composited import cutouts, scenes, script
from training.composited.cutouts import Entry

WITHIN_S = 2.0
FETCHING_S = 3.0
"""For so long before the end somebody is at what is fetched: what its rule goes by then is no reason for a miss."""
SETTINGS: dict[str, dict[str, Any]] = {
    "misparked_bikes": {"allowed_s": 6},
    "street_vending": {"allowed_s": 6},
    "overflowing_bins": {"allowed_s": 6, "every_s": 1, "smooth_s": 3},
    "exposed_rubbish": {"allowed_s": 5, "clear_after_s": 3},
}
"""Minutes on a real street; seconds here."""
_SCENARIO = {
    "misparked_bike": "misparked_bikes",
    "street_vending": "street_vending",
    "overflowing_bin": "overflowing_bins",
    "exposed_rubbish": "exposed_rubbish",
}
_TILE_PX = (320, 240)
_COLUMNS = 5


@dataclass
class Outcome:
    """What became of one scene."""

    name: str
    condition: str
    found: list[tuple[Told, Told, str]] = field(default_factory=list)
    missed: list[tuple[Told, str, str]] = field(default_factory=list)
    false: list[tuple[Told, str]] = field(default_factory=list)

    @property
    def sort(self) -> str:
        """What it is a scene of."""
        return self.name.rpartition("-")[0]


class Measures:
    """What each rule last went by, at each place, second by second."""

    def __init__(self) -> None:
        self._noted: defaultdict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)

    def note(self, frame: Frame, pipeline: Pipeline, changes: Sequence[object]) -> None:
        """Called with every judged frame."""
        del changes
        for scenario, judgement in pipeline.judgements.items():
            for zone_id, measures in judgement.measures.items():
                words = ", ".join(
                    f"{each.name} {each.value:.2f}/{each.threshold:g}"
                    for each in measures
                    if each.value is not None
                )
                self._noted[scenario, zone_id].append((frame.monotonic_s, words))

    def of(self, kind: str, zone_id: str, begins_s: float, ends_s: float) -> str:
        """The last measures within a time; what they are without says that nothing was pending."""
        noted = [
            words
            for at_s, words in self._noted[_SCENARIO.get(kind, kind), zone_id]
            if begins_s <= at_s <= ends_s
        ]
        return noted[-1] if noted else "nothing was pending there"


def judge(folder: Path) -> Outcome:
    """Replay one filmed scene and hold its cases against its truth."""
    truth, measures = truth_of(folder), Measures()
    report = replay(site_of(folder, SETTINGS), base=folder, on_frame=measures.note,
                    frames_per_s=truth["clip"]["fps"])  # fmt: skip
    left = reported(report.events)
    outcome = Outcome(folder.name, truth["clip"]["condition"])
    things = {
        Told(each["kind"], each["zone_id"], each["begins_s"], each["ends_s"]): each["object"]
        for each in truth["problems"]
    }
    for problem in staged(folder):
        mine = [case for case in left if _is_of(case, problem)]
        if mine:
            left.remove(mine[0])
            outcome.found.append((problem, mine[0], things[problem]))
        else:
            until_s = problem.ends_s - FETCHING_S
            why = measures.of(problem.kind, problem.zone_id, problem.begins_s, until_s)
            outcome.missed.append((problem, things[problem], why))
    for case in left:
        why = measures.of(case.kind, case.zone_id, case.begins_s, min(case.ends_s, 1e6))
        outcome.false.append((case, why))
    return outcome


def _is_of(case: Told, problem: Told) -> bool:
    return (
        case.kind == problem.kind
        and case.zone_id == problem.zone_id
        and case.begins_s < problem.ends_s
        and case.ends_s > problem.begins_s
    )


def _in_time(pairs: Iterable[tuple[Told, Told, str]]) -> tuple[int, int]:
    """How many cases begin, and how many end, within two seconds of what was staged.

    What is pushed or carried away is on its way for up to 2.4 s after its end.
    """
    gaps = [(case.begins_s - each.begins_s, case.ends_s - each.ends_s) for each, case, _ in pairs]
    return (
        sum(abs(begin) <= WITHIN_S for begin, _ in gaps),
        sum(abs(end) <= WITHIN_S for _, end in gaps),
    )


def table(outcomes: Sequence[Outcome], parts: dict[str, str]) -> list[str]:
    """Lines: per kind, condition and part, what was found, and what was false."""
    lines = [
        f"{'kind':18}{'when':8}{'of models':12}{'n':>4}  recall                precision"
        "             begins, ends within 2 s"
    ]
    kinds = sorted({told.kind for one in outcomes for told, *_ in (*one.found, *one.missed)})
    for kind in kinds:
        for when in ("day", "dusk", "all"):
            mine = [one for one in outcomes if when in (one.condition, "all")]
            lines += _rows(kind, when, mine, parts)
    return lines


def _rows(kind: str, when: str, mine: Sequence[Outcome], parts: dict[str, str]) -> list[str]:
    rows = []
    false = sum(case.kind == kind for one in mine for case, _ in one.false)
    for part in ("unseen", "learned", "all"):
        found = [
            each
            for one in mine
            for each in one.found
            if each[0].kind == kind and part in (parts[each[2]], "all")
        ]
        missed = [
            each
            for one in mine
            for each in one.missed
            if each[0].kind == kind and part in (parts[each[1]], "all")
        ]
        count = len(found) + len(missed)
        if not count:
            continue
        precision = share_words(len(found), len(found) + false) if part == "all" else ""
        begins, ends = _in_time(found)
        rows.append(
            f"{kind:18}{when:8}{part:12}{count:4}  {share_words(len(found), count):22}"
            f"{precision:22}{begins}, {ends} of {len(found)}"
        )
    return rows


def nothing_table(outcomes: Sequence[Outcome]) -> list[str]:
    """Lines: per sort of scene, in how many something opened that was not staged."""
    sorts: dict[str, list[Outcome]] = {}
    for one in outcomes:
        sorts.setdefault(one.sort, []).append(one)
    lines = [f"{'scenes of':20}{'n':>4}  with a false case"]
    for sort, mine in sorts.items():
        hit = [one for one in mine if one.false]
        kinds = sorted({case.kind for one in hit for case, _ in one.false})
        share = share_words(len(hit), len(mine))
        lines.append(f"{sort:20}{len(mine):4}  {len(hit):3}  {share}  {', '.join(kinds)}".rstrip())
    nothing = [one for one in outcomes if not one.found and not one.missed]
    hit = [one for one in nothing if one.false]
    lines.append(
        f"{'nothing staged':20}{len(nothing):4}  {len(hit):3}  {share_words(len(hit), len(nothing))}"
    )
    return lines


def reasons(outcomes: Sequence[Outcome]) -> list[str]:
    """Lines: every miss and every false case, with what its rule went by (value/threshold)."""
    lines = []
    for one in outcomes:
        lines += [
            f"{one.name}: missed {told.kind} {thing}, {told.begins_s:.1f}–{told.ends_s:.1f} s: {why}"
            for told, thing, why in one.missed
        ]
        lines += [
            f"{one.name}: false {case.kind}, {case.begins_s:.1f}–{case.ends_s:.1f} s: {why}"
            for case, why in one.false
        ]
    return lines


def parts_of(listed: Mapping[str, Entry]) -> dict[str, str]:
    """Cut-out → whether a model that judges such things learned or chose by its picture."""
    learned = {name: _learned(name) for name in ("street", "verifier", "bin-state")}
    found = {}
    for each in listed.values():
        judges = ("bin-state",) if each.kind.startswith("bin") else ("street", "verifier")
        file = f"{each.set_name}/{each.file.rsplit('/', 1)[-1]}"
        known = any(file in learned[name] for name in judges)
        found[each.name] = "learned" if known else "unseen"
    return found


def _learned(model: str) -> set[str]:
    """Set and file name of every picture that a model's ``groups.json`` does not hold out."""
    try:
        told = json.loads((inference.find_model(model) / "groups.json").read_text("utf-8"))
    except (OSError, inference.ModelError):
        return set()
    files = (each["file"] for each in told if each["part"] != "held_out")
    return {f"{file.split('/', 1)[0]}/{file.rsplit('/', 1)[-1]}" for file in files}


def sheet(wanted: Sequence[scenes.Scene], data: Path, path: Path) -> None:
    """A picture of every scene in the middle of what is staged in it."""
    tiles = []
    for scene in wanted:
        at_s = min(scene.seconds - 1, 20.0)
        picture = scenes.shot_at(scene, data, at_s)
        tile = np.zeros((_TILE_PX[1] + 16, _TILE_PX[0], 3), np.uint8)
        high = min(_TILE_PX[1], round(picture.shape[0] * _TILE_PX[0] / picture.shape[1]))
        small = cv2.resize(picture, (_TILE_PX[0], high), interpolation=cv2.INTER_AREA)
        tile[16 : 16 + high] = small
        words = f"{scene.name} {scene.place.name} {scene.condition}"
        cv2.putText(tile, words, (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1)
        tiles.append(tile)
    while len(tiles) % _COLUMNS:
        tiles.append(np.zeros_like(tiles[0]))
    rows = [np.hstack(tiles[at : at + _COLUMNS]) for at in range(0, len(tiles), _COLUMNS)]
    cv2.imwrite(str(path), np.vstack(rows))


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
              required=True, help="The folder of the picture sets.")  # fmt: skip
@click.option("--clips", type=click.Path(resolve_path=True, path_type=Path),
              default=Path("build/real-cases"), show_default=True, help="Where scenes are filmed to.")  # fmt: skip
@click.option("--seed", default=1, show_default=True)
@click.option("--only", multiple=True, help="Scenes whose name begins so; may be repeated.")
@click.option("--few", type=int, help="At most so many of each sort.")
@click.option(
    "--sheet",
    "sheet_path",
    type=click.Path(path_type=Path),
    help="Draw the scenes there, and judge none.",
)
def main(
    data: Path, clips: Path, seed: int, only: tuple[str, ...], few: int | None,
    sheet_path: Path | None,
) -> None:  # fmt: skip
    """Film, replay and judge."""
    listed = cutouts.entries()
    wanted = chosen(script.all_scenes(listed, seed), only, few)
    if sheet_path is not None:
        sheet(wanted, data, sheet_path)
        return
    click.echo(headline())
    parts = parts_of(listed)
    outcomes = []
    for scene in wanted:
        folder = clips / f"seed-{seed}"
        if not _is_filmed(scene, folder / scene.name):
            scenes.film(scene, data, folder)
        outcomes.append(judge(folder / scene.name))
        click.echo(_progress(outcomes[-1]), err=True)
    for line in (*table(outcomes, parts), "", *nothing_table(outcomes), "", *reasons(outcomes)):
        click.echo(line)


def _is_filmed(scene: scenes.Scene, folder: Path) -> bool:
    """The zones are written last; a scene whose script or whose zones have changed is filmed again."""
    path = folder / "zones.json"
    if not path.is_file() or truth_of(folder) != json.loads(json.dumps(scenes.truth(scene))):
        return False
    zones = json.loads(json.dumps({"zones": scenes.zones(scene)}))
    return bool(json.loads(path.read_text("utf-8")) == zones)


def _progress(one: Outcome) -> str:
    counts = f"{len(one.found)} found, {len(one.missed)} missed, {len(one.false)} false"
    return "\n".join([f"{one.name}: {counts}", *reasons([one])])


def chosen(
    every: Sequence[scenes.Scene], only: Sequence[str], few: int | None
) -> list[scenes.Scene]:
    """The scenes asked for, in the list's order."""
    found: list[scenes.Scene] = []
    counts: defaultdict[str, int] = defaultdict(int)
    for scene in every:
        sort = scene.name.rpartition("-")[0]
        if only and not scene.name.startswith(tuple(only)):
            continue
        counts[sort] += 1
        if few is None or counts[sort] <= few:
            found.append(scene)
    return found


if __name__ == "__main__":
    main()
