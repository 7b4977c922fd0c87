"""One routine for every model: from the picture sets to a folder that can be shipped.

``python -m training make street --seed 1``

A model's recipe is a list of :class:`Step`. Each step works in a folder of its own,
``WORK/MODEL/STEP/``, and is finished when ``DONE`` lies there, which holds the hash of all that the
step depends on: its numbers, the choice of seed and licences, the pictures and weights it reads, and
the steps before it. A stopped run goes on at the first step that is not finished; after a change,
what depends on it is done anew and nothing else.

Nothing here needs torch: a recipe says by name which function does a step.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import click

from training.datasets import licences
from training.datasets.licences import Licences
from training.preconditions import Wanted, missing

RENDERED = "rendered"
"""The folder of what several models share: drawn streets."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the one who starts the routine has chosen.

    ``seed``, ``licences``, ``quick`` and what lies in ``reviewed`` change the result, and are part of
    every step's hash (but of those that are shared). The others say where things lie.
    """

    model: str
    seed: int = 1
    licences: Licences = "all"
    quick: bool = False
    data: Path = Path("../shared/data")
    weights: Path = Path("../shared/weights")
    models: Path = Path("models")
    threads: int = 2
    blender: Path | None = None
    rendered: Path | None = None
    reviewed: Path | None = None
    begin: Path | None = None

    def may_train(self, set_name: str) -> bool:
        """Whether a set may teach under the chosen licences."""
        return licences.may_train(set_name, self.licences)

    def teaching(self, sets: Sequence[str]) -> tuple[str, ...]:
        """Those of the sets that may teach under the chosen licences."""
        return tuple(each for each in sets if self.may_train(each))

    def few(self, all_of_them: int, quick: int) -> int:
        """A count: of epochs, pictures or steps; the second where it only has to run."""
        return quick if self.quick else all_of_them


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a recipe.

    Attributes:
        name: Of the step and its folder; unique in the recipe.
        run: ``package.module:function``, called with a :class:`Job`. Imported when the step's turn
            comes, so that a recipe can be read without what training needs.
        inputs: Names of earlier steps whose folders it reads.
        sets: Picture sets that teach in it, by the names of :mod:`training.datasets.licences`.
        judged: Sets that only judge in it: of any licence.
        files: Further files that it reads, such as start weights.
        recipe: Its own numbers, as JSON: epochs, rates, seeds of what is drawn.
        packages: What it imports beside the product's packages, as imported.
        blender: It needs a Python that has Blender.
        shared: The result depends on ``recipe`` alone, so that all models share it.
    """

    name: str
    run: str
    inputs: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    judged: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    blender: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """What a step's function is given.

    Attributes:
        step: The step itself, with its numbers.
        options: What was chosen.
        folder: Where it writes. What a stopped run of the same recipe left there is still there, so
            that a training goes on from its checkpoint.
        inputs: The folder of each input step.
    """

    step: Step
    options: Options
    folder: Path
    inputs: Mapping[str, Path]

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The step's numbers."""
        return self.step.recipe

    @property
    def model(self) -> Path:
        """Where the last step writes what is shipped; named as the model is."""
        folder = self.folder / self.options.model
        folder.mkdir(exist_ok=True)
        return folder

    def gathered(self, name: str, kind: str) -> Path:
        """A folder with links to all inputs whose name begins with ``kind``.

        Args:
            name: Of the folder, within this step's.
            kind: ``stills-`` gathers all batches of stills.
        """
        gathered = self.folder / name
        shutil.rmtree(gathered, ignore_errors=True)
        gathered.mkdir()
        for each, folder in self.inputs.items():
            if each.startswith(kind):
                (gathered / each).symlink_to(folder.resolve(), target_is_directory=True)
        return gathered


Recipe = Callable[[Options], Sequence[Step]]


class Routine:
    """The steps of one model and where each stands.

    Args:
        steps: In their order; the last one writes the model's folder.
        options: What was chosen.
        work: The folder of all unfinished work.
    """

    def __init__(self, steps: Sequence[Step], options: Options, work: Path) -> None:
        self.steps, self.options, self.work = list(steps), options, work
        self._hashes: dict[str, str] = {}
        for step in self.steps:
            unknown = [each for each in step.inputs if each not in self._hashes]
            if unknown or step.name in self._hashes:
                raise ValueError(
                    f"step {step.name}: {unknown or 'its name'} is not earlier, or twice"
                )
            if barred := [each for each in step.sets if not options.may_train(each)]:
                raise ValueError(f"step {step.name}: {barred} may not teach, only judge")
            self._hashes[step.name] = ""

    def folder(self, step: Step) -> Path:
        """Where a step works."""
        if step.shared:
            return self.work / RENDERED / step.name
        variant = [self.options.licences] * (self.options.licences != "all")
        variant += ["quick"] * self.options.quick
        return self.work.joinpath(*variant, self.options.model, step.name)

    def hash_of(self, step: Step) -> str:
        """The hash of all that a step depends on; the sets and files must be there."""
        if not self._hashes[step.name]:
            options = self.options
            chosen: list[Any] = [options.model, options.seed, options.licences, options.quick]
            if options.reviewed is not None:
                chosen.append(digest_of_folder(options.reviewed))
            facts = {
                "run": step.run,
                "recipe": step.recipe,
                "chosen": None if step.shared else chosen,
                "inputs": {each.name: self.hash_of(each) for each in self._inputs(step)},
                "sets": {name: digest_of_folder(options.data / name) for name in _read_sets(step)},
                "files": sorted((each.name, digest_of_file(each)) for each in step.files),
            }
            text = json.dumps(facts, sort_keys=True)
            self._hashes[step.name] = hashlib.sha256(text.encode()).hexdigest()
        return self._hashes[step.name]

    def done(self, step: Step) -> bool:
        """Whether the step is finished and nothing that it depends on has changed since."""
        mark = _read(self.folder(step) / "DONE")
        return mark.get("recipe") == self.hash_of(step)

    def missing(self) -> list[str]:
        """Everything that the unfinished steps want and that is not there, each with its remedy."""
        # A hash needs the pictures; without them no step can be told to be finished.
        here = missing(Wanted(sets=self._sets(), files=self._all("files")), self.options.data)
        reviewed = self.options.reviewed
        if reviewed is not None and not reviewed.is_dir():
            here.append(f"{reviewed}: this folder of reviewed crops is not there")
        if here:
            packages = self._all("packages")
            return here + missing(Wanted(packages=packages), self.options.data)
        left = [step for step in self.steps if not self.done(step)]
        wanted = Wanted(
            packages=tuple(dict.fromkeys(each for step in left for each in step.packages)),
            renders=tuple(step.name for step in left if step.blender and not self._lent(step)),
        )
        return missing(wanted, self.options.data, self.options.blender)

    def plan(self) -> list[str]:
        """Each step, whether it is done, and where it works."""
        return [
            f"{'done' if self.done(step) else 'open'}  {step.name}  {self.folder(step)}"
            for step in self.steps
        ]

    def run(self, tell: Callable[[str], None]) -> Path:
        """Do what is left to do; returns the folder that the last step made."""
        for number, step in enumerate(self.steps, 1):
            head = f"{self.options.model} {number}/{len(self.steps)} {step.name}"
            if self.done(step):
                tell(f"{head}: done before ({_duration(self._seconds(step))})")
                continue
            tell(f"{head} …")
            self._perform(step)
            tell(f"{head}: done in {_duration(self._seconds(step))}")
        total = sum(self._seconds(step) for step in self.steps)
        tell(f"{self.options.model}: all {len(self.steps)} steps, {_duration(total)} together")
        return self.folder(self.steps[-1]) / self.options.model

    def _sets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each for step in self.steps for each in _read_sets(step)))

    def _all(self, kind: str) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(each for step in self.steps for each in getattr(step, kind)))

    def _inputs(self, step: Step) -> list[Step]:
        return [each for each in self.steps if each.name in step.inputs]

    def _seconds(self, step: Step) -> float:
        return float(_read(self.folder(step) / "RECIPE").get("seconds", 0.0))

    def _lent(self, step: Step) -> Path | None:
        """A finished batch of that name in the folder that was named for them."""
        lent = self.options.rendered and self.options.rendered / step.name
        return lent if step.shared and lent and (lent / "DONE").exists() else None

    def _perform(self, step: Step) -> None:
        folder, wanted = self.folder(step), self.hash_of(step)
        with _locked(folder):
            if self.done(step):  # by a run that was at work here until now
                return
            begun = _prepared(folder, wanted)
            began_s = time.monotonic()
            try:
                if lent := self._lent(step):
                    shutil.copytree(lent, folder, dirs_exist_ok=True)
                else:
                    inputs = {each.name: self.folder(each) for each in self._inputs(step)}
                    _function(step.run)(Job(step, self.options, folder, inputs))
            finally:
                seconds = round(begun + time.monotonic() - began_s, 1)
                _write(folder / "RECIPE", {"recipe": wanted, "seconds": seconds})
            _write(folder / "DONE", {"recipe": wanted, "seconds": seconds, "of": _facts(step)})


def _read_sets(step: Step) -> tuple[str, ...]:
    return step.sets + step.judged


def _facts(step: Step) -> dict[str, Any]:
    return {k: v for k, v in asdict(step).items() if k not in {"files", "packages"}}


def _function(name: str) -> Callable[[Job], None]:
    module, _, function = name.partition(":")
    return cast("Callable[[Job], None]", getattr(importlib.import_module(module), function))


def _prepared(folder: Path, wanted: str) -> float:
    """Empty a step's folder unless it holds a begun run of this very recipe.

    Returns:
        The seconds that this begun run has taken so far.
    """
    if any(folder.iterdir()) and not (folder / "RECIPE").exists():
        raise click.ClickException(f"{folder}: holds files that no step wrote; move them away")
    begun = _read(folder / "RECIPE")
    if begun.get("recipe") != wanted:
        for each in folder.iterdir():
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each)
            else:
                each.unlink()
        begun = {"recipe": wanted, "seconds": 0.0}
        _write(folder / "RECIPE", begun)
    return float(begun.get("seconds", 0.0))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nobody else works in the folder meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise click.ClickException(f"{folder}: another run is at work there") from fault
        yield


def _read(path: Path) -> dict[str, Any]:
    """What a mark says; nothing where it is not there or not ours."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a mark whole or not at all."""
    half = path.with_name(f".{path.name}.half")
    half.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    half.replace(path)


def digest_of_file(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def digest_of_folder(folder: Path) -> str:
    """A hash of a set: of its papers' content, and of every picture's name and size."""
    rows = [
        (str(each.relative_to(folder)), each.stat().st_size)
        + ((digest_of_file(each),) if each.suffix == ".json" else ())
        for each in sorted(folder.rglob("*"))
        if each.is_file()
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def publish(made: Path, out: Path) -> None:
    """Put a finished model folder in the place of the one before, whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = (out.with_name(f".{out.name}.{word}") for word in ("new", "old"))
    for each in (fresh, old):
        shutil.rmtree(each, ignore_errors=True)
    shutil.copytree(made, fresh)
    if out.exists():
        out.replace(old)
    fresh.replace(out)
    shutil.rmtree(old, ignore_errors=True)


def prepare(recipe: Recipe, options: Options, work: Path) -> Routine:
    """The steps of a model, in their folder of work, when everything that they want is there.

    Args:
        recipe: Gives the steps for the options.
        options: What was chosen.
        work: Where the steps work.

    Raises:
        ClickException: Something that the steps want is missing; all of it is named.
    """
    routine = Routine(recipe(options), options, work)
    if lacking := routine.missing():
        raise click.ClickException("\n  ".join(["before this can run:", *lacking]))
    return routine


def make(routine: Routine, out: Path, tell: Callable[[str], None]) -> None:
    """Make a model: all steps that are left, then its folder.

    Args:
        routine: The steps, prepared.
        out: The model's folder.
        tell: Is told the progress, a line at a time.
    """
    routine.work.mkdir(parents=True, exist_ok=True)
    if not (routine.work / ".gitignore").exists():
        (routine.work / ".gitignore").write_text("*\n", encoding="utf-8")
    publish(routine.run(tell), out)
    tell(f"{routine.options.model}: written to {out}")
