"""The reference in a real browser: what `/docs/` shows, asks for and keeps."""

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import TOKEN
from tests.dashboard.scene import Desk, barriers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SEND = "#operations-Reports-trackSend"
LOGS = "#operations-Messages-listMessageLogs"


def operation(page: Page, selector: str) -> None:
    """Opens an operation, ready to be tried."""
    page.locator(f"{selector} .opblock-summary-control").click()
    page.locator(f"{selector} .try-out__btn").click()


def enter_token(page: Page) -> None:
    page.get_by_role("button", name="Authorize").first.click()
    page.locator(".auth-container input").first.fill(TOKEN)
    page.locator(".auth-btn-wrapper .authorize").first.click()
    page.locator(".close-modal").click()


def test_the_root_leads_to_the_dashboard_and_the_reference(page: Page, desk: Desk) -> None:
    page.goto(desk.url)
    page.get_by_role("link", name="The reference").click()
    expect(page.locator(f"{SEND} .opblock-summary-description")).to_have_text("Report a send")
    page.go_back()
    page.get_by_role("link", name="The dashboard").click()
    expect(page.get_by_label("Token")).to_be_visible()


def test_an_operation_shows_its_fields_and_a_sample(page: Page, desk: Desk) -> None:
    page.goto(f"{desk.url}/docs/")
    page.locator(f"{SEND} .opblock-summary-control").click()
    opened = page.locator(SEND)
    expect(opened).to_contain_text("A message without event_id is a standalone message.")
    expect(opened.locator(".opblock-section-request-body")).to_contain_text('"rsvp_invite_v2"')


def test_a_call_is_tried_with_the_token_which_is_kept_nowhere(page: Page, desk: Desk) -> None:
    page.goto(f"{desk.url}/docs/")
    enter_token(page)
    operation(page, LOGS)
    with page.expect_response("**/message-logs/**") as answered:
        page.locator(f"{LOGS} .execute").click()
    assert answered.value.request.headers["x-webhook-token"] == TOKEN
    assert answered.value.ok
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
        0,
        0,
        "",
    ]
    page.reload()
    operation(page, LOGS)
    with page.expect_response("**/message-logs/**") as answered:
        page.locator(f"{LOGS} .execute").click()
    assert answered.value.status == 401


@pytest.fixture
def expected() -> list[str]:
    """The console says that a call without the token was refused."""
    return ["status of 401"]


def test_nothing_keeps_people_out(page: Page, desk: Desk, axe: str) -> None:
    page.goto(desk.url)
    assert barriers(page, axe) == []
    page.goto(f"{desk.url}/docs/")
    operation(page, SEND)
    operation(page, LOGS)
    assert barriers(page, axe) == []
    page.get_by_role("button", name="Authorize").first.click()
    expect(page.locator(".close-modal")).to_be_visible()
    assert barriers(page, axe) == []
