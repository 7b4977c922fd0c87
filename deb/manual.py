"""Manual pages from the commands' own help: ``python -m deb.manual FOLDER`` in the language of the reader."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioning.cli import main
from provisioning.wording import CHINESE, language

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEADS = {
    "en": ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "SEE ALSO"),
    CHINESE: ("名称", "用法", "说明", "选项", "命令", "参见"),
}


def write(folder: Path) -> None:
    """Write a page for each command, compressed as Debian has them.

    Args:
        folder: ``man1`` of the language.
    """
    folder.mkdir(parents=True)
    for context in _contexts(click.Context(main, info_name="kerbwatch")):
        page = folder / f"{_name(context)}.1.gz"
        page.write_bytes(gzip.compress(_page(context).encode(), mtime=0))


def _contexts(context: click.Context) -> Iterator[click.Context]:
    """Of a command and of all below it that a technician is shown."""
    yield context
    if isinstance(context.command, click.Group):
        for name, command in sorted(context.command.commands.items()):
            if not command.hidden:
                yield from _contexts(click.Context(command, context, info_name=name))


def _name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _page(context: click.Context) -> str:
    command = context.command
    name, synopsis, description, options, commands, see = _HEADS[language()]
    lines = [f'.TH "{_name(context).upper()}" "1"', f".SH {name}"]
    lines.append(f"{_roff(_name(context))} \\- {_roff(command.get_short_help_str(300))}")
    lines += [f".SH {synopsis}", f".B {_roff(context.command_path)}"]
    lines.append(_roff(" ".join(command.collect_usage_pieces(context))))
    lines += [f".SH {description}", *_paragraphs(command.help or "")]
    lines += _table(options, [each.get_help_record(context) for each in command.params])
    if isinstance(command, click.Group):
        below = [
            (each, found.get_short_help_str(300))
            for each, found in sorted(command.commands.items())
            if not found.hidden
        ]
        lines += _table(commands, below)
    lines += _paragraphs(command.epilog or "")
    if parent := context.parent:
        lines += [f".SH {see}", f".BR {_roff(_name(parent))} (1)"]
    return "\n".join(lines) + "\n"


def _table(head: str, rows: Sequence[tuple[str, str] | None]) -> list[str]:
    there = [row for row in rows if row is not None]
    lines = [f".SH {head}"] if there else []
    for what, text in there:
        lines += [".TP", f".B {_roff(what)}", _roff(text)]
    return lines


def _paragraphs(text: str) -> list[str]:
    """Click's paragraphs; what it would not wrap is not filled here either."""
    lines = []
    for each in text.strip().split("\n\n") if text else ():
        if each.startswith("\b"):
            kept = each.removeprefix("\b\n").splitlines()
            lines += [".PP", ".nf", *(_roff(line) for line in kept), ".fi"]
        else:
            lines += [".PP", _roff(" ".join(each.split()))]
    return lines


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    write(Path(sys.argv[1]))
