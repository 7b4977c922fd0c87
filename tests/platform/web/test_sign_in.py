"""Signing in at the desk, in a browser."""

from __future__ import annotations

import pytest
from kerbwatch_platform.web.roles import Role
from playwright.sync_api import Browser, expect

from tests.support.desk import RunningDesk

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("phone", [False, True])
def test_a_person_signs_in_and_out(desk: RunningDesk, chromium: Browser, phone: bool) -> None:
    with desk.browser(chromium, Role.REVIEWER, phone=phone) as page:
        expect(page.locator(".person")).to_have_text("坐席 07")
        page.get_by_role("button", name="退出").click()
        expect(page.locator("#password")).to_be_visible()
