"""What of a device is wiped when it is taken down: by groups, in the order in which they go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.storage.paths import AUDIT, KEYS
from drivers.files.privileges import may_follow
from provisioning.card.contents import SEED
from provisioning.card.contents import STATE as FIRST_BOOT
from provisioning.card.planting import CONNECTION
from provisioning.enrolment.identity_folder import FOLDER, IdentityFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.schema import Configuration

SECRETS = "secrets of the configuration"
PAGE, NETWORK = "page", "network"
PAGE_STATE, PAGE_ON = Path("var/lib/kerbwatch-page"), Path("run/kerbwatch-page")
"""The page's code, certificate and audit log; and what there is only while it runs."""
BESIDE: dict[str, tuple[Path, ...]] = {
    PAGE: (PAGE_STATE, CONNECTION.with_name("kerbwatch-point.nmconnection")),
    NETWORK: (CONNECTION, Path(FIRST_BOOT) / SEED),
}
"""What a device has beside the agent's state, below its root."""
_FIRST, _LAST = (SECRETS, KEYS, PAGE, NETWORK), (AUDIT,)
"""Keys first: without them the rest is worth less. The log of what was done last."""


@dataclass(frozen=True, slots=True)
class Group:
    """Files that go together: by the name that they have in the record."""

    name: str
    files: tuple[Path, ...]

    @property
    def size_bytes(self) -> int:
        return sum(path.lstat().st_size for path in self.files)


def groups_of(
    configuration: Configuration, base: Path, state_dir: Path, root: Path | None
) -> list[Group]:
    """Everything that goes, in the order in which it goes.

    Args:
        configuration: The site's.
        base: Its folder.
        state_dir: The agent's.
        root: Of the device, for what it has beside the agent's; None: that stays.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(state_dir.rglob("*")) if state_dir.exists() else ():
        if path.is_symlink() or not path.is_dir():
            part = path.relative_to(state_dir).parts[0]
            name = part if (state_dir / part).is_dir() else part.split(".")[0]
            found.setdefault(name, []).append(path)
    identity = IdentityFolder(base / FOLDER, None)
    secrets = [
        *(
            each
            for path in _secrets(configuration, base)
            if not path.is_relative_to(identity.path)  # by the link to it: once is enough
            for each in _with_target(path)
        ),
        *identity.secrets(),
    ]
    if secrets:
        found[SECRETS] = secrets
    if root is not None:
        found |= _beside(root)

    def place(name: str) -> tuple[bool, bool, str]:
        return name in _LAST, name not in _FIRST, name

    return [Group(name, tuple(found[name])) for name in sorted(found, key=place)]


def _beside(root: Path) -> dict[str, list[Path]]:
    """What a device has beside the agent's state, by the name of its group."""
    found = {
        name: [each for place in places for each in _files_at(root / place)]
        for name, places in BESIDE.items()
    }
    return {name: files for name, files in found.items() if files}


def _files_at(place: Path) -> list[Path]:
    """A file or a link, or all of them in a folder."""
    if place.is_dir() and not place.is_symlink():
        return sorted(each for each in place.rglob("*") if each.is_symlink() or not each.is_dir())
    return [place] if place.is_symlink() or place.exists() else []


def _secrets(configuration: Configuration, base: Path) -> Iterator[Path]:
    """Files that the configuration names and that must stay secret."""
    uplink = configuration.uplink.located(base)
    for path in (uplink.key_file, uplink.certificate_file, uplink.password_file):
        if path is not None:
            yield path
    for camera in configuration.cameras:
        for name, value in camera.driver_settings(base):
            if name == "password_file" and isinstance(value, Path):
                yield value


def _with_target(path: Path) -> list[Path]:
    """A file; of a link, what it leads to as well, if it is one that may be followed."""
    found = [path] if path.is_symlink() or path.is_file() else []
    while path.is_symlink() and path.exists() and may_follow(path):
        path = path.parent / path.readlink()
        found.insert(0, path)
    return found
