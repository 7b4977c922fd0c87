"""Progress on stderr: a bar on a terminal, otherwise a plain line now and then."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Self

import click
from tqdm import tqdm

from provisioning.wording import say
from provisioning.wording.case_sentences import position

if TYPE_CHECKING:
    from types import TracebackType

_STEP = 0.25
"""Off a terminal: a line for each such share of the whole."""


class Progress:
    """How far through footage the work has come. Use as a context; ``line`` prints beside it."""

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what = what
        self._quiet = quiet
        self._bar: tqdm[None] | None = None
        self._shown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def at(self, at_s: float, whole_s: float | None) -> None:
        """Take note that the work has come to ``at_s`` of ``whole_s`` (None: nobody knows)."""
        if self._quiet:
            return
        if sys.stderr.isatty():
            self._move_bar(at_s, whole_s)
        elif whole_s and int(at_s / whole_s / _STEP) > self._shown:
            self._shown = int(at_s / whole_s / _STEP)
            facts = {"percent": 100 * at_s / whole_s, "at": position(at_s)}
            text = say(
                "{what}: {percent:.0f} % ({at} of {whole})",
                what=self._what,
                whole=position(whole_s),
                **facts,
            )
            click.echo(text, err=True)

    def _move_bar(self, at_s: float, whole_s: float | None) -> None:
        if self._bar is None:
            # Only the share, the time left and the name: rates mean nothing to a watcher.
            form = "{desc} {percentage:3.0f}% |{bar}| {remaining} left"
            size = shutil.get_terminal_size()
            self._bar = tqdm(
                total=whole_s,
                desc=self._what,
                leave=False,
                # tqdm shows nothing on a terminal that does not know its size (a serial console).
                ncols=min(100, size.columns - 1),
                nrows=size.lines,
                bar_format=form if whole_s else "{desc}: {n:.0f} s",
            )
        self._bar.n = min(at_s, whole_s) if whole_s else at_s
        self._bar.refresh()

    def line(self, text: str) -> None:
        """Print a line on stdout without tearing the bar."""
        if self._bar is None:
            click.echo(text)
        else:
            with tqdm.external_write_mode():
                click.echo(text)
