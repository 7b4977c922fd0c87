"""``deb/build``: packages for the named releases and processors, each with its bill of materials."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import click

from deb.environment import lay_out
from deb.repository import publish
from deb.sbom import bill
from deb.targets import MACHINES, RELEASES, ROOT, Target, committed_s
from deb.tree import lay_out_files, pack, write_control


@click.command()
@click.option(
    "--suite", "suites", multiple=True, type=click.Choice(list(RELEASES)), help="Default: both."
)
@click.option(
    "--arch",
    "architectures",
    multiple=True,
    type=click.Choice(list(MACHINES)),
    help="Default: both.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT / "dist",
    help="Folder for the packages and their bills (default: dist).",
)
@click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write a signed package repository into this folder, for a USB stick or a server.",
)
@click.option(
    "--keys",
    type=click.Path(file_okay=False, path_type=Path),
    help="GnuPG's folder with the signing key, outside the source tree; one is made if there is none.",
)
def main(
    suites: tuple[str, ...],
    architectures: tuple[str, ...],
    out: Path,
    repository: Path | None,
    keys: Path | None,
) -> None:
    """Build Kerbwatch's Debian packages. The same commit gives the same bytes."""
    if (repository is None) != (keys is None):
        raise click.UsageError("--repository goes with --keys: a repository is signed")
    if keys and keys.resolve().is_relative_to(ROOT):
        raise click.UsageError("--keys: a signing key does not belong into the source tree")
    out.mkdir(parents=True, exist_ok=True)
    for suite in suites or RELEASES:
        for architecture in architectures or MACHINES:
            target = Target(RELEASES[suite], architecture, _version(), committed_s())
            click.echo(build(target, out))
    if repository and keys:
        publish(out, repository, keys, committed_s())
        click.echo(repository)


def build(target: Target, out: Path) -> Path:
    """Build one package and its bill of materials; the package's path."""
    with tempfile.TemporaryDirectory(prefix="kerbwatch-deb-") as folder:
        scratch = Path(folder)
        tree = scratch / "tree"
        prefix = tree / target.payload
        wheels = lay_out(prefix, target, _wheel(scratch, target), scratch)
        lay_out_files(tree, target)
        told = bill(prefix, target, wheels)
        (tree / "usr/share/doc/kerbwatch/sbom.cdx.json").write_text(told, encoding="utf-8")
        write_control(tree, target)
        file = out / target.file_name
        pack(tree, target, file)
        file.with_suffix(".cdx.json").write_text(told, encoding="utf-8")
    return file


def _version() -> str:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(told["project"]["version"])


def _wheel(scratch: Path, target: Target) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(scratch)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(target.epoch_s)}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=environment)
    [wheel] = scratch.glob("*.whl")
    return wheel


if __name__ == "__main__":
    main()
