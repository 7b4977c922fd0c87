"""An authority of ``kerbwatch ca`` in a folder, and a device's request for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from provisioning.enrolment import requests
from provisioning.enrolment.names import device_name
from tests.support.command_line import kerbwatch

if TYPE_CHECKING:
    from click.testing import Result
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

PASSPHRASE = "correct horse battery staple"


class Office:
    """Where certificates are issued: an authority, and its passphrase in a file."""

    def __init__(self, folder: Path, name: str = "Example City Devices CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.passphrase_file = folder / "authority", folder / "passphrase"
        self.passphrase_file.write_text(f"{PASSPHRASE}\n", encoding="utf-8")
        made = self.run("init", "--name", name)
        assert made.exit_code == 0, made.output
        self.certificate_file = self.folder / "ca.crt"
        self.crl_file = self.folder / "ca.crl"

    def run(self, what: str, *words: object) -> Result:
        """Call ``kerbwatch ca``."""
        files = () if what == "list" else ("--passphrase-file", self.passphrase_file)
        return kerbwatch("ca", what, self.folder, *words, *files)

    def issue(self, name: str, folder: Path, *words: object) -> tuple[Path, Path]:
        """A certificate for a device, and its key."""
        request_file, key_file = requested(name, folder)
        signed = self.run("sign", request_file, *words)
        assert signed.exit_code == 0, signed.output
        return folder / f"{name.replace('/', '.')}.crt", key_file

    def server(self, folder: Path) -> tuple[Path, Path]:
        """A certificate and key for a broker on loopback."""
        named = ("--name", "localhost", "--name", "127.0.0.1")
        signed = self.run("sign", "--server", *named, "--out", folder)
        assert signed.exit_code == 0, signed.output
        return folder / "server.localhost.crt", folder / "server.localhost.key"


def written_key(path: Path, key: CertificateIssuerPrivateKeyTypes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def requested(
    name: str, folder: Path, key: CertificateIssuerPrivateKeyTypes | None = None
) -> tuple[Path, Path]:
    """A device's request, and its key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    key_file = written_key(folder / f"{name.replace('/', '.')}.key", key)
    request_file = key_file.with_suffix(".csr")
    made = requests.make(device_name(name), key)
    request_file.write_bytes(made.public_bytes(Encoding.PEM))
    return request_file, key_file
