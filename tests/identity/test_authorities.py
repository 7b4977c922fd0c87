"""Whose signature counts is what the site names: public keys, and nothing that only looks like one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.config.faults import ConfigError
from agent.config.loading import from_tables
from agent.identity.authorities import AuthorityError, authorities_of, authority_of
from agent.protocol.commands import Refusal
from agent.protocol.vectors import private_key, public_key, signed_by
from tests.support.sites import site_of

PEM, SPKI = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
KEY = {"kty": "OKP", "crv": "Ed25519", "x": public_key("reviewer").x}


def named(**told: Any) -> Any:
    site = from_tables(site_of(authorities=[{"role": "reviewer", **told}]))
    return site.authorities


def test_a_key_is_the_same_from_a_file_and_from_the_site(tmp_path: Path) -> None:
    pem = private_key("reviewer").public_key().public_bytes(PEM, SPKI)
    (tmp_path / "reviewer.pem").write_bytes(pem)
    for sections in (named(key=KEY), named(key_file="reviewer.pem")):
        [one] = sections
        assert authority_of(one, tmp_path).key == public_key("reviewer")
        payload, signature = authorities_of(sections, tmp_path).verified(signed_by("reviewer", {}))
        assert (payload, signature.roles) == (b"{}", frozenset(("reviewer",)))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "give either key or key_file"),
        ({"key": KEY, "key_file": "k.pem"}, "give either key or key_file"),
        ({"key": KEY | {"d": "secret"}}, "private half"),
        ({"key": KEY | {"x": KEY["x"] + "="}}, "43 characters"),
        ({"key": KEY | {"x": "AAAA"}}, "43 characters"),
        ({"key": KEY | {"crv": "P-256"}}, "Ed25519"),
        ({"key": KEY | {"kid": "mine"}}, public_key("reviewer").kid),
        ({"key": KEY, "role": "anybody"}, "operator"),
    ],
)
def test_what_is_no_public_key_is_refused_with_the_site(told: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        named(**told)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["private", "curve", "empty", "missing", "damaged"])
def test_a_file_that_holds_none_is_named_and_counts_as_none(wrong: str, tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    contents = {
        "private": private_key("reviewer").private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        "curve": ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(PEM, SPKI),
        "empty": b"",
        "damaged": b"-----BEGIN PUBLIC KEY-----\nAAA\n-----END PUBLIC KEY-----\n",
    }
    if wrong in contents:
        path.write_bytes(contents[wrong])
    sections = named(key_file="k.pem")
    with pytest.raises(AuthorityError, match=r"k\.pem"):
        authority_of(sections[0], tmp_path)
    with pytest.raises(Refusal) as refused:
        authorities_of(sections, tmp_path).verified(signed_by("reviewer", {}))
    assert refused.value.code == "no_authority"
