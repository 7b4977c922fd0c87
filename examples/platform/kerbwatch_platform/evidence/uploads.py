"""The page's opposite: what devices reach, and nothing but one-time places (docs/platform/pictures.md, By HTTPS).

A process of its own, so that the desk can stay on loopback. It answers ``PUT /put/TOKEN`` and tells nobody else
anything: without a token that holds every path is 404. The path is a secret and stands in no log.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import psycopg
import uvicorn
from psycopg_pool import PoolTimeout
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from kerbwatch_platform.evidence import places

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg_pool import ConnectionPool

    from kerbwatch_platform.settings import Settings

WITHIN_S = 900.0
"""For a whole picture: a device sends at 32 kB/s at most, 8 MB take 250 s."""
MOST_AT_ONCE = 64
"""Pictures that are being received; more are answered with 503, and devices come again."""
_ANSWERS = {"stored": 201, "no_place": 404, "too_large": 413, "other_bytes": 422}
_LATER = {"Retry-After": "60"}
_log = logging.getLogger(__name__)


def app(settings: Settings, pool: ConnectionPool) -> Starlette:
    """What a server runs.

    Args:
        settings: Where files are.
        pool: Connections to the store.
    """
    uploads = _Uploads(settings, pool)
    return Starlette(routes=[Route(places.PATH + "{token:str}", uploads.put, methods=["PUT"])])


def served(
    settings: Settings, pool: ConnectionPool, *, host: str, port: int, certificate: Path, key: Path
) -> uvicorn.Config:
    """How a server runs it: by TLS, and without a line for each request, as the path is a secret."""
    return uvicorn.Config(
        app(settings, pool),
        host=host,
        port=port,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        access_log=False,
        log_level="warning",
        server_header=False,
        limit_concurrency=200,
        timeout_graceful_shutdown=5,
    )


class _Uploads:
    def __init__(self, settings: Settings, pool: ConnectionPool) -> None:
        self._settings, self._pool = settings, pool
        self._receiving = 0

    async def put(self, request: Request) -> Response:
        if self._receiving >= MOST_AT_ONCE:
            return Response(status_code=503, headers=_LATER)
        self._receiving += 1
        try:
            async with asyncio.timeout(WITHIN_S):
                return await self._put(request)
        except TimeoutError:
            return Response(status_code=408)
        except ClientDisconnect:
            return Response(status_code=400)
        except (OSError, psycopg.Error, PoolTimeout) as error:  # the device comes again
            _log.warning("a picture could not be stored: %s", type(error).__name__)
            return Response(status_code=503, headers=_LATER)
        finally:
            self._receiving -= 1

    async def _put(self, request: Request) -> Response:
        token = request.path_params["token"]
        most = await run_in_threadpool(self._most_bytes, token)
        if most is None:
            return Response(status_code=404)
        content = bytearray()
        async for part in request.stream():
            content += part
            if len(content) > most:
                return Response(status_code=413)
        outcome = await run_in_threadpool(self._take, token, bytes(content))
        return Response(status_code=_ANSWERS[outcome])

    def _most_bytes(self, token: str) -> int | None:
        with self._pool.connection() as connection:
            return places.most_bytes(connection, token)

    def _take(self, token: str, content: bytes) -> places.Outcome:
        with self._pool.connection() as connection:
            return places.put(connection, self._settings, token, content)
