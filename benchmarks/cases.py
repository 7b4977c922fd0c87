r"""How many staged street problems become exactly one case each, by light and weather.

    for light in day dusk; do for seed in 808 909 1010; do
        python -m training.street clip --seed $seed --seconds 75 --size 640x360 --crf 26 \
            --light $light --out build/clips/$light-$seed
    done; done
    python -m benchmarks.cases build/clips

A folder of clips, each with ``clip.mp4``, ``truth.json`` and ``zones.json``; what stands before the
last dash of a clip's name is its condition. A staged problem counts as found if one case of its kind
opens in its zone while it lasts. Every further case counts against precision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from tqdm import tqdm

from agent.runtime.replay import replay
from benchmarks.machine import headline
from tests.support.staged_clips import Told, reported, site_of, staged

WITHIN_S = 2.0


@dataclass
class Tally:
    """Of one kind under one condition."""

    staged: int = 0
    found: int = 0
    reported: int = 0
    in_time: int = 0

    def add(self, problems: Sequence[Told], cases: Sequence[Told]) -> None:
        """Match a clip's cases to its problems, each at most once."""
        left = list(cases)
        for problem in problems:
            self.staged += 1
            mine = [
                case
                for case in left
                if case.zone_id == problem.zone_id
                and case.begins_s < problem.ends_s
                and case.ends_s > problem.begins_s
            ]
            if mine:
                left.remove(mine[0])
                self.found += 1
                gaps = mine[0].begins_s - problem.begins_s, mine[0].ends_s - problem.ends_s
                self.in_time += all(abs(gap) <= WITHIN_S for gap in gaps)
        self.reported += len(cases)

    def words(self) -> str:
        """Counts, precision and recall."""
        precision = self.found / self.reported if self.reported else float("nan")
        recall = self.found / self.staged if self.staged else float("nan")
        return (
            f"{self.found:3} of {self.staged:3} found, {self.reported - self.found} others,"
            f" precision {precision:.2f}, recall {recall:.2f},"
            f" begin and end within {WITHIN_S:.0f} s: {self.in_time}"
        )


@click.command()
@click.argument(
    "clips", type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)
)
@click.option("--fps", default=5.0, show_default=True, help="Analysed frames a second.")
def main(clips: Path, fps: float) -> None:
    """Replay every clip of a folder and hold it against what was staged."""
    click.echo(headline())
    tallies: defaultdict[tuple[str, str], Tally] = defaultdict(Tally)
    wrong: list[str] = []
    folders = sorted(path.parent for path in clips.glob("*/truth.json"))
    for folder in tqdm(folders, leave=False, disable=None):
        condition = folder.name.rpartition("-")[0] or folder.name
        cases = reported(replay(site_of(folder), base=folder, frames_per_s=fps).events)
        problems = staged(folder)
        for kind in sorted({each.kind for each in [*problems, *cases]}):
            mine = [each for each in problems if each.kind == kind]
            theirs = [each for each in cases if each.kind == kind]
            for key in ((condition, kind), (condition, "all"), ("all", kind), ("all", "all")):
                tallies[key].add(mine, theirs)
            one = Tally()
            one.add(mine, theirs)
            if (one.found, one.reported, one.in_time) != (len(mine),) * 3:
                wrong.append(
                    f"{folder.name}: {kind} staged {_times(mine)}, reported {_times(theirs)}"
                )
    for (condition, kind), tally in sorted(tallies.items()):
        click.echo(f"{condition:12}{kind:18}{tally.words()}")
    for line in wrong:
        click.echo(line)


def _times(told: Sequence[Told]) -> str:
    spans = ", ".join(f"{each.begins_s:.1f}–{each.ends_s:.1f} s" for each in told)
    return spans or "never"


if __name__ == "__main__":
    main()
