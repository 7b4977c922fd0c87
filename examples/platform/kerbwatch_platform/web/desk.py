"""What every view of the desk is given, and what is known of one request."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, RedirectResponse

from kerbwatch_platform import store
from kerbwatch_platform.web import access_log, sessions
from kerbwatch_platform.web.addresses import Addresses
from kerbwatch_platform.web.kept_figures import KeptFigures
from kerbwatch_platform.web.limiting import Limits
from kerbwatch_platform.web.passwords import Passwords
from kerbwatch_platform.web.rendering import Rendering
from kerbwatch_platform.web.roles import ROLE_NAMES, Account, Role
from kerbwatch_platform.words import (
    CHINESE,
    HTML_LANGUAGES,
    LANGUAGES,
    Language,
    harmless,
    one_line,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from psycopg import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from kerbwatch_platform.settings import Settings

DATABASE_S = 5.0
"""How long a page waits for a connection."""


@dataclass(frozen=True, slots=True)
class Nav:
    """A view's place in the navigation.

    Attributes:
        words: English, marked by ``words.text`` or a literal here: its name in the catalogue.
        path: Where it leads.
        order: Small ones first.
        role: Who is shown it.
        key: Letter after ``g`` that leads there.
    """

    words: str
    path: str
    order: int
    role: Role = Role.VIEWER
    key: str = ""


class RefusedError(Exception):
    """A view does not do what was asked; the text is said on a page of its own.

    Args:
        status: Of HTTP.
        english: A text that ``words.text`` marks (or a literal of a raise statement).
        facts: Of the text.
    """

    def __init__(self, status: int, english: str, **facts: object) -> None:
        super().__init__(english)
        self.status, self.english, self.facts = status, english, facts


@dataclass(slots=True)
class Visit:
    """What is known of one request.

    Attributes:
        language: In which the answer is.
        account: Who is signed in.
        key: Of their session.
        browser: Of this browser, signed in or not.
        form: What was posted, once its token was checked.
        cookies: To be set by the answer; None ends one.
        note: What the access log says beyond the path: fields of :class:`access_log.Entry`.
    """

    language: Language = CHINESE
    account: Account | None = None
    key: str | None = None
    browser: str | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    cookies: dict[str, tuple[str | None, int | None]] = field(default_factory=dict)
    note: dict[str, str] = field(default_factory=dict)

    @property
    def csrf(self) -> str:
        """What a form has to name."""
        return sessions.csrf_of(self.key or self.browser or "")


class Desk:
    """All that views share.

    Args:
        settings: What the operator chose.
        nav: Places of all views.
    """

    def __init__(self, settings: Settings, nav: tuple[Nav, ...] = ()) -> None:
        self.settings = settings
        self.addresses = Addresses(settings.web)
        self.limits = Limits()
        self.passwords = Passwords()
        self.figures = KeptFigures()
        self._nav = nav
        self._rendering = Rendering(settings.time_zone)
        self._pool = store.pool(settings.database, store.PAGE)

    def close(self) -> None:
        """Let the database go."""
        self._pool.close()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for as long as the context lasts; it commits each statement by itself.

        Raises:
            psycopg.OperationalError: The database cannot be reached (``psycopg_pool.PoolTimeout`` is one).
        """
        with self._pool.connection(timeout=DATABASE_S) as connection:
            yield connection

    def account(self, request: Request) -> Account:
        """Who is signed in; only where ``page`` asks for a role."""
        account = visit_of(request).account
        if account is None:
            raise RuntimeError("a page for anyone asked whose it is")
        return account

    def language(self, request: Request) -> Language:
        """In which language the answer is."""
        return visit_of(request).language

    def form(self, request: Request) -> Mapping[str, str]:
        """What was posted: each field once, without control characters."""
        return visit_of(request).form

    def note(self, request: Request, **facts: str) -> None:
        """Say more of this request in the access log than its path does.

        Args:
            request: Which.
            facts: ``detail``, ``what``, ``tenant``, ``device``, ``case_id``, ``picture``.
        """
        visit_of(request).note |= facts

    def say(self, request: Request, english: str, **facts: object) -> str:
        """A text in the reader's language."""
        return say(self.language(request), english, **facts)

    def at(self, moment: datetime | None, form: str = "%Y-%m-%d %H:%M") -> str:
        """A moment on the clock of the city; nothing for None."""
        return self._rendering.at(moment, form)

    def show(
        self, request: Request, template: str, *, status: int = 200, **facts: Any
    ) -> HTMLResponse:
        """Fill in a template of ``templates/``.

        Args:
            request: Whose page it is.
            template: Its file.
            status: Of HTTP.
            facts: What it shows.
        """
        visit = visit_of(request)
        account = visit.account

        def said(english: str, **told: object) -> str:
            return say(visit.language, english, **told)

        html = self._rendering.template(template).render(
            say=said,
            lang=HTML_LANGUAGES[visit.language],
            languages=LANGUAGES,
            language=visit.language,
            account=account,
            role_name=ROLE_NAMES[account.role.word] if account else "",
            roles=Role,
            csrf=visit.csrf,
            nav=[each for each in self._nav if account and account.role >= each.role],
            path=request.url.path,
            here=_here(request),
            one_line=one_line,
            at=self._rendering.at,
            **facts,
        )
        return HTMLResponse(html, status)

    def go(self, path: str) -> Response:
        """Lead to a page after something was done."""
        return RedirectResponse(path, 303)

    def set_cookie(self, request: Request, name: str, value: str | None, days: int | None) -> None:
        """Give the browser a cookie with the answer; None takes it away."""
        visit_of(request).cookies[name] = (value, days)

    def cookie(self, request: Request, name: str) -> str | None:
        """The value of one of the desk's cookies."""
        return request.cookies.get(self._cookie_name(name))

    def add_cookies(self, request: Request, response: Response) -> None:
        """Set what :meth:`set_cookie` was told."""
        for name, (value, days) in visit_of(request).cookies.items():
            response.set_cookie(
                self._cookie_name(name),
                value or "",
                max_age=0 if value is None else days and days * 86_400,
                path="/",
                secure=self.addresses.https,
                httponly=True,
                samesite="strict",
            )

    def _cookie_name(self, name: str) -> str:
        """``__Host-``: a browser takes it only with Secure, for this host alone (RFC 6265bis)."""
        return f"__Host-{name}" if self.addresses.https else f"kerbwatch-{name}"

    def begin_session(self, request: Request, account: str) -> None:
        """Sign in at this browser: under new keys, whatever cookies it came with."""
        visit = visit_of(request)
        browser = sessions.new_key()
        with self.connection() as connection, connection.transaction():
            if visit.key:
                sessions.end(connection, visit.key)
            sessions.rename_browser(connection, visit.browser, browser)
            sessions.know(connection, browser, account)
            agent = one_line(request.headers.get("user-agent", ""))
            key = sessions.begin(connection, account, peer_of(request), agent)
        visit.key, visit.browser = key, browser
        self.set_cookie(request, "session", key, None)
        self.set_cookie(request, "browser", browser, sessions.KNOWN_DAYS)

    def log(self, request: Request, what: str, status: int, **facts: str | None) -> None:
        """Write a row of the access log."""
        visit = visit_of(request)
        known = {name: request.path_params.get(name) for name in ("tenant", "device", "case_id")}
        known["picture"] = request.path_params.get("sha256")
        known |= {name: value for name, value in facts.items() if value is not None}
        account = visit.account
        entry = access_log.Entry(
            account=known.pop("account", account.name if account else None),
            role=account.role.word if account else None,
            what=what,
            method=request.method,
            path=logged_path(request),
            status=status,
            peer=peer_of(request),
            **{name: harmless(value) for name, value in known.items()},
        )
        with self.connection() as connection:
            access_log.write(connection, entry)


def _here(request: Request) -> str:
    """The address of this page with its filter; of a form's answer its path alone."""
    query = request.url.query if request.method == "GET" else ""
    return f"{request.url.path}?{query}" if query else request.url.path


def logged_path(request: Request) -> str:
    """The path without the secret of a one-time link."""
    path = request.url.path
    token = request.path_params.get("token")
    return one_line(path.replace(token, "…") if token else path, 500)


def peer_of(request: Request) -> str:
    """The address that asks."""
    return one_line(request.client.host, 100) if request.client else "?"


def visit_of(request: Request) -> Visit:
    """What is known of this request."""
    visit = request.scope.get("kerbwatch.visit")
    if visit is None:
        visit = request.scope["kerbwatch.visit"] = Visit()
    assert isinstance(visit, Visit)
    return visit
