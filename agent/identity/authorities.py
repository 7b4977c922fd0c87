"""Whose signature counts on a device: the keys that its site names, each in a role.

A login to the broker is no signature: whoever runs the broker could order anything. These keys are in the hands of
those in whose name something is ordered.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from agent.identity.jws import NotVerifiedError, verify
from agent.identity.pem import holds_certificate, holds_key
from agent.protocol.commands import Refusal, Role
from agent.protocol.events import PublicKey
from agent.protocol.signed import JwsError, encoded, parts_of, thumbprint
from drivers.files.small_files import UnreadableError, content_of
from wording.messages import Said, said

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from agent.config.authorities import AuthoritySection

_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----")
_ED25519 = bytes.fromhex("302a300506032b6570032100")
"""How every SubjectPublicKeyInfo of Ed25519 begins (RFC 8410, section 4); the 32 bytes of the key follow."""

_log = logging.getLogger(__name__)


class AuthorityError(ValueError):
    """A key that the site names cannot be used; the text says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A key, and in whose name it signs."""

    role: Role
    key: PublicKey


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that holds.

    Attributes:
        jws: The whole of it.
        kid: Whose key made it.
        roles: In which roles the site names that key.
    """

    jws: str
    kid: str
    roles: frozenset[Role]


class Authorities:
    """The keys of one site.

    Args:
        named: Those that the site names; none: nothing that has to be signed is done.
    """

    def __init__(self, named: Iterable[Authority] = ()) -> None:
        self._named = tuple(named)

    def may_sign(self, roles: frozenset[Role]) -> bool:
        """Whether the site names a key in one of these roles."""
        return any(each.role in roles for each in self._named)

    def verified(self, jws: str) -> tuple[bytes, Signature]:
        """The payload of a signature by one of the keys, and whose it is.

        Raises:
            Refusal: It is none, or by none of them.
        """
        if not self._named:
            raise Refusal(
                "no_authority",
                "the site names no key by which a command may be signed",
                one_of=tuple(sorted(get_args(Role))),
            )
        try:
            parts = parts_of(jws)
        except JwsError as error:
            raise Refusal("bad_signature", f"jws: {error}") from error
        keys = {each.key.kid: each.key for each in self._named}
        # What the header says chooses among the keys of the site, and nothing more.
        if parts.kid is not None:
            keys = {kid: key for kid, key in keys.items() if kid == parts.kid}
        if not keys:
            raise Refusal("unknown_key", "signed by a key that the site does not name")
        for kid, key in keys.items():
            try:
                verify(parts, key)
            except NotVerifiedError:
                continue
            roles = frozenset(each.role for each in self._named if each.key.kid == kid)
            return parts.payload, Signature(jws, kid, roles)
        raise Refusal("bad_signature", "the signature is not by a key that the site names")


def authorities_of(sections: Iterable[AuthoritySection], base: Path) -> Authorities:
    """The keys that a site names; one that cannot be used is logged, and is not among them.

    Args:
        sections: As the site has them.
        base: The folder that relative paths in it start from.
    """
    found = []
    for section in sections:
        try:
            found.append(authority_of(section, base))
        except AuthorityError as error:
            _log.error("%s", error)
    return Authorities(found)


def authority_of(section: AuthoritySection, base: Path) -> Authority:
    """One key that a site names.

    Raises:
        AuthorityError: Its file is none.
    """
    if section.key is not None:
        return Authority(section.role, PublicKey(kid=thumbprint(section.key.x), x=section.key.x))
    path = base / (section.key_file or "")
    try:
        x = _key_in(content_of(path))
    except UnreadableError as error:
        raise _fault(path, error) from error
    if isinstance(x, Said):
        raise _fault(path, x)
    return Authority(section.role, PublicKey(kid=thumbprint(x), x=x))


def _fault(path: Path, fault: Said | UnreadableError) -> AuthorityError:
    return AuthorityError(
        said("authorities.key_file {file}: {fault}", file=path, fault=fault),
    )


def _key_in(content: bytes) -> str | Said:
    """The key of a PEM file in base64url, or what is wrong with it."""
    if holds_key(content):
        return said("it holds a private key: keep that where it is used, and name its public half")
    if holds_certificate(content):
        return said("it holds a certificate; extract its key: openssl x509 -pubkey -noout -in FILE")
    found = _PEM.search(content)
    if found is None:
        return said("it holds no public key: no line in it is -----BEGIN PUBLIC KEY-----")
    try:
        body = base64.b64decode(b"".join(found[1].split()), validate=True)
    except (binascii.Error, ValueError):
        return said("the key in it is damaged: copy the file again")
    if not body.startswith(_ED25519) or len(body) != len(_ED25519) + 32:
        return said("the key in it is none of Ed25519: openssl genpkey -algorithm ed25519")
    return encoded(body[len(_ED25519) :])
