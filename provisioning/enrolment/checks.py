"""Whether a certificate is the one that was asked for: of this key, this device, the pinned authority."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from provisioning.enrolment import trust
from provisioning.enrolment.identity_folder import IdentityError
from provisioning.enrolment.names import common_name
from provisioning.enrolment.trust import TrustError
from wording.harmless import harmless
from wording.messages import itemised, said, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptography.hazmat.primitives.asymmetric import ec

    from provisioning.enrolment.known_time import KnownTime
    from provisioning.enrolment.names import DeviceName
    from wording.messages import Said

_CLIENTS = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


def accepted(
    found: Sequence[x509.Certificate],
    key: ec.EllipticCurvePrivateKey | None,
    name: DeviceName,
    authorities: Sequence[x509.Certificate],
    known: KnownTime,
) -> list[x509.Certificate]:
    """The certificate that was asked for, then those between it and the authority.

    Args:
        found: What was brought or answered, in any order.
        key: The key that waits for it; None: none does.
        name: The device.
        authorities: The pinned ones.
        known: What is known of the time.

    Raises:
        IdentityError: It is not this device's; with everything that is wrong.
    """
    own = [each for each in found if key is not None and _same_key(each, key)]
    # Of several for one key (a server may answer with all it ever gave), the newest.
    leaf = max(own, key=lambda each: each.not_valid_before_utc, default=found[0])
    faults = list(_faults(leaf, key, name, known))
    chain: list[x509.Certificate] = []
    # Its own dates are said already: the chain is looked at while the certificate was good.
    begins, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    moment = min(max(known.judged_at(begins), begins), ends)
    try:
        chain = trust.path_of(leaf, [each for each in found if each != leaf], authorities, moment)
    except TrustError as error:
        faults.append(said("{fault}", fault=text_of(error)))
    if faults:
        raise IdentityError(
            said("The certificate cannot be used:\n{faults}", faults=itemised(faults))
        )
    return [leaf, *(each for each in chain[1:] if each.subject != each.issuer)]


def _faults(
    leaf: x509.Certificate,
    key: ec.EllipticCurvePrivateKey | None,
    name: DeviceName,
    known: KnownTime,
) -> Iterator[Said]:
    if key is None:
        yield said(
            "no key waits for a certificate here: make a request (`kerbwatch identity request`)"
        )
    elif not _same_key(leaf, key):
        yield said(
            "it is not of the key that was made here: sign the request of this device anew, or bring the"
            " certificate for it"
        )
    told = common_name(leaf.subject)
    if told != str(name):
        yield said(
            "its name (CN) is {name}, this device is {ours}",
            name=harmless(told) or "-",
            ours=str(name),
        )
    if fault := _purpose(leaf):
        yield fault
    if fault := known.fault_of(leaf.not_valid_before_utc, leaf.not_valid_after_utc):
        yield fault


def _purpose(leaf: x509.Certificate) -> Said | None:
    try:
        purposes = set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return None
    if purposes & _CLIENTS:
        return None
    return said("it is not for a client (extendedKeyUsage without clientAuth)")


def _same_key(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
