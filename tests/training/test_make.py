"""From the picture sets to a model's folder: one routine, which goes on where it was stopped."""

from __future__ import annotations

import ast
import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from agent.inference import open_classifier
from provisioning.console.optional_packages import HOW
from tests.support import tiny_recipe
from tests.support.paths import ROOT
from training.__main__ import RECIPES, main, recipe_of
from training.datasets.rendered import drawn_stalls, rendered_stills
from training.make import Job, Options, Recipe, Routine, Step, make, prepare
from training.street.steps import STALLS, STILLS, render, stalls, stills

SHIPPED = {"model.onnx", "manifest.toml", "CARD.md", "NOTICE"}


def source_of(function: str) -> Path:
    """The file of a ``module:function``."""
    return ROOT / (function.partition(":")[0].replace(".", "/") + ".py")


MADE = sorted(name for name in RECIPES if source_of(RECIPES[name]).exists())


class StoppedError(Exception):
    """Somebody ended the training."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two sets of six pictures; in the red ones the bin overflows."""
    random = np.random.default_rng(1)
    for name in tiny_recipe.SETS:
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        items = []
        for number in range(6):
            picture = random.integers(90, size=(16, 16, 3), dtype=np.uint8)
            picture[..., 2] += np.uint8(number % 2 * 160)
            cv2.imwrite(str(folder / f"{number}.png"), picture)
            state = tiny_recipe.STATES[number % 2]
            items.append({"file": f"{number}.png", "label": state})
        (folder / "manifest.json").write_text(json.dumps({"items": items}))
    return tmp_path / "data"


@pytest.fixture
def made(tmp_path: Path, data: Path) -> Callable[..., tuple[Path, list[str]]]:
    """Run the routine; gives the model's folder and what was said meanwhile."""

    def run(
        work: str = "work", recipe: Recipe = tiny_recipe.steps, **chosen: object
    ) -> tuple[Path, list[str]]:
        lines: list[str] = []
        out = tmp_path / f"{work}-made" / "tiny"
        options = Options("tiny", data=data, **chosen)  # type: ignore[arg-type]
        make(prepare(recipe, options, tmp_path / work), out, lines.append)
        return out, lines

    return run


def begun(lines: list[str]) -> list[str]:
    """The steps that were worked on."""
    return [line.split()[2] for line in lines if line.endswith("…")]


def test_from_pictures_to_a_folder_that_the_agent_runs(
    made: Callable[..., tuple[Path, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, lines = made()
    assert begun(lines) == ["features", "round-1", "round-2", "model"]
    assert {each.name for each in out.iterdir()} == SHIPPED
    monkeypatch.setenv("KERBWATCH_MODELS", str(out.parent))
    classifier = open_classifier("tiny", 1)
    dark, red = np.full((2, 40, 40, 3), 30, np.uint8)
    red[..., 2] = 250
    assert classifier.probabilities(red)["overflowing"] > 0.7
    assert classifier.probabilities(dark)["overflowing"] < 0.3


def test_what_is_done_is_not_done_again(made: Callable[..., tuple[Path, list[str]]]) -> None:
    made()
    _, lines = made()
    assert begun(lines) == []
    assert sum("done before" in line for line in lines) == 4


def test_a_stopped_run_goes_on_to_the_very_same_model(
    made: Callable[..., tuple[Path, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = made("whole")
    epoch_of, calls = tiny_recipe.epoch_of, []

    def stop_in_the_second_round(*arguments: np.ndarray) -> None:
        calls.append(arguments)
        if len(calls) == 6:
            raise StoppedError
        epoch_of(*arguments)

    with monkeypatch.context() as context:
        context.setattr(tiny_recipe, "epoch_of", stop_in_the_second_round)
        with pytest.raises(StoppedError):
            made("stopped")
    counted = []

    def count(*arguments: np.ndarray) -> None:
        counted.append(arguments)
        epoch_of(*arguments)

    monkeypatch.setattr(tiny_recipe, "epoch_of", count)
    resumed, lines = made("stopped")
    assert begun(lines) == ["round-2", "model"]
    assert len(counted) == 2  # of its three epochs one was done
    for name in SHIPPED:
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()


def test_a_run_that_was_killed_goes_on_to_the_very_same_model(
    made: Callable[..., tuple[Path, list[str]]], data: Path, tmp_path: Path
) -> None:
    whole, _ = made("whole")
    killed = f"""
import os, signal
from pathlib import Path
from tests.support import tiny_recipe
from training.make import Options, make, prepare
epoch_of, calls = tiny_recipe.epoch_of, []
def until_the_second_round(*arguments):
    calls.append(arguments)
    if len(calls) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    epoch_of(*arguments)
tiny_recipe.epoch_of = until_the_second_round
options = Options("tiny", data=Path({str(data)!r}))
make(prepare(tiny_recipe.steps, options, Path({str(tmp_path / "killed")!r})), Path("out"), print)
"""
    ran = subprocess.run([sys.executable, "-c", killed], cwd=ROOT, check=False, capture_output=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    resumed, lines = made("killed")
    assert begun(lines) == ["round-2", "model"]
    assert (resumed / "model.onnx").read_bytes() == (whole / "model.onnx").read_bytes()


def test_two_runs_do_not_work_on_one_step(
    made: Callable[..., tuple[Path, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch_of = tiny_recipe.epoch_of

    def begin_again_meanwhile(*arguments: np.ndarray) -> None:
        with pytest.raises(click.ClickException, match="another run is at work"):
            made()
        epoch_of(*arguments)

    monkeypatch.setattr(tiny_recipe, "epoch_of", begin_again_meanwhile)
    out, _ = made()
    assert {each.name for each in out.iterdir()} == SHIPPED


def test_a_changed_number_redoes_what_depends_on_it(
    made: Callable[..., tuple[Path, list[str]]],
) -> None:
    before = (made()[0] / "model.onnx").read_bytes()
    out, lines = made(recipe=tiny_recipe.with_more_epochs)
    assert begun(lines) == ["round-2", "model"]
    assert (out / "model.onnx").read_bytes() != before
    again, lines = made(recipe=tiny_recipe.steps)
    assert begun(lines) == ["round-2", "model"]
    assert (again / "model.onnx").read_bytes() == before


def test_a_changed_picture_set_redoes_everything_that_saw_it(
    made: Callable[..., tuple[Path, list[str]]], data: Path
) -> None:
    made()
    (data / "amsterdam_garbage" / "manifest.json").write_text('{"items": []}')
    assert begun(made()[1]) == ["features", "round-1", "round-2", "model"]


def test_a_newly_reviewed_crop_is_learned(
    made: Callable[..., tuple[Path, list[str]]], tmp_path: Path
) -> None:
    reviewed = tmp_path / "crops"
    reviewed.mkdir()
    made(reviewed=reviewed)
    assert begun(made(reviewed=reviewed)[1]) == []
    (reviewed / "7.jpg").write_bytes(b"picture")
    assert begun(made(reviewed=reviewed)[1]) == ["features", "round-1", "round-2", "model"]


def test_another_seed_makes_another_model(made: Callable[..., tuple[Path, list[str]]]) -> None:
    one = (made(seed=1)[0] / "model.onnx").read_bytes()
    assert (made(seed=2)[0] / "model.onnx").read_bytes() != one


def test_with_stated_licences_alone_no_other_set_teaches(
    made: Callable[..., tuple[Path, list[str]]],
) -> None:
    plain, stated = made()[0], made("stated", licences="stated")[0]
    assert "bin_crops_shenzhen" in (plain / "NOTICE").read_text()
    assert "bin_crops_shenzhen" not in (stated / "NOTICE").read_text()
    assert "amsterdam_garbage" in (stated / "NOTICE").read_text()


def test_both_choices_of_licences_keep_their_work_apart(
    made: Callable[..., tuple[Path, list[str]]],
) -> None:
    made()
    made(licences="stated")
    assert begun(made()[1]) == []


def test_everything_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    def recipe(options: Options) -> list[Step]:
        weights = options.weights / "start.onnx"
        return [
            Step("drawn-7", "nobody:here", blender=True, shared=True),
            Step(
                "train",
                "nobody:here",
                ("drawn-7",),
                files=(weights,),
                packages=("no_such_package",),
            ),
        ]

    (tmp_path / "start.onnx").touch()
    options = Options("street", data=tmp_path, weights=tmp_path)
    with pytest.raises(click.ClickException) as told:
        prepare(recipe, options, tmp_path / "work")
    text = told.value.message
    assert "no_such_package" in text
    assert "drawn-7" in text
    assert HOW["bpy"] in text
    assert "--blender" in text


@pytest.mark.parametrize("given", ["--data", "--weights", "reviewed crops"])
def test_a_folder_that_is_not_there_is_named_and_how_to_name_it(given: str, tmp_path: Path) -> None:
    def recipe(options: Options) -> list[Step]:
        return [
            Step(
                "train", "nobody:here", sets=("coco_mini",), files=(options.weights / "start.onnx",)
            )
        ]

    gone = tmp_path / "gone"
    options = Options("street", data=gone, weights=gone / "weights", reviewed=gone / "crops")
    with pytest.raises(click.ClickException) as told:
        prepare(recipe, options, tmp_path / "work")
    assert given in told.value.message


def test_a_python_without_blender_is_told_as_such(tmp_path: Path) -> None:
    def recipe(_: Options) -> list[Step]:
        return [Step("drawn-7", "nobody:here", blender=True, shared=True)]

    options = Options("street", blender=Path(sys.executable))
    if importlib.util.find_spec("bpy"):
        pytest.skip("this Python has Blender")
    with pytest.raises(click.ClickException, match="has no bpy"):
        prepare(recipe, options, tmp_path / "work")


def test_batches_that_were_drawn_before_are_taken_over(tmp_path: Path) -> None:
    def recipe(_: Options) -> list[Step]:
        return [Step("drawn-7", "nobody:here", blender=True, shared=True)]

    lent = tmp_path / "rendered" / "drawn-7"
    lent.mkdir(parents=True)
    (lent / "7-0000.jpg").write_bytes(b"picture")
    (lent / "DONE").touch()
    options = Options("street", rendered=lent.parent)
    routine = Routine(recipe(options), options, tmp_path / "work")
    assert routine.missing() == []
    routine.run(print)
    assert (tmp_path / "work" / "rendered" / "drawn-7" / "7-0000.jpg").read_bytes() == b"picture"


def test_batches_gathered_for_a_training_are_read_as_if_they_lay_together(tmp_path: Path) -> None:
    batches = (stills(7, 1), stills(8, 1, every_stall=True), stalls(9, 1))
    options = Options("street", data=tmp_path)
    routine = Routine([*batches, Step("train", "nobody:here")], options, tmp_path)
    inputs = {}
    for batch in batches:
        folder = inputs[batch.name] = routine.folder(batch)
        folder.mkdir(parents=True)
        seed = batch.name.split("-")[1]
        (folder / f"{seed}-000-cart.png").touch()
        content = {"images": [{"id": 1, "file_name": f"{seed}-0000.jpg"}]}
        content |= {"annotations": [], "categories": []}
        (folder / "annotations.json").write_text(json.dumps(content))
        (folder / "DONE").touch()
    job = Job(routine.steps[-1], options, tmp_path, inputs)
    read = rendered_stills(job.gathered("stills", STILLS))
    assert [each.path.name for each in read] == ["7-0000.jpg", "8-0000.jpg"]
    drawn = drawn_stalls(job.gathered("stalls", STALLS))
    assert [each.path.name for each in drawn] == ["9-000-cart.png"]


def test_a_batch_is_drawn_by_the_python_that_has_blender(tmp_path: Path) -> None:
    step = stalls(9, 1)
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@" > "$(dirname "$0")/asked"\nexit 3\n')
    python.chmod(0o755)
    folder = tmp_path / step.name
    folder.mkdir()
    job = Job(step, Options("street", blender=python), folder, {})
    with pytest.raises(click.ClickException, match="ended with 3"):
        render(job)
    asked = (tmp_path / "asked").read_text().split()
    assert asked[:7] == ["-m", "training.street", "stalls", "--count", "1", "--seed", "9"]
    assert asked[7:] == ["--out", str(folder)]


def test_a_folder_with_files_of_others_is_left_alone(
    made: Callable[..., tuple[Path, list[str]]], tmp_path: Path
) -> None:
    theirs = tmp_path / "work" / "tiny" / "features" / "thesis.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("three years")
    with pytest.raises(click.ClickException, match="move them away"):
        made()
    assert theirs.read_text() == "three years"


def test_a_model_that_was_there_stays_until_the_new_one_is_whole(
    made: Callable[..., tuple[Path, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = made()
    before = (out / "model.onnx").read_bytes()

    def stopped(*_: object) -> None:
        raise StoppedError

    monkeypatch.setattr(tiny_recipe, "papers", stopped)
    with pytest.raises(StoppedError):
        made(recipe=tiny_recipe.with_more_epochs)
    assert (out / "model.onnx").read_bytes() == before
    assert {each.name for each in out.iterdir()} == SHIPPED


@pytest.mark.parametrize("model", MADE)
@pytest.mark.parametrize("licences", ["all", "stated"])
def test_every_step_of_a_recipe_names_a_function_that_there_is(model: str, licences: str) -> None:
    options = Options(model, licences=licences)  # type: ignore[arg-type]
    for step in Routine(recipe_of(model)(options), options, Path("work")).steps:
        tree = ast.parse(source_of(step.run).read_text(encoding="utf-8"))
        functions = {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
        assert step.run.partition(":")[2] in functions


@pytest.mark.parametrize(("name", "licences"), [("llvip_night", "all"), ("malta_bags", "stated")])
def test_a_set_that_may_only_judge_cannot_teach(name: str, licences: str) -> None:
    options = Options("street", licences=licences)  # type: ignore[arg-type]
    Routine([Step("judge", "nobody:here", judged=(name,))], options, Path("work"))
    with pytest.raises(ValueError, match="only judge"):
        Routine([Step("train", "nobody:here", sets=(name,))], options, Path("work"))


def test_the_command_makes_a_model_and_says_how_long_each_step_took(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "street", f"{tiny_recipe.HERE}:steps")
    folders = ["--data", str(data), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "m")]
    ran = CliRunner().invoke(main, ["make", "street", "--seed", "4", *folders])
    assert ran.exit_code == 0, ran.output
    assert {each.name for each in (tmp_path / "m").iterdir()} == SHIPPED
    assert "street 4/4 model: done in" in ran.output


def test_the_plan_tells_what_is_done_and_does_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "street", f"{tiny_recipe.HERE}:steps")
    folders = ["--data", str(data), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "m")]
    told = CliRunner().invoke(main, ["make", "street", "--plan", *folders]).output
    assert [line.split()[:2] for line in told.splitlines()] == [
        ["open", "features"], ["open", "round-1"], ["open", "round-2"], ["open", "model"],
    ]  # fmt: skip
    assert not (tmp_path / "work").exists()
    CliRunner().invoke(main, ["make", "street", *folders])
    told = CliRunner().invoke(main, ["make", "street", "--plan", *folders]).output
    assert [line.split()[0] for line in told.splitlines()] == ["done"] * 4


def test_what_is_not_to_be_shipped_goes_elsewhere_by_itself(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "street", f"{tiny_recipe.HERE}:steps")
    folders = ["--data", str(data), "--work", str(tmp_path / "work")]
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(main, ["make", "street", "--licences", "stated", "--quick", *folders])
    assert ran.exit_code == 0, ran.output
    assert not (tmp_path / "models").exists()
    assert (tmp_path / "work" / "made" / "stated-quick" / "street" / "model.onnx").exists()


def test_the_command_tells_what_it_makes() -> None:
    told = CliRunner().invoke(main, ["make", "--help"]).output
    assert all(name in told for name in RECIPES)
