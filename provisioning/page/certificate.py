"""The page's TLS certificate: made on the device, signed by itself, told by its fingerprint.

    python -P -m provisioning.page.certificate FOLDER

No authority vouches for an address that every unit has. The phone warns, and whoever stands there compares
the fingerprint with the label. Its own process makes it: the server does not hold ``cryptography`` in memory.
"""

from __future__ import annotations

import hashlib
import ssl
import sys
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from drivers.disk import replace_file
from provisioning.page.setup import ADDRESSES

CERTIFICATE, KEY = "page.crt", "page.key"
_FROM, _UNTIL = datetime(2024, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)
"""A unit has no clock at first, and the label that shows the fingerprint is never printed again."""


def make(folder: Path, addresses: tuple[str, ...] = ADDRESSES) -> bool:
    """Make key and certificate where there are none; gives whether it did.

    Raises:
        OSError: They could not be written.
    """
    from cryptography import x509  # noqa: PLC0415 - who only reads the fingerprint does not load it
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: PLC0415

    if (folder / CERTIFICATE).exists() and (folder / KEY).exists():
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Kerbwatch")])
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(each)) for each in addresses]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(pem, form, serialization.NoEncryption())
    replace_file(folder / KEY, secret)
    replace_file(folder / CERTIFICATE, certificate.public_bytes(pem))
    return True


def fingerprint(folder: Path) -> str:
    """SHA-256 of the certificate as the label has it: hexadecimal digits in groups of four.

    Raises:
        OSError: There is none.
    """
    der = ssl.PEM_cert_to_DER_cert((folder / CERTIFICATE).read_text("ascii"))
    digest = hashlib.sha256(der).hexdigest().upper()
    return " ".join(digest[at : at + 4] for at in range(0, len(digest), 4))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
