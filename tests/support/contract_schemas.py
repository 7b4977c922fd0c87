"""The contract's schemas as the code makes them, each made once for all tests of a process."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from agent.protocol import schemas

if TYPE_CHECKING:
    from agent.protocol.schemas import Side


@functools.cache
def contract_schema(name: str, side: Side = "writer") -> dict[str, Any]:
    """A schema, to be read and not to be changed."""
    return schemas.schema(name, side)
