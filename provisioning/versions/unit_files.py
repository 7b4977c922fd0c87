"""The units of the version that runs: where they differ from the package's, they lie in ``/etc/systemd/system``.

A package brings its units itself, to ``/usr/lib/systemd/system``; after going back they are those of the version that
was left. What is in ``/etc`` goes before them (systemd.unit(5)). The next package removes them there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.disk import READABLE, replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from provisioning.versions.layout import Layout

_KINDS = {".service", ".timer", ".path", ".socket"}


def settle(layout: Layout) -> list[Path]:
    """Let systemd find the units of the active version.

    Where no package brought units nothing is done: they were installed by hand.

    Returns:
        The files that were written or removed.

    Raises:
        OSError: They could not be written.
    """
    own = layout.home / "active/share/kerbwatch/systemd"
    packaged, local = (layout.root / each / "systemd/system" for each in ("usr/lib", "etc"))
    changed = []
    for unit in sorted(own.glob("kerbwatch*")) if own.is_dir() else ():
        if unit.suffix not in _KINDS or not (packaged / unit.name).is_file():
            continue
        content, target = unit.read_bytes(), local / unit.name
        if content == (packaged / unit.name).read_bytes():
            if target.is_file() and not target.is_symlink():
                target.unlink()
                changed.append(target)
        elif not target.is_file() or target.read_bytes() != content:
            replace_file(target, content, mode=READABLE)
            changed.append(target)
    return changed
