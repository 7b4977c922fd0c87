"""One HTTP exchange with somebody else's server: over in time, whatever that does, and little of its answer is read.

A time limit for each step (connecting, each read) is none for the whole: one byte a second passes every step. Here the
limit is for everything, from finding the host to the last byte of the answer.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, Self

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping


class Answer(NamedTuple):
    """What came back.

    Attributes:
        status: Of HTTP.
        headers: As they came; names in any case.
        content: The body as it was sent, unpacked by nobody: up to one byte more than was to be read.
    """

    status: int
    headers: httpx.Headers
    content: bytes


class Exchanges:
    """Exchanges one after the other, in a thread of their own: the caller's may have an event loop; use it as a context.

    Args:
        within_s: For one exchange as a whole, in seconds.
        most_bytes: Of an answer's body; what is longer is hung up on, and cut after one byte more.
    """

    def __init__(self, within_s: float, most_bytes: int) -> None:
        self._within_s, self._most_bytes = within_s, most_bytes
        self._runner, self._thread = asyncio.Runner(), ThreadPoolExecutor(1)
        self._client = httpx.AsyncClient(timeout=within_s, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._thread.submit(lambda: self._runner.run(self._client.aclose())).result()
        finally:
            self._thread.submit(self._runner.close).result()
            self._thread.shutdown()

    def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Send, and read the answer. A redirect is an answer like any other.

        Raises:
            TimeoutError: It was not over in time.
            httpx.HTTPError: There was no answer, or none of HTTP. Its words may repeat the URL.
        """
        return self._thread.submit(
            lambda: self._runner.run(self._within(url, content, headers))
        ).result()

    async def _within(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            async with asyncio.timeout(self._within_s):
                return await self._asked(url, content, headers)
        except httpx.TimeoutException as error:  # a single step took all of it
            raise TimeoutError from error

    async def _asked(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        # Unpacked, a few bytes may be a gigabyte.
        plain = {"accept-encoding": "identity"} | dict(headers)
        found = bytearray()
        async with self._client.stream("POST", url, content=content, headers=plain) as answer:
            async for part in answer.aiter_raw():
                found += part
                if len(found) > self._most_bytes:
                    break
        return Answer(answer.status_code, answer.headers, bytes(found[: self._most_bytes + 1]))
