"""The desk as an ASGI application: its views are the modules of ``web/views``, found by themselves."""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from kerbwatch_platform.web import views
from kerbwatch_platform.web.desk import Desk, Nav, RefusedError
from kerbwatch_platform.web.guard import Guard
from kerbwatch_platform.web.pages import NOT_FOUND, page
from kerbwatch_platform.web.roles import Role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from kerbwatch_platform.settings import Settings

STATIC = Path(__file__).with_name("static")


def app(settings: Settings) -> ASGIApp:
    """The whole desk.

    Raises:
        AddressError: It would answer others without TLS.
    """
    desk = Desk(settings, nav())
    return guarded(desk, routes())


def guarded(desk: Desk, answered: list[Route]) -> ASGIApp:
    """Some routes of the desk, with all that is around every one."""
    return Guard(_inside(desk, answered), desk.addresses)


def _inside(desk: Desk, answered: list[Route]) -> Starlette:

    @asynccontextmanager
    async def lives(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(desk.close)

    starlette = Starlette(
        routes=[*answered, Mount("/static", _Static(directory=STATIC))],
        exception_handlers={404: _lost, 405: _lost},
        lifespan=lives,
    )
    starlette.router.redirect_slashes = False
    starlette.state.desk = desk
    return starlette


def routes() -> list[Route]:
    """What all views answer; ``/`` leads to the first of the navigation where no view has it."""
    found = [route for module in _modules() for route in module.ROUTES]
    if all(route.path != "/" for route in found):
        found.append(Route("/", _home))
    return found


def nav() -> tuple[Nav, ...]:
    """Places of all views in the navigation, in order."""
    found = [module.NAV for module in _modules() if hasattr(module, "NAV")]
    return tuple(sorted(found, key=lambda each: each.order))


def _modules() -> Iterator[Any]:
    for found in sorted(pkgutil.iter_modules(views.__path__), key=lambda each: each.name):
        module = importlib.import_module(f"{views.__name__}.{found.name}")
        if hasattr(module, "ROUTES"):
            yield module


@page(role=Role.VIEWER)
def _home(desk: Desk, request: Request) -> Response:  # noqa: ARG001 - as every view
    return desk.go(nav()[0].path)


@page(role=Role.ANYONE)
def _nothing(desk: Desk, request: Request) -> Response:  # noqa: ARG001 - as every view
    raise RefusedError(404, NOT_FOUND)


async def _lost(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's form
    return await _nothing(request)


class _Static(StaticFiles):
    """Styles and scripts; a browser asks each time whether they are still the same."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response
