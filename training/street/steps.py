"""Drawn streets as steps of a recipe: the same batch serves every model.

Blender needs a Python of its own, so a batch is drawn by ``python -m training.street`` there.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import click

from training.make import Job, Step

ROOT = Path(__file__).parents[2]
STILLS, STALLS = "stills-", "stalls-"
"""How the steps' names begin: ``job.gathered("stills", STILLS)`` gathers all batches of stills."""


def stills(seed: int, count: int = 54, *, every_stall: bool = False) -> Step:
    """A batch of stills: 8 to 14 minutes for 54 on two busy cores.

    Args:
        seed: Of the streets.
        count: Of pictures.
        every_stall: With all builds of stalls.
    """
    name = f"{STILLS}{seed}-{count}" + ("-every-stall" if every_stall else "")
    return _step(name, ["stills", "--count", str(count), "--seed", str(seed)], every_stall)


def stalls(seed: int, count: int) -> Step:
    """A batch of stalls without a ground, to be laid on real streets."""
    return _step(f"{STALLS}{seed}-{count}", ["stalls", "--count", str(count), "--seed", str(seed)])


def _step(name: str, arguments: list[str], every_stall: bool = False) -> Step:
    arguments += ["--every-stall"] * every_stall
    recipe = {"arguments": arguments}
    return Step(name, "training.street.steps:render", recipe=recipe, blender=True, shared=True)


def render(job: Job) -> None:
    """Draw one batch with the Python that has Blender.

    Raises:
        ClickException: The renderer failed.
    """
    if (job.folder / "DONE").exists():
        return
    command = [str(job.options.blender), "-m", "training.street", *job.recipe["arguments"]]
    command += ["--out", str(job.folder.resolve())]
    ran = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    if ran.returncode:
        raise click.ClickException(f"{job.step.name}: the renderer ended with {ran.returncode}")
