"""Which seeding an image understands: the known layouts are data, in ``layouts.toml``.

Several exist, and a wrong one is ignored without a word: an image that fits none is refused.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Starts = Literal["own_unit", "vendor_data", "firstrun", "command_line"]
"""Who calls our script at the first boot."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of image.

    Attributes:
        name: What it is called here.
        starts: Who calls our script.
        boot: Files that its boot partition has.
        root: Files that its root partition has.
        command_line: What a word of its kernel's command line begins with; empty: anything.
    """

    name: str
    starts: Starts
    boot: tuple[str, ...] = ()
    root: tuple[str, ...] = ()
    command_line: str = ""

    def fits(self, boot: Path, root: Path | None) -> bool:
        """Whether an image is of this kind.

        Args:
            boot: Its boot partition.
            root: Its root partition; None: it cannot be seen.
        """
        if self.root and root is None:
            return False
        there = all((boot / each).is_file() for each in self.boot)
        if root is not None:
            there = there and all((root / each).exists() for each in self.root)
        if not self.command_line:
            return there
        return there and any(word.startswith(self.command_line) for word in _command_line(boot))


@cache
def layouts() -> tuple[Layout, ...]:
    """The known kinds, the first that fits first."""
    told = tomllib.loads(files(__package__).joinpath("layouts.toml").read_text(encoding="utf-8"))
    return tuple(
        Layout(
            name=each["name"],
            starts=each["starts"],
            boot=tuple(each.get("boot", ())),
            root=tuple(each.get("root", ())),
            command_line=each.get("command_line", ""),
        )
        for each in told["layouts"]
    )


def recognise(boot: Path, root: Path | None) -> Layout | None:
    """The kind of an image; None: none that is known.

    Args:
        boot: Its boot partition.
        root: Its root partition; None: it cannot be seen.
    """
    return next((each for each in layouts() if each.fits(boot, root)), None)


def _command_line(boot: Path) -> list[str]:
    """The words of the kernel's command line; none where there is no such file."""
    try:
        return (boot / "cmdline.txt").read_text(encoding="utf-8", errors="replace").split()
    except FileNotFoundError:
        return []
