"""What can be asked of a running agent: a table of verbs, each with its request and what does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agent.control.messages.base import Reply, Request


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        uid: By the kernel's word.
        user: The person, by the word of root or of the page; else the user's name.
        by: Whether it came by the page or by a command.
    """

    uid: int
    user: str
    by: Literal["technician", "page"]


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing that can be asked.

    Attributes:
        name: As its request says it.
        asks: The request.
        does: Does it and answers, with bytes beside if need be; in the channel's thread, one verb at a time.
            Raises :class:`~agent.control.errors.RefusedError` with what is wrong and what is allowed.
        changes: Whether it changes anything; then it is recorded in the audit log.
    """

    name: str
    asks: type[Request[Any]]
    does: Callable[[Any, Caller], Reply | tuple[Reply, bytes]]
    changes: bool = False


def verb(
    asks: type[Request[Any]],
    does: Callable[[Any, Caller], Reply | tuple[Reply, bytes]],
    *,
    changes: bool = False,
) -> Verb:
    """Make a verb that is named as its request says."""
    return Verb(asks.verb, asks, does, changes)


def table_of(verbs: Iterable[Verb]) -> Mapping[str, Verb]:
    """The verbs by their names.

    Raises:
        ValueError: Two have the same.
    """
    table: dict[str, Verb] = {}
    for each in verbs:
        if each.name in table:
            raise ValueError(f"two verbs are called {each.name}")
        table[each.name] = each
    return table
