"""A package repository that lies in a folder: signed, readable from a USB stick without any network.

Laid out as apt wants it (https://wiki.debian.org/DebianRepository/Format): ``pool/`` with the packages,
``dists/SUITE/`` with the lists of each release, ``InRelease`` signed.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
from email.utils import formatdate
from typing import TYPE_CHECKING

from deb.targets import MACHINES, RELEASES

if TYPE_CHECKING:
    from pathlib import Path

    from deb.targets import Release

KEYRING = "kerbwatch.gpg"
CARRIED = ("fonts-wqy-microhei",)
"""Debian packages of every processor that a device without a network needs beside ours: the form's Chinese font."""
_OWNER = "Kerbwatch packages"
_COMPONENT = "main"


def publish(packages: Path, repository: Path, keys: Path, epoch_s: int) -> None:
    """Write the repository of all packages in a folder.

    Args:
        packages: Where they lie.
        repository: Made, or brought up to date; packages that are there stay.
        keys: GnuPG's folder with the signing key; a key is made where there is none.
        epoch_s: What the lists are dated (Unix time, s).

    Raises:
        subprocess.CalledProcessError: A package cannot be read, or the lists cannot be signed.
    """
    _key(keys)
    for release in RELEASES.values():
        pool = repository / "pool" / release.suite
        for package in sorted(packages.glob(f"kerbwatch_*+deb{release.number}_*.deb")):
            pool.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(package, pool / package.name)
        if pool.is_dir():
            _carry(pool)
            _list(repository, release, epoch_s)
            _sign(repository / "dists" / release.suite, keys)
    public = _gpg(keys, "--export", _OWNER)
    (repository / KEYRING).write_bytes(public)
    subprocess.run(["gpgconf", "--homedir", str(keys), "--kill", "gpg-agent"], check=True)


def _carry(pool: Path) -> None:
    """Lay the packages beside ours that this machine's own archive gives, once."""
    for name in CARRIED:
        if not list(pool.glob(f"{name}_*_all.deb")):
            download = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name]
            subprocess.run(download, cwd=pool, check=True, capture_output=True)


def _key(keys: Path) -> None:
    """Make the key that signs; it has no passphrase: the folder itself is what is to be guarded."""
    if not keys.is_dir():
        keys.mkdir(mode=0o700, parents=True)
    if not _gpg(keys, "--list-secret-keys", "--with-colons"):
        _gpg(keys, "--passphrase", "", "--quick-generate-key", _OWNER, "ed25519", "sign", "never")


def _list(repository: Path, release: Release, epoch_s: int) -> None:
    suite = repository / "dists" / release.suite
    files = []
    for architecture in MACHINES:
        folder = suite / _COMPONENT / f"binary-{architecture}"
        folder.mkdir(parents=True, exist_ok=True)
        scan = ["dpkg-scanpackages", "--multiversion", "--arch", architecture]
        listed = subprocess.run(
            [*scan, f"pool/{release.suite}"], cwd=repository, check=True, capture_output=True
        ).stdout
        for name, content in (
            ("Packages", listed),
            ("Packages.gz", gzip.compress(listed, mtime=0)),
        ):
            (folder / name).write_bytes(content)
            files.append(folder / name)
    lines = ["Origin: Kerbwatch", "Label: Kerbwatch", f"Suite: {release.suite}"]
    lines += [f"Codename: {release.suite}", f"Date: {formatdate(epoch_s, usegmt=True)}"]
    lines += [f"Architectures: {' '.join(MACHINES)}", f"Components: {_COMPONENT}", "SHA256:"]
    for file in files:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        lines.append(f" {digest} {file.stat().st_size} {file.relative_to(suite)}")
    (suite / "Release").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sign(suite: Path, keys: Path) -> None:
    inside, apart = suite / "InRelease", suite / "Release.gpg"
    for option, output in (("--clear-sign", inside), ("--detach-sign", apart)):
        output.unlink(missing_ok=True)
        _gpg(keys, "--output", str(output), option, str(suite / "Release"))


def _gpg(keys: Path, *arguments: str) -> bytes:
    command = ["gpg", "--homedir", str(keys), "--batch", "--quiet", "--pinentry-mode", "loopback"]
    done = subprocess.run([*command, *arguments], check=True, capture_output=True)
    return done.stdout
