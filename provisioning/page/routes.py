"""Every address of the page."""

from __future__ import annotations

from provisioning.page import acceptance, api, bodies, pictures, static_files, views
from provisioning.page.app import Endpoint
from provisioning.page.zone_api import ZONE_ENDPOINTS

ENDPOINTS = (
    Endpoint("/", views.home, signed_in=False),
    Endpoint("/steps/{step}", views.step),
    Endpoint("/sign-in", views.sign_in, "POST", bodies.SignInBody, signed_in=False),
    Endpoint("/sign-out", views.sign_out, "POST", bodies.Nothing, ends=True),
    Endpoint("/language", views.language, "POST", bodies.LanguageBody, signed_in=False),
    Endpoint("/static/{name}", static_files.before_sign_in, signed_in=False),
    Endpoint("/static/{folder}/{name}", static_files.static_file),
    Endpoint("/api/state", api.state),
    Endpoint("/api/cameras", pictures.cameras),
    Endpoint("/api/picture/{camera_id}.json", pictures.picture_facts),
    Endpoint("/api/picture/{camera_id}", pictures.picture),
    Endpoint("/api/reference/{camera_id}", pictures.reference),
    Endpoint("/api/walk", pictures.tracks),
    Endpoint("/api/identify", api.identify, "POST", bodies.Nothing),
    Endpoint("/api/commission/{camera_id}", api.commission, "POST", bodies.CommissionBody),
    Endpoint("/api/test-case", api.test_case, "POST", bodies.Nothing),
    Endpoint("/api/test-case/{case_id}", api.test_case_state),
    Endpoint("/api/check", api.check, "POST", bodies.Nothing),
    Endpoint("/api/fix/{code}", api.fix, "POST", bodies.Nothing),
    Endpoint("/api/certificate-request", api.certificate_request, "POST", bodies.Nothing),
    Endpoint("/api/certificate", api.certificate, "POST", bodies.CertificateBody),
    Endpoint("/api/acceptance", acceptance.acceptance),
    Endpoint("/api/acceptance", acceptance.accept, "POST", bodies.AcceptanceBody),
    Endpoint("/api/acceptance-form", acceptance.form_again, "POST", bodies.FormBody, ends=True),
    Endpoint("/api/acceptance.pdf", acceptance.form),
    Endpoint("/api/off", api.page_off, "POST", bodies.Nothing, ends=True),
    Endpoint("/api/draft", api.draft),
    Endpoint("/api/draft", api.keep_draft, "PUT", bodies.DraftBody),
    *ZONE_ENDPOINTS,
)
