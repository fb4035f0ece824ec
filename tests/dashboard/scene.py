"""What the dashboard's tests report to the service, and how they open the page."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page

from tests.conftest import TOKEN
from tests.factories import event_send, status_update

API = "/api/webhooks"
EVENTS = {"event-1": 120, "event-2": 60}
"""How many messages each has."""
CODES = {"131026": 6, "131049": 4, "131000": 3, "132015": 2, "999999": 1}
"""How many of event-1 failed with each code."""
HOSTILE = '<img src=x onerror="console.error(1)">'
"""The name of the guest of message 0."""
HREF = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"


class Desk:
    """The service, as the sending application and Meta see it.

    Args:
        url: of the service.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def post(self, path: str, body: object) -> None:
        """Reports something, which has to be taken."""
        address = urlsplit(self.url)
        assert address.hostname
        connection = HTTPConnection(address.hostname, address.port, timeout=20)
        try:
            headers = {"X-Webhook-Token": TOKEN, "Content-Type": "application/json"}
            connection.request("POST", f"{API}/{path}/", json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
            assert response.status == 200, text
            assert json.loads(text)["ok"] is True, text
        finally:
            connection.close()

    def send(self, numbers: Iterable[int], **fields: str) -> None:
        """Messages of these numbers were sent."""
        self.post("track-send/batch", {"messages": [event_send(n, **fields) for n in numbers]})

    def report(self, numbers: Iterable[int], status: str, *, after_s: int = 5) -> None:
        """Messages of these numbers reached a status, so long after now."""
        at = (datetime.now(UTC) + timedelta(seconds=after_s)).isoformat()
        updates = [status_update(n, status, timestamp=at) for n in numbers]
        self.post("message-status/batch", {"updates": updates})

    def fail(self, number: int, code: str, href: str = HREF) -> None:
        """A message failed, as Meta's webhook says it."""
        self.fail_all([number], code, href)

    def fail_all(self, numbers: Iterable[int], code: str, href: str = HREF) -> None:
        """Messages failed for one reason, as Meta's webhook says it."""
        error = {"code": int(code), "title": "Title", "href": href}
        error["error_data"] = {"details": f"Details of {code}."}
        failed = {"status": "failed", "errors": [error]}
        failed["timestamp"] = str(int(datetime.now(UTC).timestamp()) + 5)
        self.from_meta(
            *(failed | {"id": f"wamid.{n}", "recipient_id": f"9198765{n:05}"} for n in numbers)
        )

    def from_meta(self, *statuses: Mapping[str, object]) -> None:
        """Statuses come by Meta's webhook."""
        value = {"messaging_product": "whatsapp", "metadata": {}, "statuses": statuses}
        entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
        self.post("whatsapp", {"object": "whatsapp_business_account", "entry": [entry]})


def fill(desk: Desk) -> None:
    """Of event-1's 120 messages 16 failed, 60 were read, 24 delivered, and 20 are on their way."""
    desk.send(range(1000, 1060), event_id="event-2", template_name="travel_update")
    desk.send(range(1, 120))
    desk.send([0], guest_name=HOSTILE)
    desk.report(range(1, 85), "delivered")
    desk.report(range(1, 61), "read", after_s=90)
    failing = iter(range(100, 116))
    for code, number in CODES.items():
        for _ in range(number):
            desk.fail(next(failing), code, "javascript:alert(1)" if code == "999999" else HREF)


def enter(page: Page, desk: Desk, hash_: str = "") -> None:
    """Opens the page in a tab that has the token already."""
    page.add_init_script(f"sessionStorage.setItem('message-tracker-token', '{TOKEN}')")
    page.goto(f"{desk.url}/dashboard/{hash_}")


def sign_in(page: Page, token: str = TOKEN) -> None:
    """Gives the token to the page that asks for it."""
    page.get_by_label("Token").fill(token)
    page.get_by_label("Token").press("Enter")


def stage(page: Page, name: str) -> Locator:
    """The number of messages that came as far as this."""
    return page.locator(f".stages li.{name} strong")


def rows(page: Page) -> Locator:
    """The messages in the list."""
    return page.locator(".rows .row")


def barriers(page: Page, axe: str) -> list[str]:
    """What keeps some people out, where that is serious or critical.

    In dark the colours alone are looked at again: nothing else differs.
    """
    page.evaluate(axe)
    found = []
    schemes: dict[Literal["light", "dark"], list[str]] = {"light": [], "dark": ["color-contrast"]}
    for scheme, rules in schemes.items():
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        options = {"resultTypes": ["violations"], "preload": False}
        options |= {"runOnly": rules} if rules else {}
        result: dict[str, Any] = page.evaluate("options => axe.run(document, options)", options)
        found += [
            f"{scheme}: {each['id']}: {[node['html'] for node in each['nodes']]}"
            for each in result["violations"]
            if each["impact"] in {"serious", "critical"}
        ]
    return found


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))
