"""What people lost on the dashboard, repeated in a real browser."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser import WIDE
from tests.dashboard.scene import Desk, enter, rows, stage
from tests.factories import event_send
from tests.sheet import rows_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

REFUSED = "the server responded with a status of"
GONE = "net::ERR_"
USER_ID = "US.13491208655302741918"
GROUP_ID = "120363025246125486"
UNUSED = count(20_000)
GROW = """async () => {
  const added = document.createElement('div');
  added.style.height = '10.4px';
  document.querySelector('main .title').after(added);
  for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
}"""
"""Has the page grow above its lists, and waits until it has been drawn."""


def live(page: Page) -> None:
    """Waits until changes come in by themselves."""
    expect(page.locator(".connection")).to_have_text("Live")


def look_for(page: Page, text: str) -> None:
    page.get_by_role("searchbox").fill(text)
    page.get_by_role("searchbox").press("Enter")


def arrivals(page: Page, number: int) -> Locator:
    """The button that says how many messages wait."""
    noun = "message" if number == 1 else "messages"
    return page.get_by_role("button", name=f"{number} new {noun}")


class TestSearch:
    """People look for a number as they copied it, and for the ids that answers have."""

    @pytest.fixture(autouse=True)
    def asked(self, expected: list[str]) -> None:
        """The typed text is no message's id, and the console calls that answer an error."""
        expected.append(REFUSED)

    @pytest.mark.parametrize("recipient", [USER_ID, GROUP_ID])
    def test_a_recipient_without_a_phone_number_is_found(
        self, page: Page, desk: Desk, recipient: str
    ) -> None:
        """The page refused to look for somebody who is known by a username alone."""
        number = 8000 + len(recipient)
        desk.send([number], event_id="event-search", wa_id=recipient, guest_name="By an id")
        enter(page, desk)
        look_for(page, recipient)
        expect(page.get_by_role("heading", level=1)).to_have_text(recipient)
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_contain_text("By an id")

    @pytest.mark.parametrize(
        "number",
        [
            "+91 98765 00007",
            "+91\u201198765\u201100007",
            "[+91] (98765) 00.007",
            "\u200e+91 98765 00007",
            "\u2068919876500007\u2069",
            "'919876500007",
            '"+91-98765-00007"',
            "91/98765/00007",
            "+91\u221298765\u221200007",
            "\u202a+91\u00a098765\u00a000007\u202c",
            "\u0669\u0661\u0669\u0668\u0667\u0666\u0665\u0660\u0660\u0660\u0660\u0667",
        ],
    )
    def test_a_number_is_found_however_it_was_copied(
        self, page: Page, desk: Desk, number: str
    ) -> None:
        """The service took a hyphen that doesn't break, and the page said that it is no number."""
        enter(page, desk)
        look_for(page, number)
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_contain_text("919876500007")

    def test_a_message_is_found_by_its_id(self, page: Page, desk: Desk) -> None:
        """Ids are opaque: one that doesn't begin with wamid. was said to be none."""
        desk.send([8100], event_id="event-search", template_wamid="gBEGkYiEB1VXAglK/1Q=")
        enter(page, desk)
        look_for(page, " gBEGkYiEB1VXAglK/1Q= ")
        expect(page.get_by_role("dialog").locator(".timeline li")).to_have_count(1)

    def test_what_the_service_refuses_is_said_in_its_words(self, page: Page, desk: Desk) -> None:
        """The page had a sentence of its own, which forbade what the service takes."""
        enter(page, desk)
        with page.expect_response("**/message-logs/?recipient_id=**") as refused:
            look_for(page, "12")
        assert refused.value.status == 400
        expect(page.get_by_role("alert")).to_have_text(refused.value.json()["error"])

    def test_what_is_not_found_is_said_where_it_was_typed(self, page: Page, desk: Desk) -> None:
        enter(page, desk, "#event=event-1")
        look_for(page, "US.nobody")
        expect(page.get_by_role("alert")).to_contain_text("Nothing is found")
        expect(page.get_by_role("searchbox")).to_have_value("US.nobody")
        expect(page.get_by_role("heading", level=1)).to_have_text("event-1")

    def test_it_is_said_that_the_service_does_not_answer(
        self, page: Page, desk: Desk, expected: list[str]
    ) -> None:
        expected.append(GONE)
        enter(page, desk)
        expect(rows(page).first).to_be_visible()
        page.route("**/messages/**", lambda route: route.abort())
        look_for(page, "919876500007")
        alert = page.get_by_role("search").get_by_role("alert")
        expect(alert).to_have_text("The service does not answer.")

    def test_whose_a_message_is_the_service_says(self, page: Page, desk: Desk) -> None:
        """The page had a rule of its own: numbers that end alike were one person's."""
        desk.send([8200], event_id="event-search", wa_id="9198760082", guest_name="Asked for")
        page.clock.install()
        enter(page, desk, "#recipient=9198760082")
        expect(rows(page)).to_have_count(1)
        live(page)
        desk.send([8201], event_id="event-search", wa_id="999198760082", guest_name="Of another")
        desk.send([8202], event_id="event-search", wa_id="9198760082", guest_name="Once more")
        expect(rows(page)).to_have_count(2)
        page.clock.fast_forward(6_000)  # what the page isn't sure of it has asked for by then
        expect(rows(page).first).to_contain_text("Once more")


class TestListsStayStill:
    """Of eight clicks six opened another person's message: the rows had moved meanwhile."""

    @pytest.fixture
    def numbers(self) -> Iterator[int]:
        """Numbers of messages that no other test has."""
        return UNUSED

    def test_the_row_under_the_pointer_is_the_one_that_opens(
        self, page: Page, desk: Desk, numbers: Iterator[int]
    ) -> None:
        for name in ("Anna", "Bruno", "Carla"):
            desk.send([next(numbers)], event_id="event-aim", guest_name=name)
        enter(page, desk, "#event=event-aim")
        live(page)
        aimed = rows(page).filter(has_text="Bruno")
        aimed.hover()
        place = aimed.bounding_box()
        desk.send([next(numbers) for _ in range(3)], event_id="event-aim", guest_name="Late")
        expect(arrivals(page, 3)).to_be_visible()
        assert aimed.bounding_box() == place
        page.mouse.down()
        page.mouse.up()
        expect(page.get_by_role("dialog").get_by_role("heading", level=2)).to_have_text("Bruno")

    def test_rows_that_are_shown_change_in_their_place(
        self, page: Page, desk: Desk, numbers: Iterator[int]
    ) -> None:
        shown = [next(numbers), next(numbers)]
        desk.send(shown, event_id="event-place")
        enter(page, desk, "#event=event-place")
        live(page)
        rows(page).first.hover()
        desk.report(shown[:1], "read")
        desk.send([next(numbers)], event_id="event-place")
        expect(rows(page).last.locator(".status")).to_contain_text("Read")
        expect(arrivals(page, 1)).to_be_visible()
        expect(rows(page)).to_have_count(2)

    def test_a_row_that_no_longer_belongs_stays_until_the_pointer_has_left(
        self, page: Page, desk: Desk, numbers: Iterator[int]
    ) -> None:
        shown = [next(numbers), next(numbers)]
        desk.send(shown, event_id="event-belong")
        enter(page, desk, "#event=event-belong")
        live(page)
        page.get_by_role("group", name="Status").get_by_role("button", name="Sent").click()
        expect(rows(page)).to_have_count(2)
        rows(page).last.hover()
        desk.report(shown[1:], "delivered")
        expect(rows(page).first.locator(".status")).to_contain_text("Delivered")
        expect(rows(page)).to_have_count(2)
        page.mouse.move(0, 0)
        expect(rows(page)).to_have_count(1)

    def test_what_waits_comes_at_a_press_or_when_the_pointer_has_left(
        self, page: Page, desk: Desk, numbers: Iterator[int]
    ) -> None:
        desk.send([next(numbers)], event_id="event-wait", guest_name="First")
        enter(page, desk, "#event=event-wait")
        live(page)
        rows(page).first.hover()
        desk.send([next(numbers)], event_id="event-wait", guest_name="Second")
        arrivals(page, 1).click()
        expect(rows(page).first).to_contain_text("Second")
        expect(rows(page).first.get_by_role("link")).to_be_focused()
        rows(page).first.hover()
        desk.send([next(numbers)], event_id="event-wait", guest_name="Third")
        expect(arrivals(page, 1)).to_be_visible()
        page.mouse.move(0, 0)
        expect(rows(page).first).to_contain_text("Third")
        expect(arrivals(page, 1)).to_have_count(0)

    def test_more_of_the_old_ones_come_at_once(
        self, page: Page, desk: Desk, numbers: Iterator[int]
    ) -> None:
        """They come after the shown rows, so they move nothing."""
        desk.send([next(numbers) for _ in range(120)], event_id="event-more")
        enter(page, desk, "#event=event-more")
        live(page)
        rows(page).last.hover()
        desk.send([next(numbers)], event_id="event-more")
        expect(arrivals(page, 1)).to_be_visible()
        page.get_by_role("button", name="Show more").press("Enter")
        expect(rows(page)).to_have_count(99)

    def test_the_keyboard_keeps_its_row(
        self, page: Page, desk: Desk, numbers: Iterator[int]
    ) -> None:
        for name in ("Anna", "Bruno", "Carla"):
            desk.send([next(numbers)], event_id="event-keys", guest_name=name)
        enter(page, desk, "#event=event-keys")
        live(page)
        expect(rows(page)).to_have_count(3)  # before that a Tab would lead elsewhere
        page.get_by_role("button", name="Failed", exact=True).focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        bruno = rows(page).filter(has_text="Bruno").get_by_role("link")
        expect(bruno).to_be_focused()
        desk.send([next(numbers)], event_id="event-keys", guest_name="Late")
        expect(arrivals(page, 1)).to_be_visible()
        page.keyboard.press("Tab")
        expect(rows(page).filter(has_text="Anna").get_by_role("link")).to_be_focused()
        expect(rows(page)).to_have_count(3)
        page.keyboard.press("Tab")
        expect(rows(page)).to_have_count(4)

    def test_a_list_that_was_just_touched_waits(
        self, browser: Browser, desk: Desk, numbers: Iterator[int]
    ) -> None:
        context = browser.new_context(viewport=WIDE, has_touch=True, is_mobile=True)
        page = context.new_page()
        desk.send([next(numbers) for _ in range(3)], event_id="event-touch")
        page.clock.install()
        enter(page, desk, "#event=event-touch")
        live(page)
        page.get_by_role("heading", name="Latest messages").tap()
        desk.send([next(numbers)], event_id="event-touch")
        expect(arrivals(page, 1)).to_be_visible()
        expect(rows(page)).to_have_count(3)
        page.clock.fast_forward(11_000)
        expect(rows(page)).to_have_count(4)
        context.close()

    def test_a_list_is_where_it_was_when_a_message_is_closed(
        self, page: Page, desk: Desk, numbers: Iterator[int]
    ) -> None:
        desk.send([next(numbers), next(numbers)], event_id="event-open")
        enter(page, desk, "#event=event-open")
        live(page)
        rows(page).first.get_by_role("link").press("Enter")
        dialog = page.get_by_role("dialog")
        expect(dialog.locator(".timeline li")).to_have_count(1)
        desk.send([next(numbers)], event_id="event-open")
        expect(stage(page, "sent")).to_have_text("3")
        expect(rows(page)).to_have_count(2)
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(arrivals(page, 1)).to_be_visible()

    def test_the_events_keep_their_order_under_the_pointer(
        self, page: Page, desk: Desk, numbers: Iterator[int]
    ) -> None:
        desk.send([next(numbers)], event_id="event-lower")
        desk.send([next(numbers)], event_id="event-upper")
        enter(page, desk)
        live(page)
        upper = page.get_by_role("link", name="event-upper")
        upper.hover()
        place = upper.bounding_box()
        desk.send([next(numbers)], event_id="event-lower")
        lower = page.get_by_role("link", name="event-lower")
        expect(lower).to_contain_text("2 messages")
        assert upper.bounding_box() == place
        page.mouse.move(0, 0)
        names = page.locator(".pick-name")
        expect(names.first).to_have_text("event-lower")

    def test_a_row_stays_where_it_is_when_what_stands_above_it_grows(
        self, page: Page, desk: Desk, numbers: Iterator[int], expected: list[str]
    ) -> None:
        """The first delivery brought a curve, the first failure a group: the list went down."""
        expected += [GONE, REFUSED]
        shown = [next(numbers) for _ in range(30)]
        desk.send(shown, event_id="event-above")
        enter(page, desk, "#event=event-above")
        live(page)
        row = rows(page).nth(2)
        row.hover()
        place = row.bounding_box()
        assert place
        desk.report(shown[:1], "delivered")
        expect(page.locator(".chart canvas")).to_be_visible()
        desk.fail(shown[1], "131000")
        expect(page.locator(".group.now")).to_be_visible()
        page.route("**/message-stats/**", lambda route: route.abort())
        desk.report(shown[2:3], "delivered")
        expect(page.get_by_text("These numbers are from")).to_be_visible()
        now = row.bounding_box()
        assert now
        assert abs(now["y"] - place["y"]) < 1, "a page scrolls by whole pixels"

    def test_nor_do_many_small_changes_move_it(
        self, page: Page, desk: Desk, numbers: Iterator[int]
    ) -> None:
        """The page scrolls by whole pixels: of each change a part of one was left over."""
        desk.send([next(numbers) for _ in range(30)], event_id="event-small")
        enter(page, desk, "#event=event-small")
        live(page)
        row = rows(page).nth(2)
        row.hover()
        place = row.bounding_box()
        for _ in range(10):
            page.evaluate(GROW)
        now = row.bounding_box()
        assert now
        assert place
        assert abs(now["y"] - place["y"]) < 1

    @pytest.mark.parametrize(("before", "code"), [(1, "131000"), (2, "131049")])
    def test_a_new_code_does_not_push_others_away(
        self, page: Page, desk: Desk, numbers: Iterator[int], before: int, code: str
    ) -> None:
        """Somebody was about to download one list, and got another."""
        shown = [next(numbers) for _ in range(before)]
        last = next(numbers)
        event_id = f"event-code-{code}"
        desk.send([*shown, last], event_id=event_id)
        desk.fail_all(shown, "131026")
        enter(page, desk, f"#event={event_id}")
        live(page)
        button = page.get_by_role("button", name="CSV of code 131026")
        expect(page.locator(".code-count")).to_have_text(str(before))
        button.hover()
        place = button.bounding_box()
        # The last class that is counted:
        with page.expect_response("**/failures/*count=true*class=never*"):
            desk.fail(last, code)
        expect(stage(page, "failed")).to_have_text(str(before + 1))
        more = page.get_by_role("button", name="1 new code")
        expect(more).to_be_visible()
        assert button.bounding_box() == place
        more.click()
        expect(page.locator(".desk h3").first).to_contain_text("Send again")
        expect(page.locator(".code-number").first).to_have_text(code)


class TestWhoseClock:
    def test_a_send_that_names_no_time_has_the_one_of_the_service(
        self, page: Page, desk: Desk
    ) -> None:
        """A message that Meta had never mentioned was said to be sent by Meta's clock."""
        desk.send([8300], event_id="event-clock")
        enter(page, desk, "#message=wamid.8300")
        step = page.get_by_role("dialog").locator(".timeline li")
        expect(step).to_have_count(1)
        expect(step).to_contain_text("by this service’s clock")
        expect(step).not_to_contain_text("Meta")
        expect(step.locator("time")).to_have_count(1)

    def test_a_time_that_was_reported_is_told_from_when_the_service_heard_of_it(
        self, page: Page, desk: Desk
    ) -> None:
        desk.send([8301], event_id="event-clock")
        desk.report([8301], "delivered")
        enter(page, desk, "#message=wamid.8301")
        step = page.get_by_role("dialog").locator(".timeline li.delivered")
        expect(step).to_contain_text("as it was reported")
        expect(step).to_contain_text("received here")
        expect(step.locator("time")).to_have_count(2)


def test_delivered_is_one_number(page: Page, desk: Desk) -> None:
    """Where Meta left `delivered` out the page said 3 here, and "1 that were delivered" there."""
    desk.send(range(8400, 8403), event_id="event-left-out")
    desk.report([8400], "delivered")
    desk.report([8401, 8402], "read")
    enter(page, desk, "#event=event-left-out")
    expect(stage(page, "delivered")).to_have_text("3")
    words = page.locator(".timing-words")
    expect(words).to_contain_text("known for 1 of the 3 that were delivered")
    expect(words).to_contain_text("known for all of the 2 that were read")


def reason(page: Page, code: str) -> Locator:
    """What the summary says of a code."""
    return page.locator("li.code").filter(has_text=code).locator(".code-text strong")


class TestReasons:
    """The rows had Meta's words for what the summary said in ours."""

    def test_a_row_says_what_the_summary_says(self, page: Page, desk: Desk) -> None:
        enter(page, desk, "#event=event-1")
        said = reason(page, "131000").inner_text()
        page.get_by_role("button", name="Failed", exact=True).click()
        expect(rows(page).filter(has_text=said)).to_have_count(3)
        page.goto(f"{desk.url}/dashboard/#event=event-1&message=wamid.110")
        expect(page.get_by_role("dialog").locator(".failure strong").first).to_have_text(said)

    def test_so_does_the_row_of_a_recipient(self, page: Page, desk: Desk) -> None:
        enter(page, desk, "#event=event-1")
        said = reason(page, "131000").inner_text()
        page.goto(f"{desk.url}/dashboard/#recipient=919876500110")
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_contain_text(said)

    def test_of_a_code_that_nobody_knows_metas_title_is_said(self, page: Page, desk: Desk) -> None:
        """The summary said "Not known here", though the title is in the record."""
        enter(page, desk, "#event=event-1")
        expect(reason(page, "999999")).to_have_text("Title")
        page.get_by_role("button", name="Failed", exact=True).click()
        expect(rows(page).filter(has_text="Title")).to_have_count(1)

    def test_nothing_is_said_before_it_is_known(self, page: Page, desk: Desk) -> None:
        """Meta's title was on its way, and meanwhile Meta had given no reason."""
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        page.route("**/failures/*code=999999*", hold)
        with page.expect_request("**/failures/*code=999999*"):
            enter(page, desk, "#event=event-1")
        code = reason(page, "999999")
        expect(code).to_have_text("")
        [asked] = held
        asked.continue_()
        expect(code).to_have_text("Title")


class TestManyCodes:
    """2,500 codes made a page of 155,000 pixels."""

    def test_the_first_twenty_are_shown_and_the_rest_is_counted(
        self, page: Page, desk: Desk
    ) -> None:
        desk.send(range(31_000, 31_061), event_id="event-codes")
        for number in range(31_000, 31_060):
            desk.fail(number, str(700_000 + number))
        desk.fail(31_060, str(700_000 + 31_000))
        enter(page, desk, "#event=event-codes")
        codes = page.locator("li.code")
        expect(codes).to_have_count(20)
        rest = page.locator(".rest")
        expect(rest).to_contain_text("and 40 more codes, with which 40 messages failed.")
        page.get_by_role("button", name="Show 40 more").click()
        expect(codes).to_have_count(60)
        expect(rest).to_have_count(0)

    def test_however_many_there_are_the_page_has_an_end(self, page: Page, desk: Desk) -> None:
        codes = range(100_000, 102_500)
        groups = [
            {"code": str(code), "count": 2, "meaning": None, "remedy": None, "class": "unknown"}
            for code in codes
        ]

        def answer(route: Route) -> None:
            answered = route.fetch()
            route.fulfill(response=answered, json=answered.json() | {"failures": groups})

        page.route("**/message-stats/**", answer)
        page.route(
            "**/failures/**",
            lambda route: route.fulfill(json={"failures": groups, "recipients": []}),
        )
        enter(page, desk, "#event=event-1")
        page.get_by_role("button", name="Show 80 more").click()
        expect(page.locator("li.code")).to_have_count(100)
        rest = page.locator(".rest")
        expect(rest).to_contain_text("and 2,400 more codes, with which 4,800 messages failed.")
        expect(rest.get_by_role("button")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollHeight") < 12_000


class TestTheServiceIsAway:
    """Pressing the button did nothing, and the page didn't say why."""

    @pytest.fixture(autouse=True)
    def cut(self, expected: list[str]) -> None:
        expected += [GONE, REFUSED]

    def test_older_messages_say_that_they_could_not_be_loaded(self, page: Page, desk: Desk) -> None:
        desk.send(range(32_000, 32_230), event_id="event-older")
        enter(page, desk, "#event=event-older")
        live(page)
        for number in (100, 200):
            page.get_by_role("button", name="Show more").click()
            expect(rows(page)).to_have_count(number)
        page.route("**/message-logs/**", lambda route: route.abort())
        page.get_by_role("button", name="Older messages").click()
        alert = page.locator(".messages").get_by_role("alert")
        expect(alert).to_contain_text("The older messages could not be loaded.")
        expect(alert).to_contain_text("The service does not answer.")
        page.unroute("**/message-logs/**")
        alert.get_by_role("button", name="Try again").click()
        expect(rows(page)).to_have_count(30)
        expect(alert).to_have_count(0)

    @pytest.mark.parametrize(
        ("path", "place", "button"),
        [("message-logs", ".messages", "Show more"), ("failures", ".recipients", "Show more")],
    )
    def test_so_does_a_list_that_shall_show_more(
        self, page: Page, desk: Desk, path: str, place: str, button: str
    ) -> None:
        event_id = f"event-more-{path}"
        numbers = range(33_000, 33_060) if path == "failures" else range(33_100, 33_160)
        desk.send(numbers, event_id=event_id)
        if path == "failures":
            desk.fail_all(numbers, "131000")
        enter(page, desk, f"#event={event_id}")
        live(page)
        if path == "failures":
            page.get_by_role("button", name="Recipients with code 131000").click()
        asked = page.locator(place).get_by_role("button", name=button)
        expect(asked).to_be_visible()
        page.route(f"**/{path}/**", lambda route: route.abort())
        asked.click()
        alert = page.locator(place).get_by_role("alert")
        expect(alert).to_contain_text("The service does not answer.")
        page.unroute(f"**/{path}/**")
        expect(alert).to_have_count(0, timeout=20_000)

    def test_a_curve_that_cannot_be_drawn_is_said(self, page: Page, desk: Desk) -> None:
        page.route("**/vendor/uplot.js", lambda route: route.abort())
        enter(page, desk, "#event=event-1")
        alert = page.locator(".timing").get_by_role("alert")
        expect(alert).to_contain_text("The curve could not be drawn.")

    def test_an_answer_that_breaks_off_is_asked_for_again(self, page: Page, desk: Desk) -> None:
        """For half an answer the page showed the browser's error, and never asked again."""
        page.route(
            "**/message-stats/**",
            lambda route: route.fulfill(body='{"total":', content_type="application/json"),
        )
        enter(page, desk, "#event=event-1")
        expect(page.locator("main").get_by_role("alert")).to_contain_text("answer broke off")
        page.unroute("**/message-stats/**")
        expect(stage(page, "sent")).to_have_text("120", timeout=20_000)


class TestNumberListAndFile:
    """The page said 1, and the list of those to send to again was empty."""

    def test_they_are_of_the_same_people(self, page: Page, desk: Desk, downloads: Path) -> None:
        """A family shares a phone: Asha's message failed, Ravi's came, Dev was sent his again."""
        for number, name in ((34_000, "Asha"), (34_001, "Ravi"), (34_002, "Dev")):
            desk.send([number], event_id="event-family", wa_id="919876570001", guest_name=name)
        for number in (34_000, 34_002):
            desk.fail(number, "131056")
        desk.report([34_001], "delivered")
        again = event_send(34_002, event_id="event-family", wa_id="919876570001", guest_name="Dev")
        desk.post("track-send", again | {"template_wamid": "wamid.34002-again"})
        enter(page, desk, "#event=event-family")
        group = page.locator(".group.later")
        expect(group.locator("h3 .badge")).to_have_text("1")
        expect(group.locator(".code-count")).to_have_text("1 of 2")
        page.get_by_role("button", name="Recipients with code 131056").click()
        listed = page.locator("#code-131056 li")
        expect(listed).to_have_count(1)
        expect(listed).to_contain_text("Asha")
        for button in ("Download list of Send again later", "CSV of code 131056"):
            with page.expect_download() as saving:
                page.get_by_role("button", name=button).click()
            saving.value.save_as(downloads / "list.csv")
            text = (downloads / "list.csv").read_text(encoding="utf-8-sig")
            assert [row["guest_name"] for row in rows_in(text)] == ["Asha"]

    def test_a_list_goes_on_behind_those_who_were_sent_it_again(
        self, page: Page, desk: Desk
    ) -> None:
        """The first page of the list left out all of its people, and so the list was empty."""
        numbers = range(35_000, 35_240)
        desk.send(numbers, event_id="event-again")
        desk.fail_all(numbers, "131000")
        for first in (35_010, 35_125):
            again = [event_send(n, event_id="event-again") for n in range(first, first + 115)]
            for body in again:
                body["template_wamid"] += "-again"
            desk.post("track-send/batch", {"messages": again})
        enter(page, desk, "#event=event-again")
        expect(page.locator(".code-count")).to_have_text("10 of 240")
        page.get_by_role("button", name="Recipients with code 131000").click()
        expect(page.locator("#code-131000 li")).to_have_count(10)

    def test_a_number_that_is_not_known_is_not_made_up(self, page: Page, desk: Desk) -> None:
        def answer(route: Route) -> None:
            url = route.request.url.replace("count=true", "count=false")
            answered = route.fetch(url=url)
            groups = [group | {"listed": None} for group in answered.json()["failures"]]
            route.fulfill(response=answered, json=answered.json() | {"failures": groups})

        page.route("**/failures/*count=true*", answer)
        enter(page, desk, "#event=event-1")
        group = page.locator(".group.now")
        expect(group).to_contain_text("How many messages these are now is not known")
        expect(group.locator("h3 .badge")).to_have_text("?")
        expect(group.get_by_role("button", name="Download what to send again")).to_be_enabled()
