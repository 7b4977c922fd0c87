"""``kerbwatch models list`` and ``verify``: the models on this machine."""

from __future__ import annotations

import json

import click

from agent import inference
from agent.inference.manifest import misnamed_folders, model_folders
from provisioning.adoption import trial
from provisioning.console.exit_codes import FAULT
from provisioning.wording import in_words, say
from wording.messages import itemised, said


def show(*, as_json: bool) -> int:
    """List the models; one that cannot be used is named as such."""
    rows = [_row(name) for name in inference.list_models()]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return 0
    if not rows:
        click.echo(
            say(
                "No models on this machine. They are looked for in: {folders}",
                folders=model_folders(),
            ),
            err=True,
        )
    _name_the_misnamed()
    for row in rows:
        click.echo(
            "{name:<16} {version:<8} {family:<11} {size_mb:>6.1f} MB  {licence}".format_map(row)
            if row["usable"]
            else say("{name:<16} cannot be used; `kerbwatch models verify` says why", **row)
        )
    return 0


def _name_the_misnamed() -> None:
    for folder in misnamed_folders():
        click.echo(
            say(
                "{name!r} in {place} is ignored: a model is called by 1 to 64 of a-z, 0-9, - and "
                "_, beginning with a letter or digit",
                name=folder.name,
                place=folder.parent,
            ),
            err=True,
        )


def _row(name: str) -> dict[str, str | float | bool]:
    folder = inference.find_model(name)
    try:
        stored = inference.read_model(folder)
    except inference.ModelError:
        return {"name": name, "usable": False}
    manifest = stored.manifest
    return {
        "name": name,
        "usable": True,
        "version": manifest.version,
        "family": manifest.family,
        "licence": manifest.licence,
        "size_mb": stored.size_bytes / 1e6,
        "sha256": manifest.model_sha256,
    }


def verify(*, as_json: bool) -> int:
    """Check every model; the exit code says whether all can be used."""
    faults = {name: _faults(name) for name in inference.list_models()}
    broken = sum(bool(found) for found in faults.values())
    if as_json:
        click.echo(json.dumps({"intact": not broken, "faults": faults}, indent=2))
        return FAULT if broken else 0
    for name, found in faults.items():
        if found:
            click.echo(
                in_words(said("{name}:\n{faults}", name=name, faults=itemised(found))), err=True
            )
        else:
            click.echo(say("{name}: intact", name=name))
    _name_the_misnamed()
    if broken:
        click.echo(
            say("{broken} of {all} models cannot be used.", broken=broken, all=len(faults)),
            err=True,
        )
    return FAULT if broken else 0


def _faults(name: str) -> list[str]:
    try:
        trial.verify(inference.find_model(name))
    except inference.ModelError as error:
        return list(error.faults)
    return []
