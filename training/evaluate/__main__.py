"""``./evaluate DATA_DIR``: a report as JSON, a table, and a sheet of the worst mistakes."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from agent.inference import ModelError
from agent.inference.manifest import Manifest
from benchmarks.machine import headline
from training.evaluate import sheet, tasks
from training.evaluate.judging import (
    BinJudge,
    PictureError,
    StreetJudge,
    VerifierJudge,
    opened,
)
from training.evaluate.labels import MEANINGS, Claims
from training.evaluate.sources import Item, SourceError, look_through

SHOWN_FAULTS, FAULT_WIDTH = 20, 400
DEFAULT = ("street", "bin-state")
Judges = tuple[Sequence[StreetJudge], Sequence[BinJudge], Sequence[VerifierJudge]]


def _meaning(
    _context: object, _option: object, given: tuple[str, ...]
) -> dict[str, tuple[str, bool]]:
    """``LABEL=stall`` or ``LABEL=no_stall``."""
    found = {}
    for each in given:
        label, _, meaning = each.partition("=")
        thing = meaning.removeprefix("no_")
        if not label or thing not in MEANINGS:
            allowed = ", ".join(sorted([*MEANINGS, *(f"no_{word}" for word in MEANINGS)]))
            raise click.BadParameter(
                f"{each!r} is not LABEL=MEANING; a meaning is one of {allowed}"
            )
        found[label] = (thing, not meaning.startswith("no_"))
    return found


@click.command(help=__doc__)
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--model", "models", multiple=True, help="A model's name or folder; may be repeated.")
@click.option("--out", default="report.json", type=click.Path(path_type=Path), show_default=True)
@click.option("--all", "everything", is_flag=True, help="Also pictures the model was trained on.")
@click.option(
    "--means", multiple=True, callback=_meaning, metavar="LABEL=MEANING", help="What a label says."
)
def main(
    data: Path,
    models: tuple[str, ...],
    out: Path,
    everything: bool,
    means: dict[str, tuple[str, bool]],
) -> None:
    """Judge models on pictures."""
    claims = Claims(means)
    try:
        found = look_through(data, claims)
        judges = opened(models or DEFAULT)
        report, mistakes = judged(found.sets, judges, claims, everything=everything)
    except (SourceError, PictureError, ModelError) as error:
        raise click.ClickException(str(error)) from error
    out.parent.mkdir(parents=True, exist_ok=True)
    pictures = out.with_suffix(".jpg")
    shown = sheet.write(pictures, mistakes)
    report |= {"made_on": headline().splitlines()[0], "command": " ".join(sys.argv[1:])}
    report |= {"contact_sheet": pictures.name, "mistakes": len(mistakes)}
    report["unknown_labels"] = tasks.unknown_labels(found.sets, claims)
    report["faults"] = list(found.faults)
    out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    _print(report)
    click.echo(f"\n{out}: every figure. {pictures}: the worst {shown} of {len(mistakes)} mistakes.")


def judged(
    sets: Mapping[str, Sequence[Item]],
    judges: Judges,
    claims: Claims,
    *,
    everything: bool,
) -> tuple[dict[str, Any], list[sheet.Mistake]]:
    """Every model on every set: the report's part on them, and the mistakes.

    Args:
        sets: Pictures by set.
        judges: Detectors, classifiers of bins, and verifiers. A verifier is asked about what the
            first detector proposes.
        claims: What a picture's label says.
        everything: Also pictures a model was trained on.

    Raises:
        SourceError: Nothing in the sets says anything to these models.
    """
    told, rows, mistakes = [], [], []
    streets, bins, verifiers = judges
    if verifiers and not streets:
        raise SourceError("a verifier is judged on what a detector proposes: name one as well")
    for judge in (*streets, *bins, *verifiers):
        known = {} if everything else _trained_on(judge.folder)
        mine = {
            name: [each for each in items if each.digest not in known]
            for name, items in sets.items()
        }
        left_out = sum(map(len, sets.values())) - sum(map(len, mine.values()))
        told.append(_model(judge.manifest) | {"left_out_as_trained_on": left_out})
        if isinstance(judge, StreetJudge):
            outcome = tasks.things(judge, mine, claims, _progress)
        elif isinstance(judge, VerifierJudge):
            both = {**known, **({} if everything else _trained_on(streets[0].folder))}
            mine = {k: [i for i in v if i.digest not in both] for k, v in mine.items()}
            outcome = tasks.candidates(judge, streets[0], mine, claims, _progress)
        else:
            outcome = tasks.bin_states(judge, mine, claims, _progress)
        rows += outcome.rows
        mistakes += outcome.mistakes
    if not rows:
        raise SourceError("no label or box in these sets says anything to these models")
    return {"models": told, "results": rows}, mistakes


def _trained_on(folder: Path) -> dict[str, str]:
    """Digests of the pictures that made the weights or chose the threshold, by part."""
    path = folder / "groups.json"
    if not path.is_file():
        return {}
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {
        row["digest"]: row["part"] for row in rows if row["part"] != "held_out" and "digest" in row
    }


def _model(manifest: Manifest) -> dict[str, Any]:
    return {"name": manifest.name, "version": manifest.version, "sha256": manifest.sha256}


def _progress(items: Iterable[Any], words: str, count: int) -> Iterable[Any]:
    return tqdm(items, desc=words, total=count, leave=False)


def _print(report: Mapping[str, Any]) -> None:
    for row in report["results"]:
        click.echo(
            f"\n{row['set']}, {row['task']} by {row['model']}: {row['pictures']} pictures,"
            f" {row['groups']} groups, threshold {row['threshold']:.2f}"
            + (" (absence assumed)" if row.get("absence_assumed") else "")
        )
        for name, figure in row["figures"].items():
            if name == "confusion":
                words = ", ".join(f"{key.replace('_', ' ')} {n}" for key, n in figure.items())
            elif isinstance(figure, dict) and figure["value"] is not None:
                words = f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"
            else:
                words = "–" if isinstance(figure, dict) else str(figure)
            click.echo(f"  {name.replace('_', ' '):<32} {words}")
    if report["faults"]:
        click.echo(
            f"\nleft out, {len(report['faults'])} faults in all; the report names every one:"
        )
    for fault in report["faults"][:SHOWN_FAULTS]:
        click.echo(f"  {textwrap.shorten(fault, FAULT_WIDTH, placeholder=' …')}")
    for label, count in report["unknown_labels"].items():
        click.echo(
            f"\nlabel {label!r} ({count} pictures) says nothing here; --means {label}=… names it"
        )
    for model in report["models"]:
        if model["left_out_as_trained_on"]:
            click.echo(
                f"\n{model['name']}: {model['left_out_as_trained_on']} pictures left out, because it was"
                " made with them (--all takes them in)"
            )


if __name__ == "__main__":
    main()
