"""What was done, for how many seconds, by which command, with which values typed."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Step:
    """One step.

    Attributes:
        name: What was done.
        seconds: How long it took.
        commands: What somebody typed at a prompt of a shell.
        typed: What somebody typed that no program knew.
        notes: What came of it.
    """

    name: str
    seconds: float = 0.0
    commands: tuple[str, ...] = ()
    typed: tuple[str, ...] = ()
    notes: str = ""


@dataclass(slots=True)
class Steps:
    """All of them, in their order; each is shown once it is done."""

    done: list[Step] = field(default_factory=list)

    @contextmanager
    def step(
        self, name: str, *, commands: tuple[str, ...] = (), typed: tuple[str, ...] = ()
    ) -> Iterator[Step]:
        """Measure one; what is raised in it is raised on, and it counts as not done."""
        step = Step(name, commands=commands, typed=typed)
        began_s = time.monotonic()
        yield step
        step.seconds = time.monotonic() - began_s
        self.done.append(step)
        click.echo(f"  {step.seconds:7.1f} s  {name}{f': {step.notes}' if step.notes else ''}")

    def seconds(self, *, after: str | None = None) -> float:
        """Of all steps, or of those that came after one."""
        names = [each.name for each in self.done]
        first = 0 if after is None else names.index(after) + 1
        return sum(each.seconds for each in self.done[first:])

    @property
    def commands(self) -> list[str]:
        """Every command, as often as it was typed."""
        return [command for each in self.done for command in each.commands]

    @property
    def typed(self) -> list[str]:
        """Every value that somebody typed."""
        return [value for each in self.done for value in each.typed]
