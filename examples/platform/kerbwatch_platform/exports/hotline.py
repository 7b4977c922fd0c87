"""A stand-in for the 12345 hotline's side, to try a webhook against: nobody has seen an interface of a real one.

It takes cases in the form ``12345``, verifies who signed them, and answers with a number, the same for the same case, as
long as it runs. What lacks a mandatory field gets none: a person would have to fill it in.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook as Signer
from standardwebhooks.webhooks import WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

LARGEST = 1_000_000
WITHIN_S = 20.0
"""For one request to come whole."""


@dataclass
class Hotline:
    """What the hotline's side knows.

    Attributes:
        tickets: By case, the number that it was given.
        matters: By case, the newest fields.
        seen: The ids of what was told; what comes again changes nothing.
    """

    signer: Signer
    tickets: dict[str, str] = field(default_factory=dict)
    matters: dict[str, dict[str, object]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def app(self) -> Starlette:
        """To be served."""
        return Starlette(routes=[Route("/matters", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        content = bytearray()
        try:
            async with asyncio.timeout(WITHIN_S):
                async for part in request.stream():
                    content += part
                    if len(content) > LARGEST:
                        return Response(status_code=413)
        except TimeoutError:
            return Response(status_code=408)
        try:
            told = self.signer.verify(bytes(content), dict(request.headers))
        except (WebhookVerificationError, ValueError):
            return Response(status_code=401)
        data = told.get("data") if isinstance(told, dict) else None
        if not isinstance(data, dict) or data.get("form") != "12345":
            return Response(status_code=422)
        case_id = str(data["case_id"])
        if request.headers["webhook-id"] not in self.seen:
            self.seen.add(request.headers["webhook-id"])
            self.matters[case_id] = data["fields"]
        if data["unknown"]:
            return JSONResponse({"lacks": data["unknown"]}, status_code=202)
        if case_id not in self.tickets:
            day = datetime.now(UTC).strftime("%Y%m%d")
            self.tickets[case_id] = f"12345-{day}-{len(self.tickets) + 1:04}"
        return JSONResponse({"ticket": self.tickets[case_id]}, status_code=201)
