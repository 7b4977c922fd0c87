"""Every address of the page."""

from __future__ import annotations

from provisioning.page import api, bodies, static_files, views
from provisioning.page.app import Endpoint

ENDPOINTS = (
    Endpoint("/", views.home, signed_in=False),
    Endpoint("/steps/{step}", views.step),
    Endpoint("/sign-in", views.sign_in, "POST", bodies.SignInBody, signed_in=False),
    Endpoint("/sign-out", views.sign_out, "POST", bodies.Nothing),
    Endpoint("/language", views.language, "POST", bodies.LanguageBody, signed_in=False),
    Endpoint("/static/{name}", static_files.before_sign_in, signed_in=False),
    Endpoint("/static/{folder}/{name}", static_files.static_file),
    Endpoint("/api/state", api.state),
    Endpoint("/api/draft", api.draft),
    Endpoint("/api/draft", api.keep_draft, "PUT", bodies.DraftBody),
)
