"""The section ``[[authorities]]``: whose signature counts, and for what; see :mod:`agent.identity.authorities`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agent.protocol.commands import Role
from agent.protocol.signed import JwsError, decoded, thumbprint
from wording.messages import said

MAX_AUTHORITIES = 16
_KEY_BYTES = 32


class JwkSection(BaseModel):
    """A public key of Ed25519 as a JSON Web Key (RFC 8037)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    x: str
    kid: str | None = None
    alg: Literal["EdDSA"] | None = None
    use: Literal["sig"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _public_half_only(cls, told: Any) -> Any:
        if isinstance(told, dict) and "d" in told:
            raise ValueError(
                said("d is the private half of a key: keep it where it is used, and take it out")
            )
        return told

    @field_validator("x")
    @classmethod
    def _of_32_bytes(cls, value: str) -> str:
        try:
            content = decoded(value)
        except JwsError:
            content = b""
        if len(content) != _KEY_BYTES:
            raise ValueError(said("x must be the 32 bytes of a key in base64url: 43 characters"))
        return value

    @model_validator(mode="after")
    def _known_by_its_thumbprint(self) -> Self:
        own = thumbprint(self.x)
        if self.kid not in {None, own}:
            raise ValueError(
                said("kid must be the key's thumbprint (RFC 7638), {kid}; or leave it out", kid=own)
            )
        return self


class AuthoritySection(BaseModel):
    """One key, and in whose name it signs; the key stands here or in a PEM file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    role: Role
    key: JwkSection | None = None
    key_file: Path | None = Field(default=None)

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if (self.key is None) == (self.key_file is None):
            raise ValueError(said("give either key or key_file"))
        return self
