"""Places a version beside the others, and lets the link lead to it last."""

from __future__ import annotations

import ctypes
import filecmp
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.disk import sync_file_systems, sync_folder
from drivers.files import version_record as record
from drivers.files.installed import damaged
from provisioning.versions.layout import FOR_ALL_TO_ENTER, Layout, VersionError
from provisioning.versions.working import boot_id, now_s, seen
from wording.messages import itemised, said

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
KEPT_WITHOUT_PURGE = ("var/lib/kerbwatch", "etc/kerbwatch")
"""State, evidence, keys and the site: they outlive every version, and the package."""
_PURGED = (
    *KEPT_WITHOUT_PURGE,
    "var/lib/kerbwatch-recovery",
    "var/lib/kerbwatch-admin",
    "var/lib/kerbwatch-versions",
)


def place(source: Path, layout: Layout, *, name: str = "") -> bool:
    """Place a folder as a version and make it the active one.

    Whatever is interrupted: the link leads to a version that is whole and on the disk. One that runs
    instead of another is on trial from then on.

    Args:
        source: The folder of an environment; it stays as it is.
        layout: Where to.
        name: The version's name; empty: the folder's.

    Returns:
        Whether another version is the active one now.

    Raises:
        VersionError: The folder is no whole environment, or its name is none.
        OSError: It could not be written; the active version stands.
    """
    _refuse_torn(source)
    version = name or source.resolve().name
    target = layout.folder(version)
    layout.make()
    _drop_halves(layout)
    if not target.is_dir() or not _same(source, target):
        _put(source, target)
        kept = record.read(layout.records)
        record.write(layout.records, kept.and_then("placed", version))
    switched = activate(version, layout)
    prune(layout)
    return switched


def activate(version: str, layout: Layout) -> bool:
    """Make a version that is there the active one, on trial if another one runs.

    The version to go back to is the last that proved itself: one that is still on trial is left for good.

    Returns:
        Whether another version is the active one now.

    Raises:
        VersionError: It is not there.
        OSError: It could not be written; the active version stands.
    """
    layout.refuse_absent(version)
    now, kept = layout.active, record.read(layout.records)
    if now == version:
        return False
    on_trial = kept.trial is not None and kept.trial.version == now
    back_to = (layout.before if on_trial else None) or now
    if back_to == version:  # left for the one that is known to work: nothing has to be proved
        back_to = None
    if back_to is not None:
        layout.lead("before", back_to)
    trial = None if back_to is None else _trial(version, back_to, layout)
    kept = replace(kept, trial=trial).and_then("activated", version, instead_of=now)
    record.write(layout.records, kept)
    layout.lead("active", version)
    return True


def _trial(version: str, back_to: str, layout: Layout) -> record.Trial:
    ran = seen(layout.status)
    was = None if ran is None else ran.working
    return record.Trial(version, back_to, was, boot_id(), now_s())


def prune(layout: Layout) -> None:
    """Remove the versions that are neither the active one nor the one before.

    Raises:
        OSError: One could not be removed.
    """
    keep = {layout.active, layout.before}
    if layout.active is None:
        return
    for version in layout.installed():
        if version not in keep:
            _remove_tree(layout.folder(version))
    _drop_halves(layout)
    sync_folder(layout.versions)


def remove(layout: Layout) -> None:
    """Remove all versions and the links; state, evidence, keys and the site stay.

    Raises:
        OSError: Something could not be removed.
    """
    if layout.active is not None and layout.records.is_dir():
        kept = replace(record.read(layout.records), trial=None)
        record.write(layout.records, kept.and_then("removed", layout.active))
    for link in ("active", "before"):
        if (layout.home / link).is_symlink():
            (layout.home / link).unlink()
    if layout.versions.is_dir():
        sync_folder(layout.home)
        shutil.rmtree(layout.versions)
    with suppress(OSError):  # what others put there is theirs
        layout.home.rmdir()


def purge(layout: Layout) -> list[Path]:
    """Remove all versions, and state, evidence, keys and the site.

    Returns:
        What was removed beside the versions.

    Raises:
        OSError: Something could not be removed.
    """
    remove(layout)
    gone = [layout.root / each for each in _PURGED if (layout.root / each).is_dir()]
    for folder in gone:
        shutil.rmtree(folder)
    return gone


def _refuse_torn(source: Path) -> None:
    """Refuse what is no environment, or differs from what its packages recorded."""
    if not (source / "bin/python").exists():
        raise VersionError(
            said("{folder} is no environment: it has no {part}", folder=source, part="bin/python")
        )
    if torn := damaged(sorted(source.resolve().glob("lib/python3*/site-packages"))):
        raise VersionError(
            said(
                "{folder} is not whole:\n{files}",
                folder=source,
                files=itemised(each.in_words() for each in torn),
            )
        )


def _put(source: Path, target: Path) -> None:
    """Make the folder whole under another name, write it out, and rename it."""
    half = target.with_name(f".{target.name}.part")
    try:
        _linked_tree(source.resolve(), half)
        sync_file_systems([half])
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)  # a full disk is needed for other things
        raise
    if target.is_dir():
        _exchange(half, target)
    else:
        half.rename(target)
    sync_folder(target.parent)
    if half.is_dir():
        shutil.rmtree(half)


def _linked_tree(source: Path, target: Path) -> None:
    """A folder like another one, of hard links where the file system can, of copies elsewhere.

    Everybody may read it, whatever the rights of the source: the agent runs as a user of its own.
    """
    target.mkdir()
    for folder, folders, files in os.walk(source):
        here, there = Path(folder), target / Path(folder).relative_to(source)
        for name in folders:
            if (here / name).is_symlink():
                files.append(name)
            else:
                (there / name).mkdir()
                (there / name).chmod(FOR_ALL_TO_ENTER)
        folders[:] = [each for each in folders if not (here / each).is_symlink()]
        for name in files:
            _link_or_copy(here / name, there / name)
    target.chmod(FOR_ALL_TO_ENTER)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, one without links, or a file with too many
        shutil.copy2(source, target, follow_symlinks=False)


def _exchange(one: Path, other: Path) -> None:
    """Let two folders change their names, at once: ``renameat2(2)``."""
    libc = ctypes.CDLL(None, use_errno=True)  # Python has no call for it
    names = (os.fsencode(one), os.fsencode(other))
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))


def _same(source: Path, target: Path) -> bool:
    """Whether two folders hold the same, but for what Python compiled meanwhile in the second."""
    mine, theirs = dict(_entries(source.resolve())), dict(_entries(target))
    return all(_compiled(theirs[each]) for each in theirs.keys() - mine.keys()) and all(
        each in theirs and _same_entry(mine[each], theirs[each]) for each in mine
    )


def _entries(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        yield str(path.relative_to(folder)), path


def _compiled(path: Path) -> bool:
    return path.suffix == ".pyc" or path.name == "__pycache__"


def _same_entry(one: Path, other: Path) -> bool:
    kinds = {stat.S_IFMT(each.lstat().st_mode) for each in (one, other)}
    if len(kinds) != 1:
        return False
    if one.is_symlink():
        return os.readlink(one) == os.readlink(other)  # noqa: PTH115
    return one.is_dir() or one.samefile(other) or filecmp.cmp(one, other, shallow=False)


def _drop_halves(layout: Layout) -> None:
    """What an interruption left, of placing as of removing."""
    for path in layout.versions.glob(".*.part"):
        shutil.rmtree(path)


def _remove_tree(folder: Path) -> None:
    """Remove a version; interrupted, what is left is no version any more."""
    half = folder.with_name(f".{folder.name}.part")
    folder.rename(half)
    shutil.rmtree(half)
