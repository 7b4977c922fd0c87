"""What must be there before a training can run, each with how to come by it; told all at once."""

from __future__ import annotations

import importlib.util
import subprocess
from dataclasses import dataclass
from pathlib import Path

from provisioning.console.optional_packages import HOW


@dataclass(frozen=True, slots=True)
class Wanted:
    """What some steps want: picture sets, files, packages (as imported), and drawn streets."""

    sets: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    packages: tuple[str, ...] = ()
    renders: tuple[str, ...] = ()


def missing(wanted: Wanted, data: Path, blender: Path | None = None) -> list[str]:
    """What of it is not there, a line each.

    Args:
        wanted: What is looked for.
        data: The folder that holds the picture sets.
        blender: A Python that has ``bpy``.
    """
    lines = []
    if wanted.sets and not data.is_dir():
        lines.append(f"{data}: the folder of the picture sets is not there; name it with --data")
    else:
        lines += [
            f"{data / each}: this set is not there"
            for each in wanted.sets
            if not (data / each).is_dir()
        ]
    lines += [
        f"{each}: these weights are not there; name their folder with --weights"
        for each in wanted.files
        if not each.is_file()
    ]
    lines += [
        f"the package {each} is not installed: {HOW.get(each, 'pip install .')}"
        for each in wanted.packages
        if importlib.util.find_spec(each) is None
    ]
    if wanted.renders and not has_blender(blender):
        named = "--blender was not given" if blender is None else f"{blender} has no bpy"
        lines.append(
            f"{len(wanted.renders)} batches must be drawn ({', '.join(wanted.renders)}), and {named}: "
            f"{HOW['bpy']}; or name a folder that holds them with --rendered"
        )
    return lines


def has_blender(python: Path | None) -> bool:
    """Whether this Python finds Blender."""
    if python is None:
        return False
    look = "import importlib.util as u, sys; sys.exit(u.find_spec('bpy') is None)"
    try:
        return subprocess.run([python, "-c", look], check=False, timeout=60).returncode == 0
    except OSError:
        return False
