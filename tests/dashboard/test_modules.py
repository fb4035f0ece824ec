"""The page's modules by themselves, in the browser that they are for."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.dashboard.scene import Desk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

STREAM = (
    "retry: 2000\nevent: ready\ndata: {}\nid: a\n\n: ping\n\n"
    'data: {"n":"é"}\n\ndata:one\ndata: two\nid: b\n\nid: c\n\nid\n\nevent: x\n\ndata\n\n'
)
HEARD = [
    ["id", "a"],
    ["ready", "{}"],
    ["message", '{"n":"é"}'],
    ["id", "b"],
    ["message", "one\ntwo"],
    ["id", "c"],
    ["id", ""],
    ["message", ""],
]
PARSED = """async ([module, stream, ends]) => {
  const { parser } = await import(module);
  return [...Array(stream.length).keys()].map((cut) => {
    const heard = [];
    const onEvent = ({ type, data }) => heard.push([type, data]);
    const feed = parser(onEvent, (id) => heard.push(['id', id]));
    const text = stream.replaceAll('\\n', ends);
    feed(text.slice(0, cut));
    feed(text.slice(cut));
    return heard;
  });
}"""


@pytest.fixture(scope="module")
def modules(browser: Browser, desk: Desk) -> Iterator[Page]:
    """A page of the same origin, in a zone where the tests know the time."""
    with browser.new_context(timezone_id="UTC") as context:
        page = context.new_page()
        page.goto(f"{desk.url}/dashboard/")
        yield page


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_events_are_the_same_wherever_the_stream_is_cut(modules: Page, ends: str) -> None:
    """As the standard has it: an id counts without data too, an event doesn't."""
    every_cut = modules.evaluate(PARSED, ["./live.js", STREAM, ends])
    assert len(every_cut) == len(STREAM)
    assert all(heard == HEARD for heard in every_cut)


SAID = {
    "count(200000)": "200,000",
    "many(1, 'message')": "1 message",
    "share(0.8603)": "86%",
    "share(0.125)": "12.5%",
    "share(0)": "0%",
    "share(0.00001)": "<0.1%",
    "share(0.99999)": ">99.9%",
    "share(1)": "100%",
    "duration(2)": "2 s",
    "duration(90)": "1.5 min",
    "duration(3600)": "1 hour",
    "duration(43200)": "12 hours",
    "duration(604800)": "7 days",
    "within(8)": "within 8 s",
    "within(null)": "in over 30 days",
    "time('2026-01-15T10:30:05Z', new Date('2026-01-15T12:00:00Z'))": "10:30:05",
    "time('2026-01-15T10:30:05Z', new Date('2026-01-16T12:00:00Z'))": "15 Jan, 10:30",
    "time('2025-01-15T10:30:05Z', new Date('2026-01-16T12:00:00Z'))": "15 Jan 2025",
    "exactTime('2026-01-15T10:30:05Z', new Date('2026-01-15T12:00:00Z'))": "10:30:05",
    "exactTime('2026-01-15T10:30:05Z', new Date('2026-01-16T12:00:00Z'))": "15 Jan, 10:30:05",
    "exactTime('2025-01-15T10:30:05Z', new Date('2026-01-16T12:00:00Z'))": "15 Jan 2025, 10:30:05",
    "inLocalTimes('It was read at 2026-01-15T10:30:05.123Z, it says.', new Date('2026-01-15'))": (
        "It was read at 10:30:05, it says."
    ),
}


def test_how_things_are_said(modules: Page) -> None:
    told = {call: modules.evaluate(f"import('./words.js').then((w) => w.{call})") for call in SAID}
    assert told == SAID


MERGED = """async ([rows, changes, how]) => {
  const { merged } = await import('./rows.js');
  const accepts = (row) => row.status !== how.without;
  return merged(rows, changes, { accepts, ...how }).map((row) => row.wamid + ':' + row.status);
}"""


def row(wamid: str, minute: int, status: str = "sent") -> dict[str, str]:
    return {"wamid": wamid, "status": status, "sent_at": f"2026-01-15T10:{minute:02}:00Z"}


@pytest.mark.parametrize(
    ("changes", "how", "shown"),
    [
        ([row("b", 2, "read")], {"grows": True}, ["c:sent", "b:read", "a:sent"]),
        ([row("d", 4)], {"grows": True}, ["d:sent", "c:sent", "b:sent", "a:sent"]),
        ([row("d", 4)], {"grows": False}, ["c:sent", "b:sent", "a:sent"]),
        ([row("z", 0)], {"grows": True, "whole": False}, ["c:sent", "b:sent", "a:sent"]),
        ([row("z", 0)], {"grows": True, "whole": True}, ["c:sent", "b:sent", "a:sent", "z:sent"]),
        ([row("b", 2, "read")], {"grows": True, "without": "read"}, ["c:sent", "a:sent"]),
        ([row("d", 4, "read")], {"grows": True, "without": "read"}, ["c:sent", "b:sent", "a:sent"]),
    ],
)
def test_changes_come_into_the_list(
    modules: Page, changes: list[dict[str, str]], how: dict[str, object], shown: list[str]
) -> None:
    rows = [row("c", 3), row("b", 2), row("a", 1)]
    assert modules.evaluate(MERGED, [rows, changes, how]) == shown


IN_PLACE = """async ([shown, items]) => {
  const { inPlace } = await import('./still.js');
  const item = (text) => ({ key: text[0], text });
  return inPlace(shown.map(item), items.map(item), ({ key }) => key).map(({ text }) => text);
}"""


@pytest.mark.parametrize(
    ("shown", "items", "still"),
    [
        (["b", "a"], ["c", "b", "a"], ["b", "a"]),
        (["b", "a"], ["c", "b2", "a"], ["b2", "a"]),
        (["b", "a"], ["a", "b"], ["b", "a"]),
        (["c", "b", "a"], ["c", "a"], ["c", "b", "a"]),
        (["c", "b"], ["d", "c", "b", "a", "z"], ["c", "b", "a", "z"]),
        (["c", "b"], ["c", "x", "b"], ["c", "b"]),
        (["b", "a"], ["d", "c"], ["b", "a"]),
    ],
)
def test_a_list_that_is_held_changes_in_place_and_grows_at_its_end(
    modules: Page, shown: list[str], items: list[str], still: list[str]
) -> None:
    assert modules.evaluate(IN_PLACE, [shown, items]) == still


@pytest.mark.parametrize(
    ("hash_", "kind", "value"),
    [
        ("#recipient=US.1349", "recipient", "US.1349"),
        ("#phone=919876543210", "recipient", "919876543210"),
        ("#recipient=%2B91%2098765%2043210", "recipient", "+91 98765 43210"),
        ("#event=e-1", "event", "e-1"),
        ("", "all", ""),
    ],
)
def test_an_address_says_what_is_looked_at(
    modules: Page, hash_: str, kind: str, value: str
) -> None:
    found = modules.evaluate("async (hash) => (await import('./route.js')).read(hash)", hash_)
    assert found == {"kind": kind, "value": value, "message": ""}
