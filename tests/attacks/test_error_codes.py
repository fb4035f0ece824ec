"""An error code may be any text: one without a blank in it ran over what stands beside it."""

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.scene import Desk, enter, overflow
from tests.factories import event_send, status_update

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.mark.parametrize("width", [360, 1280])
def test_a_long_error_code_stays_in_its_place(page: Page, desk: Desk, width: int) -> None:
    """It lay over the buttons, so nobody could press them."""
    number = 9000 + width
    event = f"codes-{width}"
    error = {"code": "x" * 400, "title": "Title"}
    desk.post("track-send", event_send(number, event_id=event))
    desk.post("message-status", status_update(number, "failed", errors=[error]))
    page.set_viewport_size({"width": width, "height": 800})
    enter(page, desk, f"#event={event}")
    page.get_by_role("button", name="Recipients with other codes").click()
    code = page.locator(".recipients .code-number")
    expect(code).to_have_text("x" * 400)
    assert overflow(page) <= 0
    assert _is_within(page, ".recipients .code-number", ".recipients")
    page.goto(f"{desk.url}/dashboard/#event={event}&message=wamid.{number}")
    expect(page.locator("dialog .code-number")).to_have_text("x" * 400)
    assert _is_within(page, "dialog .code-number", "dialog")


def _is_within(page: Page, inner: str, outer: str) -> bool:
    small, large = (page.locator(each).first.bounding_box() for each in (inner, outer))
    assert small
    assert large
    return small["x"] + small["width"] <= large["x"] + large["width"]
