"""The papers of a model folder: ``manifest.toml``, ``CARD.md`` and ``NOTICE``.

Everything a card says about quality is passed in as measured figures; nothing here invents one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelClass:
    """One output of a model: its own name, its street meaning and its threshold (0 to 1)."""

    name: str
    meaning: str
    threshold: float


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What the network wants to be fed: ``value = (pixel * scale - mean) / std``."""

    name: str
    width_px: int
    height_px: int
    colour: str
    resize: str
    pad: int = 114
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything the device must know to run ``model.onnx``."""

    name: str
    version: str
    family: str
    licence: str
    provenance: str
    input: InputSpec
    output_name: str
    output_shape: tuple[int, ...]
    classes: tuple[ModelClass, ...] = field(default_factory=tuple)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'


def _numbers(values: Sequence[float]) -> str:
    return "[" + ", ".join(repr(value) for value in values) + "]"


def manifest_text(manifest: Manifest, model: Path) -> str:
    """The manifest as TOML.

    Args:
        manifest: The model's facts.
        model: The ONNX file, whose hash goes into the text.
    """
    spec = manifest.input
    lines = [
        f"name = {_quoted(manifest.name)}",
        f"version = {_quoted(manifest.version)}",
        f"family = {_quoted(manifest.family)}",
        f"file = {_quoted(model.name)}",
        f'sha256 = "{sha256_of(model)}"',
        f"licence = {_quoted(manifest.licence)}",
        f"provenance = {_quoted(manifest.provenance)}",
        "",
        "[input]",
        f"name = {_quoted(spec.name)}",
        f"width = {spec.width_px}",
        f"height = {spec.height_px}",
        'layout = "NCHW"',
        f"colour = {_quoted(spec.colour)}",
        f"resize = {_quoted(spec.resize)}",
        f"pad = {spec.pad}",
        f"scale = {spec.scale!r}",
        f"mean = {_numbers(spec.mean)}",
        f"std = {_numbers(spec.std)}",
        "",
        "[output]",
        f"name = {_quoted(manifest.output_name)}",
        f"shape = {_numbers(manifest.output_shape)}",
    ]
    for each in manifest.classes:
        lines += [
            "",
            "[[classes]]",
            f"name = {_quoted(each.name)}",
            f"meaning = {_quoted(each.meaning)}",
            f"threshold = {round(each.threshold, 3)!r}",
        ]
    return "\n".join(lines) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def write_papers(folder: Path, manifest: Manifest, card: str, notice: str) -> None:
    """Write manifest, card and notice beside ``model.onnx``, which must be there already."""
    model = folder / "model.onnx"
    (folder / "manifest.toml").write_text(manifest_text(manifest, model), encoding="utf-8")
    (folder / "CARD.md").write_text(card.strip() + "\n", encoding="utf-8")
    (folder / "NOTICE").write_text(notice.strip() + "\n", encoding="utf-8")


def version_of(folder: Path) -> str:
    """The version that a model's manifest tells."""
    [version] = re.findall(
        r'(?m)^version = "(.+)"$', (folder / "manifest.toml").read_text(encoding="utf-8")
    )
    return str(version)


def hand_on(source: Path, out: Path, provenance: str, **changes: str | int) -> None:
    """Write the source's manifest for ``out/model.onnx``, and copy what both have in common.

    Args:
        source: The model's folder that ``out`` was made from.
        out: The new folder; its network is there already.
        provenance: What it was made from, and how.
        changes: Further values, each in the place of the first of its name.
    """
    text = (source / "manifest.toml").read_text(encoding="utf-8")
    facts = {"name": out.name, "sha256": sha256_of(out / "model.onnx"), "provenance": provenance}
    for key, value in (facts | changes).items():
        line = f"{key} = {json.dumps(value, ensure_ascii=False)}"
        text = re.sub(rf"(?m)^{key} = .*$", lambda _, line=line: line, text, count=1)
    (out / "manifest.toml").write_text(text, encoding="utf-8")
    for paper in ("NOTICE", "groups.json"):
        (out / paper).write_text((source / paper).read_text(encoding="utf-8"), encoding="utf-8")
