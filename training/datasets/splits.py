"""Which pictures of a set train a street detector, tune it and judge it, and how that is published."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from training.datasets.groups import records, split_groups
from training.datasets.readers import Labelled

SHARES = {"train": 0.68, "tune": 0.1, "held_out": 0.22}


@dataclass(frozen=True, slots=True)
class Split:
    """One set with the group and part of every picture."""

    items: Sequence[Labelled]
    groups: Sequence[str]
    parts: Sequence[str]

    def part(self, name: str) -> list[Labelled]:
        """The pictures of one part."""
        return [item for item, part in zip(self.items, self.parts, strict=True) if part == name]

    def records(self) -> list[dict[str, str]]:
        """What is published of the split."""
        names = [item.name for item in self.items]
        paths = [item.path for item in self.items]
        parts = dict(zip(self.groups, self.parts, strict=True))
        return records(names, paths, self.groups, parts)


def split_known(
    items: Sequence[Labelled],
    groups: Sequence[str],
    seed: int,
    kept: Mapping[str, str] | None = None,
) -> Split:
    """Split pictures whose groups are known.

    Args:
        items: The pictures of one set.
        groups: The group of each.
        seed: Orders the groups.
        kept: Group to part in an earlier model's training; these stay what they were.
    """
    parts = split_groups(groups, seed, SHARES) | dict(kept or {})
    return Split(items, groups, [parts[group] for group in groups])


def _published(model: Path) -> list[dict[str, str]]:
    path = model / "groups.json"
    try:
        rows: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
        parts = {row["part"] for row in rows if row["file"] and row["group"]}
    except (OSError, ValueError, TypeError, KeyError) as fault:
        raise click.ClickException(
            f"{path}: does not say which pictures the model was made with ({fault!r}); "
            "--begin wants a folder that this training wrote"
        ) from fault
    if foreign := parts - set(SHARES):
        raise click.ClickException(f"{path}: parts {sorted(foreign)}; allowed: {', '.join(SHARES)}")
    return rows


@dataclass(frozen=True, slots=True)
class Known:
    """What an earlier model's folder publishes: group by file, and part by group."""

    groups: Mapping[str, str]
    parts: Mapping[str, str]


def known_of(model: Path) -> Known:
    """Which pictures a model was made with, and how they were split.

    Raises:
        ClickException: The folder does not tell, or names a part that there is not.
    """
    rows = _published(model)
    return Known(
        {row["file"]: row["group"] for row in rows}, {row["group"]: row["part"] for row in rows}
    )


def write_groups(path: Path, splits: Iterable[Split], begin: Path | None = None) -> None:
    """Publish which picture is in which group and part; an earlier model's pictures, too."""
    rows = [row for each in splits for row in each.records()]
    if begin is not None:
        known = {row["file"] for row in rows}
        rows += [row for row in _published(begin) if row["file"] not in known]
    text = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f"[\n{text}\n]\n", encoding="utf-8")
