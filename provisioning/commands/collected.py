"""``kerbwatch collected``: lists the collected crops, and copies them for labelling."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from agent.config.loading import load
from agent.config.site_files import site_folder
from agent.scenarios import scenario_of
from agent.storage.paths import COLLECTION
from drivers.disk import make_folder, replace_file
from drivers.files.privileges import acting_for, read_file
from provisioning.commands.audit import note
from provisioning.wording import say
from provisioning.wording.vocabulary import kind_in_words
from provisioning.wording.width import padded
from wording.harmless import harmless

if TYPE_CHECKING:
    from pathlib import Path

TO_REVIEW = "to_review"
CANNOT_TELL = "cannot_tell"


def collected(site: Path, out: Path | None, *, remove: bool, as_json: bool) -> None:
    """List the stored crops, and copy them to where they will be sorted.

    Args:
        site: The site whose device kept it.
        out: Where the crops go, with a folder for each answer; None: nothing is copied.
        remove: Whether what was copied is then deleted here.
        as_json: Print the list as JSON.

    Raises:
        ConfigError: The site cannot be read.
    """
    configuration = load(site)
    base = site_folder(site)
    folder = base / configuration.storage.state_dir / COLLECTION
    with acting_for(folder):
        kept = {
            path.name: sorted(path.glob("*.jpg"))
            for path in sorted(folder.glob("*/"))
            if not path.is_symlink()
        }
    consent = configuration.collection.consent
    if as_json:
        text = {"consent": consent, "kept": {k: [p.name for p in v] for k, v in kept.items()}}
        click.echo(json.dumps(text, ensure_ascii=False, indent=2))
    else:
        _tell(consent, kept)
    if out is not None:
        count = sum(_take_along(kind, paths, out, remove=remove) for kind, paths in kept.items())
        with acting_for(folder.parent):
            note(folder.parent, "collected", "pictures.taken_along", crops=count, removed=remove)
        click.echo(say("{count} crops copied to {folder}.", count=count, folder=out), err=True)
        click.echo(
            say(
                "Sort each from to_review into the folder of its answer; ./evaluate and training read them there."
            ),
            err=True,
        )


def _tell(consent: str | None, kept: dict[str, list[Path]]) -> None:
    if consent is None:
        click.echo(say("Nothing is collected: site.toml gives no consent ([collection])."))
    else:
        click.echo(say("Collected with consent: {consent}", consent=consent))
    for kind, paths in kept.items():
        size_mb = sum(path.lstat().st_size for path in paths) / 1e6
        crops = say("{count} crops, {size_mb:.1f} MB", count=len(paths), size_mb=size_mb)
        click.echo(f"  {padded(harmless(kind_in_words(kind, len(paths))), 18)}{crops}")


def _take_along(kind: str, paths: list[Path], out: Path, *, remove: bool) -> int:
    folder = out / kind / TO_REVIEW
    with acting_for(out):
        for answer in (*_answers(kind), TO_REVIEW):
            make_folder(out / kind / answer)
    files = [file for path in paths for file in (path.with_suffix(".json"), path)]
    for file in files:
        if file.exists():
            content = read_file(file)
            with acting_for(folder):
                replace_file(folder / file.name, content)
    if remove:  # only when everything has been copied, and is on that disk
        for file in files:
            with acting_for(file.parent):
                file.unlink(missing_ok=True)
    return len(paths)


def _answers(kind: str) -> tuple[str, ...]:
    """Folders that a reviewer sorts the crops of a kind into; their names are what training reads."""
    scenario = scenario_of(kind)
    told = ("yes", "no") if scenario is None else (scenario.ANSWERS.yes, scenario.ANSWERS.no)
    return (*told, CANNOT_TELL)
