"""What the platform could not take: how much of which device, why, and its first bytes, which are only ever shown."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import psycopg
from starlette.routing import Route

from kerbwatch_platform.intake import quarantine as kept
from kerbwatch_platform.web.frame import Desk, Nav, RefusedError, Role, page
from kerbwatch_platform.words import harmless, text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MOST_ROWS = 100
SHOWN_BYTES = 192
_A_LINE = 16

KINDS = {
    "raised": text("taking it failed"),
    "killed": text("workers ended with it"),
    "dead_letter": text("the broker gave it up"),
    "odd_topic": text("its topic is none of the contract's"),
    "unclear": text("it cannot be read"),
}
STILL = text("It still cannot be taken; the reason is the same or a new one, see the row.")
NOT_AGAIN = text("It cannot be taken again: {why}.")
GONE = text("This message is not in the quarantine any more; somebody else was quicker.")

_log = logging.getLogger(__name__)

_DEVICES = """
SELECT tenant, device, count(*), sum(times), max(last_at), string_agg(DISTINCT kind, ' ' ORDER BY kind)
FROM quarantine WHERE done_at IS NULL GROUP BY tenant, device ORDER BY 3 DESC, 1, 2 LIMIT 200
"""
_OVER = """
SELECT tenant, device, sum(messages)::bigint, sum(bytes)::bigint, max(hour) FROM over_limit
WHERE hour > now() - interval '1 day' GROUP BY tenant, device ORDER BY 4 DESC LIMIT 200
"""
_ROWS = """
SELECT quarantine_id, kind, topic, tenant, device, sha256, size_bytes, substr(payload, 1, %(shown)s), why, times,
  first_at, last_at, length(payload) = size_bytes
FROM quarantine
WHERE done_at IS NULL AND (%(device)s::text IS NULL OR (tenant = %(tenant)s AND device = %(device)s))
ORDER BY last_at DESC, quarantine_id DESC LIMIT %(most)s
"""
_NAMES = (
    "quarantine_id", "kind", "topic", "tenant", "device", "sha256", "size_bytes", "head", "why", "times", "first_at",
    "last_at", "whole",
)  # fmt: skip


@page(role=Role.ADMINISTRATOR)
def listed(desk: Desk, request: Request) -> Response:
    """Counts by device, and the newest messages."""
    return _shown(desk, request, status=200, wrong="")


@page(role=Role.ADMINISTRATOR)
def again(desk: Desk, request: Request) -> Response:
    """Take a message as if it came now."""
    number, by = _number(request), desk.account(request).name
    try:
        with desk.connection() as connection:
            kept.take_again(connection, desk.settings, number, by)
    except ValueError as error:
        wrong = desk.say(request, NOT_AGAIN, why=str(error))
        return _shown(desk, request, status=409, wrong=wrong)
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        _log.warning("quarantine %d: %s", number, type(error).__name__)
        return _shown(desk, request, status=409, wrong=desk.say(request, STILL))
    return desk.go("/quarantine")


@page(role=Role.ADMINISTRATOR)
def done(desk: Desk, request: Request) -> Response:
    """Let a message go."""
    with desk.connection() as connection:
        if not kept.done(connection, _number(request), desk.account(request).name):
            raise RefusedError(409, GONE)
    return desk.go("/quarantine")


@page(role=Role.ADMINISTRATOR)
def all_done(desk: Desk, request: Request) -> Response:
    """Let all messages of a device go."""
    by = desk.account(request).name
    tenant, device = (request.path_params[name] for name in ("tenant", "device"))
    with desk.connection() as connection:
        rows = connection.execute(
            "SELECT quarantine_id FROM quarantine WHERE done_at IS NULL AND tenant = %s AND device = %s",
            (tenant, device),
        ).fetchall()
        gone = sum(kept.done(connection, number, by) for (number,) in rows)
    desk.note(request, detail=f"{gone} messages")
    return desk.go("/quarantine")


def head_of(payload: bytes) -> str:
    """First bytes as numbers and, beside them, as letters; nothing of it is unpacked or interpreted."""
    lines = []
    for begin in range(0, min(len(payload), SHOWN_BYTES), _A_LINE):
        part = payload[begin : begin + _A_LINE]
        letters = "".join(chr(each) if 0x20 <= each < 0x7F else "·" for each in part)
        lines.append(f"{begin:04x}  {part.hex(' '):<{3 * _A_LINE}} {letters}")
    return "\n".join(lines)


def text_of(payload: bytes) -> str:
    """The same read as UTF-8, for whoever looks for a word in it; empty where it is no text."""
    told = payload.decode("utf-8", "replace").rstrip("\ufffd")
    return "" if "\ufffd" in told or "\0" in told else harmless(told)


def _number(request: Request) -> int:
    return int(request.path_params["quarantine_id"])


def _shown(desk: Desk, request: Request, *, status: int, wrong: str) -> Response:
    tenant, device = (request.query_params.get(name) or None for name in ("tenant", "device"))
    wanted = {"tenant": tenant, "device": device, "shown": SHOWN_BYTES, "most": MOST_ROWS}
    with desk.connection() as connection:
        devices = connection.execute(_DEVICES).fetchall()
        over = connection.execute(_OVER).fetchall()
        rows = connection.execute(_ROWS, wanted).fetchall()
    return desk.show(
        request,
        "quarantine.html",
        status=status,
        wrong=wrong,
        devices=devices,
        over=over,
        device=device,
        rows=[_row(row) for row in rows],
        most=MOST_ROWS,
        kinds=KINDS,
    )


def _row(row: tuple[Any, ...]) -> dict[str, Any]:
    named = dict(zip(_NAMES, row, strict=True))
    head = bytes(named["head"])
    return named | {"head": head_of(head), "text": text_of(head)}


NAV = Nav(text("Quarantine"), "/quarantine", 75, Role.ADMINISTRATOR, key="u")
ROUTES = [
    Route("/quarantine", listed),
    Route("/quarantine/{quarantine_id:int}/again", again, methods=["POST"]),
    Route("/quarantine/{quarantine_id:int}/done", done, methods=["POST"]),
    Route("/quarantine/of/{tenant}/{device}/done", all_done, methods=["POST"]),
]
