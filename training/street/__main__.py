"""``python -m training.street``: one command per kind of output."""

from __future__ import annotations

from pathlib import Path

import click

from training.street.story import ClipLight


def size_px(text: str) -> tuple[int, int]:
    """``640x360`` as width and height."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise click.BadParameter(f"{text!r} is not like 640x360")
    return int(width), int(height)


@click.group()
def main() -> None:
    """Render a street made of code. Needs ``bpy`` (see README.md)."""


@main.command()
@click.option("--count", default=60, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--size", type=size_px, metavar="WIDTHxHEIGHT", default="640x360", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--every-stall", is_flag=True, help="Stalls of all builds, as `stalls` draws them.")
def stills(count: int, seed: int, size: tuple[int, int], out: Path, *, every_stall: bool) -> None:
    """Training pictures with exact boxes in COCO form."""
    from training.street.stills import render_stills  # noqa: PLC0415 - pulls in Blender

    click.echo(render_stills(count, seed, out, size, every_stall=every_stall))


@main.command()
@click.option("--seed", default=1, show_default=True)
@click.option("--seconds", default=100.0, show_default=True)
@click.option("--size", type=size_px, metavar="WIDTHxHEIGHT", default="1280x720", show_default=True)
@click.option("--crf", default=28, show_default=True, help="x264's quality; higher is smaller.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option(
    "--cache", type=click.Path(path_type=Path), default=Path("build/street"), show_default=True,
    help="Where rendered layers are kept; a second run only composes.",
)  # fmt: skip
@click.option(
    "--light", type=click.Choice(["falling", "day", "dusk"]), default="falling", show_default=True
)
@click.option("--rain", is_flag=True, help="Rain before everything.")
def clip(
    seed: int, seconds: float, size: tuple[int, int], crf: int, out: Path, cache: Path,
    light: ClipLight, rain: bool,
) -> None:  # fmt: skip
    """A clip with the three problems, its truth and its zones."""
    from training.street.clip import render_clip  # noqa: PLC0415 - pulls in Blender

    render_clip(seed, seconds, size, out, cache, crf, light, rain=rain)


@main.command()
@click.option("--out", type=click.Path(path_type=Path), required=True)
def sprites(out: Path) -> None:
    """Cut-outs for compositing into other pictures."""
    from training.street.sprites import render_sprites  # noqa: PLC0415 - pulls in Blender

    render_sprites(out)


@main.command()
@click.option("--count", default=40, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def stalls(count: int, seed: int, out: Path) -> None:
    """Cut-outs of stalls from all sides, with and without a parasol."""
    from training.street.sprites import render_stalls  # noqa: PLC0415 - pulls in Blender

    render_stalls(count, seed, out)


if __name__ == "__main__":
    main()
