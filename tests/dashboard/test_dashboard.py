"""The dashboard in a real browser, against the real service."""

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.conftest import TOKEN
from tests.dashboard.scene import (
    CODES,
    EVENTS,
    HOSTILE,
    HREF,
    Desk,
    barriers,
    enter,
    overflow,
    rows,
    sign_in,
    stage,
)
from tests.process import Service
from tests.servers import RedisServer, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

REFUSED = "the server responded with a status of"
GONE = "net::ERR_"
EVERYWHERE = "**/api/webhooks/**"


class TestToken:
    def test_it_is_asked_for_once_and_kept_for_the_tab(self, page: Page, desk: Desk) -> None:
        page.goto(f"{desk.url}/dashboard/")
        sign_in(page)
        expect(rows(page).first).to_be_visible()
        page.reload()
        expect(rows(page).first).to_be_visible()
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]

    def test_a_wrong_one_is_said_to_be_wrong(
        self, page: Page, desk: Desk, expected: list[str]
    ) -> None:
        expected.append(REFUSED)
        page.goto(f"{desk.url}/dashboard/")
        sign_in(page, "wrong")
        expect(page.get_by_role("alert")).to_contain_text("doesn’t accept this token")
        sign_in(page, f"{TOKEN}\u200b")  # which no header can carry
        expect(page.get_by_role("alert")).to_contain_text("doesn’t accept this token")
        sign_in(page)
        expect(rows(page).first).to_be_visible()

    def test_signing_out_forgets_it(self, page: Page, desk: Desk) -> None:
        enter(page, desk)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Token")).to_be_focused()
        assert page.evaluate("sessionStorage.length") == 0


class TestNumbers:
    def test_an_event_is_shown_as_it_is(self, page: Page, desk: Desk) -> None:
        enter(page, desk, "#event=event-1")
        expect(page.get_by_role("heading", level=1)).to_have_text("event-1")
        expect(stage(page, "sent")).to_have_text("120")
        expect(stage(page, "delivered")).to_have_text("84")
        expect(stage(page, "read")).to_have_text("60")
        expect(stage(page, "failed")).to_have_text("16")
        expect(page.locator(".stages li.read")).to_contain_text("50%")
        expect(page.locator(".awaiting .figure strong")).to_have_text("20")
        expect(page.locator(".timing-words")).to_contain_text(
            "known for all of the 84 that were delivered"
        )
        expect(page.locator(".chart canvas")).to_be_visible()

    def test_what_is_picked_is_in_the_address(self, page: Page, desk: Desk) -> None:
        enter(page, desk)
        nav = page.get_by_role("navigation")
        nav.get_by_role("link", name="event-2").click()
        expect(stage(page, "sent")).to_have_text(str(EVENTS["event-2"]))
        nav.get_by_role("button", name="Templates").click()
        nav.get_by_role("link", name="rsvp_invite_v2").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("rsvp_invite_v2")
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("rsvp_invite_v2")
        expect(nav.get_by_role("link", name="rsvp_invite_v2")).to_have_attribute(
            "aria-current", "page"
        )
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("event-2")

    def test_an_event_without_messages_says_what_to_do(self, page: Page, desk: Desk) -> None:
        enter(page, desk, "#event=none")
        expect(page.locator("main")).to_contain_text("There are no messages of this event.")
        expect(page.locator("main")).to_contain_text("track-send")


class TestFailures:
    def test_they_are_in_groups_by_what_to_do(self, page: Page, desk: Desk) -> None:
        enter(page, desk, "#event=event-1")
        heads = page.locator(".desk h3")
        expect(heads).to_have_text(
            [
                "Send again now 3",
                "Send again later 4",
                "Fix first, then send again 2",
                "Look into these 1",
                "Don’t send again 6",
            ]
        )

    def test_recipients_of_a_code(self, page: Page, desk: Desk) -> None:
        enter(page, desk, "#event=event-1")
        page.get_by_role("button", name="Recipients with code 131000").click()
        listed = page.locator("#code-131000 li")
        expect(listed).to_have_count(CODES["131000"])
        expect(listed.first).to_contain_text("Details of 131000.")
        listed.first.get_by_role("link").click()
        expect(page.get_by_role("dialog")).to_contain_text("Details of 131000.")

    def test_an_open_list_changes(self, page: Page, desk: Desk) -> None:
        desk.send([1900, 1901], event_id="event-failing")
        desk.fail(1900, "131000")
        enter(page, desk, "#event=event-failing")
        page.get_by_role("button", name="Recipients with code 131000").click()
        expect(page.locator("#code-131000 li")).to_have_count(1)
        expect(page.locator(".connection")).to_have_text("Live")
        desk.fail(1901, "131000")
        expect(page.locator("#code-131000 li")).to_have_count(2)

    def test_what_to_send_again_is_a_file(self, page: Page, desk: Desk, downloads: Path) -> None:
        enter(page, desk, "#event=event-1")
        with page.expect_download() as saving:
            page.get_by_role("button", name="Download what to send again").click()
        saving.value.save_as(downloads / "list.csv")
        first, *lines, end = (downloads / "list.csv").read_text().splitlines()
        assert first.startswith("\ufeffrecipient_id,"), "Excel needs the mark"
        assert len(lines) == CODES["131000"]
        assert all("131000" in line for line in lines)
        assert end.startswith(f"# {len(lines)} rows,")
        assert saving.value.suggested_filename == "failures-event-1-now.csv"


class TestMessages:
    def test_ticks_are_the_guides_and_have_words(self, page: Page, desk: Desk) -> None:
        enter(page, desk, "#event=event-1")
        listed = page.get_by_role("group", name="Status")
        for name, ticks in {"Sent": "✓", "Delivered": "✓✓", "Read": "✓✓", "Failed": "✗"}.items():
            listed.get_by_role("button", name=name).click()
            status = rows(page).first.locator(".status")
            expect(status.locator(".tick")).to_have_text(ticks)
            expect(status).to_contain_text(name)

    def test_one_is_opened_and_closed_again(self, page: Page, desk: Desk) -> None:
        enter(page, desk, "#event=event-1")
        page.get_by_role("group", name="Status").get_by_role("button", name="Read").click()
        expect(rows(page)).to_have_count(50)
        link = rows(page).first.get_by_role("link")
        link.press("Enter")
        dialog = page.get_by_role("dialog")
        expect(dialog.locator(".timeline li")).to_have_count(3)
        expect(dialog.locator(".timeline li").last).to_contain_text("Read")
        expect(dialog).to_contain_text("rsvp_invite_v2")
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(link).to_be_focused()
        assert page.evaluate("location.hash") == "#event=event-1"

    def test_data_is_never_taken_for_html(self, page: Page, desk: Desk) -> None:
        enter(page, desk, "#message=wamid.0")
        expect(page.get_by_role("dialog").get_by_role("heading", level=2)).to_have_text(HOSTILE)

    def test_a_name_from_right_to_left_leaves_the_number_in_its_place(
        self, page: Page, desk: Desk
    ) -> None:
        desk.send([2500], event_id="event-right", guest_name="ليلى حداد")
        enter(page, desk, "#event=event-right")
        name, number = (
            rows(page).locator(f".row-who {part}").bounding_box() for part in ("strong", ".quiet")
        )
        assert name
        assert number
        assert name["x"] + name["width"] <= number["x"]

    def test_what_does_not_fit_is_told_in_the_readers_time(self, page: Page, desk: Desk) -> None:
        desk.send([2600], event_id="event-odd")
        desk.report([2600], "delivered")
        desk.fail(2600, "131000")
        enter(page, desk, "#message=wamid.2600")
        notice = page.get_by_role("dialog").locator(".notice li")
        expect(notice).to_contain_text("delivered at")
        expect(notice).not_to_contain_text("Z")

    def test_only_a_safe_link_is_a_link(self, page: Page, desk: Desk) -> None:
        enter(page, desk, "#message=wamid.100")
        link = page.get_by_role("dialog").get_by_role("link")
        expect(link).to_have_attribute("href", HREF)
        expect(link).to_have_attribute("rel", "noopener noreferrer")
        page.goto(f"{desk.url}/dashboard/#message=wamid.115")
        expect(page.get_by_role("dialog")).to_contain_text("javascript:alert(1)")
        expect(page.get_by_role("dialog").get_by_role("link")).to_have_count(0)

    def test_search(self, page: Page, desk: Desk, expected: list[str]) -> None:
        expected.append(REFUSED)  # no message has what was typed for its id
        enter(page, desk)
        field = page.get_by_role("searchbox")
        field.fill("+91 98765 00007")
        field.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("+91 98765 00007")
        expect(rows(page)).to_have_count(1)
        expect(field).to_have_value("")
        field.fill("wamid.7")
        field.press("Enter")
        expect(page.get_by_role("dialog").locator(".timeline li")).to_have_count(3)
        page.keyboard.press("Escape")
        field.fill("wamid.nobody")
        field.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("no message with this id is known")
        field.fill("12")
        expect(page.get_by_role("alert")).to_have_count(0)
        field.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("6 to 15 digits")

    def test_a_message_that_is_not_there_is_said(
        self, page: Page, desk: Desk, expected: list[str]
    ) -> None:
        expected.append(REFUSED)
        enter(page, desk, "#message=wamid.nobody")
        expect(page.get_by_role("dialog")).to_contain_text("No message with this id is known")

    def test_no_more_than_200_are_shown_at_once(self, page: Page, desk: Desk) -> None:
        desk.send(range(3000, 3230), event_id="event-many")
        enter(page, desk, "#event=event-many")
        expect(rows(page)).to_have_count(50)
        for number in (100, 200):
            page.get_by_role("button", name="Show more").click()
            expect(rows(page)).to_have_count(number)
        page.mouse.move(0, 0)
        desk.send([3999], event_id="event-many", guest_name="The very last")
        expect(rows(page).first).to_contain_text("The very last")
        expect(rows(page)).to_have_count(200)
        page.get_by_role("button", name="Older messages").click()
        expect(rows(page)).to_have_count(31)
        page.get_by_role("button", name="Latest messages").click()
        expect(rows(page)).to_have_count(50)


class TestLive:
    def test_a_status_is_seen_without_a_reload(self, page: Page, desk: Desk) -> None:
        desk.send([2000], event_id="event-live", guest_name="Live One")
        enter(page, desk, "#event=event-live")
        expect(page.locator(".connection")).to_have_text("Live")
        row = rows(page).filter(has_text="Live One")
        expect(row.locator(".status")).to_contain_text("Sent")
        desk.report([2000], "read")
        expect(row.locator(".status")).to_contain_text("Read")
        expect(stage(page, "read")).to_have_text("1")
        desk.send([2001], event_id="event-live", guest_name="Live Two")
        expect(rows(page).first).to_contain_text("Live Two")
        expect(stage(page, "sent")).to_have_text("2")

    def test_a_first_message_is_seen(self, page: Page, desk: Desk) -> None:
        enter(page, desk, "#event=event-first")
        expect(page.locator(".connection")).to_have_text("Live")
        desk.send([2100], event_id="event-first")
        expect(stage(page, "sent")).to_have_text("1")

    def test_an_open_message_changes(self, page: Page, desk: Desk) -> None:
        desk.send([2200], event_id="event-open")
        enter(page, desk, "#event=event-open&message=wamid.2200")
        expect(page.get_by_role("dialog").locator(".timeline li")).to_have_count(1)
        expect(page.locator(".connection")).to_have_text("Live")
        desk.report([2200], "delivered")
        expect(page.get_by_role("dialog").locator(".timeline li")).to_have_count(2)

    def test_of_a_groups_message_each_participant_is_shown(self, page: Page, desk: Desk) -> None:
        group: dict[str, object] = {"id": "wamid.group", "timestamp": str(int(time.time()))}
        group |= {"recipient_type": "group", "recipient_id": "group-1"}
        ada, ben = ({"recipient_participant_id": f"91987650000{n}"} for n in (1, 2))
        desk.from_meta(group | ada | {"status": "delivered"})
        enter(page, desk, "#message=wamid.group")
        listed = page.get_by_role("dialog").locator(".participants > li")
        expect(listed).to_have_count(1)
        expect(page.locator(".connection")).to_have_text("Live")
        errors = [{"code": 131026, "title": "Title"}]
        desk.from_meta(group | ben | {"status": "failed", "errors": errors})
        expect(listed).to_have_count(2)
        expect(listed.first).to_contain_text("919876500001")
        expect(listed.first.locator(".status")).to_contain_text("Delivered")
        expect(listed.last).to_contain_text("131026")
        head = page.get_by_role("dialog").locator(".message-status")
        expect(head).to_contain_text("Delivered template")

    def test_what_nobody_tells_of_is_asked_for_now_and_then(self, page: Page, desk: Desk) -> None:
        desk.send([2250, 2251], event_id="event-erased")
        page.clock.install()
        enter(page, desk, "#event=event-erased")
        expect(page.locator(".connection")).to_have_text("Live")
        page.clock.fast_forward(4_000)
        page.wait_for_timeout(500)  # what it asks for after the start has come
        desk.post("erase", {"event_id": "event-erased"})
        desk.send([2252], event_id="event-come")
        expect(stage(page, "sent")).to_have_text("2")
        page.clock.fast_forward(31_000)
        expect(page.get_by_text("There are no messages of this event.")).to_be_visible()
        expect(page.get_by_role("navigation").get_by_text("event-come")).to_be_visible()

    def test_a_row_leaves_a_list_where_it_no_longer_belongs(self, page: Page, desk: Desk) -> None:
        desk.send([2300, 2301], event_id="event-leave")
        enter(page, desk, "#event=event-leave")
        page.get_by_role("group", name="Status").get_by_role("button", name="Sent").click()
        expect(rows(page)).to_have_count(2)
        expect(page.locator(".connection")).to_have_text("Live")
        desk.report([2300], "delivered")
        expect(rows(page)).to_have_count(1)


class TestAfterACut:
    @pytest.fixture
    def service(self, redis_server: RedisServer, tmp_path: Path) -> Iterator[Service]:
        """One that may be ended and started again where it was."""
        with Service(
            tmp_path,
            TRACKER_AUTH__TOKENS=TOKEN,
            TRACKER_REDIS__URL=redis_server.url,
            TRACKER_HTTP__PORT=str(free_port()),
        ) as service:
            yield service

    def test_it_catches_up(self, page: Page, service: Service, expected: list[str]) -> None:
        expected += [GONE, REFUSED]
        desk = Desk(service.url)
        desk.send([2400], event_id="event-cut", guest_name="Before")
        enter(page, desk, "#event=event-cut")
        expect(page.locator(".connection")).to_have_text("Live")
        desk.report([2400], "delivered")
        expect(stage(page, "delivered")).to_have_text("1")
        page.route(EVERYWHERE, lambda route: route.abort())
        service.kill()
        expect(page.locator(".connection")).not_to_have_text("Live")
        expect(page.get_by_role("status").filter(has_text="These numbers are from")).to_be_visible()
        service.start()
        desk.send([2401], event_id="event-cut", guest_name="Meanwhile")
        desk.report([2400], "read")
        with page.expect_request("**/live/**") as asking:
            page.unroute_all()
        assert asking.value.header_value("Last-Event-ID")
        expect(rows(page).first).to_contain_text("Meanwhile")
        expect(stage(page, "read")).to_have_text("1")
        expect(stage(page, "sent")).to_have_text("2")
        expect(page.locator(".connection")).to_have_text("Live")

    def test_while_the_store_is_away_it_says_so_and_goes_on_trying(
        self, page: Page, desk: Desk, expected: list[str]
    ) -> None:
        expected += [GONE, REFUSED]
        sentence = "The store is not available."
        page.route("**/live/**", lambda route: route.abort())
        page.route(
            "**/message-stats/**",
            lambda route: route.fulfill(status=503, json={"ok": False, "error": sentence}),
        )
        page.goto(f"{desk.url}/dashboard/")
        sign_in(page)
        expect(page.locator("main").get_by_role("alert")).to_contain_text(sentence)
        page.unroute("**/message-stats/**")
        expect(rows(page).first).to_be_visible()


class TestForEverybody:
    def test_nothing_keeps_anybody_out(self, page: Page, desk: Desk, axe: str) -> None:
        page.goto(f"{desk.url}/dashboard/")
        assert barriers(page, axe) == [], "the token"
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        page.route("**/message-stats/**", hold)
        sign_in(page)
        expect(page.locator("main .skeleton").first).to_be_visible()
        assert barriers(page, axe) == [], "while it loads"
        for route in held:
            route.continue_()
        page.unroute_all()
        expect(rows(page).first).to_be_visible()
        expect(page.locator(".chart canvas")).to_be_visible()
        page.get_by_role("button", name="Recipients with code 131000").click()
        expect(page.locator("#code-131000 li").first).to_be_visible()
        page.get_by_text("The same as a table").click()
        assert barriers(page, axe) == [], "the numbers"
        page.goto(f"{desk.url}/dashboard/#event=event-1&message=wamid.100")
        expect(page.locator(".timeline li").first).to_be_visible()
        assert barriers(page, axe) == [], "a message"
        page.goto(f"{desk.url}/dashboard/#event=none")
        expect(page.locator(".empty")).to_be_visible()
        assert barriers(page, axe) == [], "no messages"
        page.goto(f"{desk.url}/dashboard/#recipient=919876500007")
        expect(rows(page)).to_have_count(1)
        assert barriers(page, axe) == [], "a recipient"
        desk.send([2700], event_id="event-held")
        page.goto(f"{desk.url}/dashboard/#event=event-held")
        expect(rows(page)).to_have_count(1)
        rows(page).first.hover()
        desk.send([2701], event_id="event-held")
        expect(page.get_by_role("button", name="1 new message")).to_be_visible()
        assert barriers(page, axe) == [], "a list that is held"

    def test_nothing_does_when_something_is_wrong(
        self, page: Page, desk: Desk, axe: str, expected: list[str]
    ) -> None:
        expected += [GONE, REFUSED]
        page.route("**/message-stats/**", lambda route: route.fulfill(status=500, json={}))
        page.goto(f"{desk.url}/dashboard/")
        sign_in(page)
        expect(page.locator("main").get_by_role("alert")).to_be_visible()
        assert barriers(page, axe) == [], "no numbers"
        page.unroute_all()
        expect(rows(page).first).to_be_visible()
        page.route(EVERYWHERE, lambda route: route.abort())
        page.goto(f"{desk.url}/dashboard/#event=event-1")  # the same page: what it has goes on
        expect(page.locator(".connection")).to_have_text("Not connected")
        assert barriers(page, axe) == [], "no connection"

    def test_it_fits_a_phone(self, page: Page, desk: Desk) -> None:
        page.set_viewport_size({"width": 360, "height": 740})
        page.goto(f"{desk.url}/dashboard/")
        assert overflow(page) <= 0
        enter(page, desk)
        expect(rows(page).first).to_be_visible()
        expect(page.locator(".chart canvas")).to_be_visible()
        page.get_by_role("button", name="Recipients with code 131000").click()
        expect(page.locator("#code-131000 li").first).to_be_visible()
        assert overflow(page) <= 0
        page.get_by_role("button", name="Showing").click()
        page.get_by_role("link", name="event-1").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("event-1")
        page.goto(f"{desk.url}/dashboard/#event=event-1&message=wamid.100")
        expect(page.locator(".timeline li").first).to_be_visible()
        assert overflow(page) <= 0
        box = page.locator("dialog").bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360

    def test_a_keyboard_is_enough(self, page: Page, desk: Desk) -> None:
        """Every stop shows that it has the focus, they come in order, and none holds it."""
        page.goto(f"{desk.url}/dashboard/#event=event-1")
        page.keyboard.type(TOKEN)
        page.keyboard.press("Enter")
        expect(rows(page).first).to_be_visible()
        expect(page.locator(".chart canvas")).to_be_visible()
        stops = []
        page.evaluate("document.body.focus()")
        for _ in range(200):
            page.keyboard.press("Tab")
            stop = page.evaluate(FOCUSED)
            if stop is None:
                break
            assert stop["shown"], stop
            stops.append(stop["name"])
        assert page.evaluate(FOCUSED) is None, "the walk comes to an end"
        landmarks = [
            "Skip to the numbers",
            "Message tracker",
            "Phone number, user id or message id",
        ]
        landmarks += [
            "Find",
            "Sign out",
            "Everything",
            "Events",
            "The same as a table",
            "All",
            "Sent",
        ]
        places = [next(i for i, stop in enumerate(stops) if mark in stop) for mark in landmarks]
        assert places == sorted(places)
        page.keyboard.press("Tab")
        assert "Skip to the numbers" in page.evaluate(FOCUSED)["name"]
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


FOCUSED = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const label = at.labels?.[0]?.innerText ?? '';
  return {
    name: at.getAttribute('aria-label') ?? (label || at.innerText),
    shown: getComputedStyle(at).outlineStyle !== 'none',
  };
}"""


def test_a_script_in_the_page_is_not_run(page: Page, desk: Desk, expected: list[str]) -> None:
    expected.append("Content Security Policy")
    page.goto(f"{desk.url}/dashboard/")
    ran = page.evaluate(
        """() => new Promise((resolve) => {
          addEventListener('securitypolicyviolation', (e) => resolve(e.violatedDirective));
          window.ran = 0;
          const script = document.createElement('script');
          script.textContent = 'window.ran = 1';
          document.body.append(script);
          if (window.ran) resolve('it ran');
        })"""
    )
    assert ran == "script-src-elem"


def test_however_many_changes_come_it_asks_but_once_a_second(page: Page, desk: Desk) -> None:
    desk.send(range(4000, 4800), event_id="event-flood")
    enter(page, desk, "#event=event-flood")
    expect(page.locator(".connection")).to_have_text("Live")
    for status, after_s in (("delivered", 5), ("read", 60)):
        for first in range(4000, 4800, 50):
            desk.report(range(first, first + 50), status, after_s=after_s)
    expect(stage(page, "read")).to_have_text("800")
    expect(rows(page).first.locator(".status")).to_contain_text("Read")
    asked_ms = page.evaluate(ASKED_MS)
    assert len(asked_ms) > 1
    assert all(later - before > 900 for before, later in pairwise(asked_ms))


ASKED_MS = """performance.getEntriesByType('resource')
  .filter((entry) => entry.name.includes('message-stats')).map((entry) => entry.startTime)"""
