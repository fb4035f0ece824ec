"""The TypeScript of the integration guide, run by Node as it stands there against the service."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from service.app import create_app
from tests.backends import Backend, open_store
from tests.conftest import TOKEN, JsonTestServer, settings_of
from tests.npm_tools import install, tool

pytestmark = pytest.mark.timeout(180)  # the first test may download the compiler

GUIDE = Path(__file__).parents[1] / "guide"
RUN_TIMEOUT_S = 60

Example = dict[str, Any]
Report = dict[str, Example]

TRACKED = "wamid.HBgLMTk4NzY1NDMyMTAVAgAS..."
UNTRACKED = "wamid.HBgLMTk4NzY1NDMyMTBWBgAS..."

DOCUMENTED = {
    "trackEvent": ("trackEvent", 0),
    "trackStandalone": ("trackStandalone", 0),
    "forward": ("forward", 0),
    "lookup": ("lookup", 0),
    "logsByEvent": ("logsByEvent", 0),
    "logsStandalone": ("logsByEvent", 0),
    "logsByPhone": ("logsByEvent", 0),
    "logsByTemplate": ("logsByEvent", 0),
    "latest": ("latest", 0),
    "latestOfNone": ("latest", 1),
    "invite": ("trackEvent", 0),
    "bulk": ("trackStandalone", 0),
    "webhook": ("forward", 0),
    "failures": ("logsByEvent", 0),
}
"""Which response the guide documents for what each example asks: of which example, which one."""


@pytest.fixture(scope="session")
def node() -> str:
    """Node with the pinned compiler beside the guide; without Node a skip, in CI a failure."""
    found = tool("node")
    install(GUIDE)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def report(backend: Backend, node: str) -> AsyncIterator[Report]:
    """What came of each example of the guide, against a service with an empty store."""
    async with open_store(backend):
        pass
    async with JsonTestServer(create_app(settings_of(backend))) as server:
        url = f"http://{server.host}:{server.port}"
        yield json.loads(await printed_by(node, DJANGO_URL=url, DJANGO_RSVP_SECRET=TOKEN))


async def printed_by(node: str, **environment: str) -> bytes:
    """What the guide's runner prints."""
    process = await asyncio.create_subprocess_exec(
        node,
        GUIDE / "run.mjs",
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(RUN_TIMEOUT_S):
            printed, complaints = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, complaints.decode()
    return printed


def shape(value: object) -> object:
    """The keys in a JSON value at every depth; of a list, each shape that it holds once."""
    if isinstance(value, dict):
        return {key: shape(held) for key, held in value.items()}
    if isinstance(value, list):
        shapes = [shape(held) for held in value]
        return [held for i, held in enumerate(shapes) if held not in shapes[:i]]
    return value if isinstance(value, bool) else None


def logs(example: Example) -> list[dict[str, Any]]:
    """The rows that an example's one request got."""
    rows: list[dict[str, Any]] = example["exchanges"][0]["body"]["logs"]
    return rows


def wamids(example: Example) -> list[str]:
    return [row["wamid"] for row in logs(example)]


def test_every_request_of_the_guide_is_accepted(report: Report) -> None:
    statuses = {name: [e["status"] for e in ran["exchanges"]] for name, ran in report.items()}
    requests = dict.fromkeys(DOCUMENTED, 1) | {"forward": 6, "webhook": 2}
    requests |= {"authentication": 0, "deliveryStatus": 0}
    assert statuses == {name: [200] * number for name, number in requests.items()}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_answers_have_exactly_the_documented_keys(report: Report, name: str) -> None:
    source, which = DOCUMENTED[name]
    answers = [exchange["body"] for exchange in report[name]["exchanges"]]
    assert shape(answers) == shape([report[source]["documented"][which]])


def test_the_forwarder_is_told_the_status_after_each_update(report: Report) -> None:
    """A `sent` that comes after `failed` is answered `failed`."""
    told = {
        name: [e["body"]["status"] for e in report[name]["exchanges"]]
        for name in ("forward", "webhook")
    }
    assert told == {
        "forward": ["sent", "delivered", "sent", "delivered", "read", "failed"],
        "webhook": ["failed", "failed"],
    }
    assert report["forward"]["returned"] == report["webhook"]["returned"] == {"ok": True}


def test_the_look_up_answers_what_the_guide_shows(report: Report) -> None:
    """To the letter: the forwarded updates have the times of the guide's example."""
    assert report["lookup"]["exchanges"][0]["body"] == report["lookup"]["documented"][0]


def test_each_filter_finds_its_messages_newest_first(report: Report) -> None:
    """The guide tracks one wamid twice, so that message has the second template and its event."""
    assert wamids(report["logsByEvent"]) == ["wamid.invite", TRACKED]
    assert wamids(report["logsStandalone"]) == ["wamid.bulk", "wamid.failed", UNTRACKED]
    assert wamids(report["logsByPhone"]) == ["wamid.bulk", "wamid.invite", UNTRACKED, TRACKED]
    assert wamids(report["logsByTemplate"]) == ["wamid.bulk", TRACKED]


def test_a_tracked_message_has_what_the_guide_tracked_of_it(report: Report) -> None:
    row = logs(report["logsByEvent"])[1]
    latest = report["latest"]["exchanges"][0]["body"]["log"]
    map_id = report["trackEvent"]["exchanges"][0]["body"]["map_id"]
    assert row == report["logsByEvent"]["documented"][0]["logs"][0] | {
        "id": str(UUID(map_id)),
        "template_name": "bulk_announcement_v1",
        "event_id": "uuid-of-event",
        "registration_id": "uuid-of-registration",
        "guest_id": "uuid-of-guest",
    }
    assert latest == {key: row[key] for key in latest}
    assert report["latestOfNone"]["exchanges"][0]["body"] == {"log": None}


def test_sending_functions_track_what_they_sent(report: Report) -> None:
    assert report["invite"]["returned"] == {"success": True, "wamid": "wamid.invite"}
    assert report["bulk"]["returned"] == {"success": True, "wamid": "wamid.bulk"}
    sent = {row["wamid"]: row for row in logs(report["logsByPhone"])}
    assert sent["wamid.invite"]["registration_id"] == "uuid-of-another-registration"
    assert sent["wamid.bulk"]["guest_name"] == "Jane Roe"


def test_the_loop_over_failed_messages_prints_them(report: Report) -> None:
    assert report["failures"]["printed"] == ["Failed: John Doe - 131026: Message undeliverable"]


def test_no_other_example_prints_or_throws(report: Report) -> None:
    """The webhook handler prints what it fails to forward."""
    assert {name: ran["printed"] for name, ran in report.items() if name != "failures"} == {
        name: [] for name in report if name != "failures"
    }


def test_a_row_of_each_status_is_displayed(report: Report) -> None:
    def row(color: str, icon: str, label: str, error: str = "") -> str:
        return (
            f'<div class="flex items-center gap-1 {color}"><span class="">{icon}</span>'
            f'<span class="text-xs">{label}</span>{error}</div>'
        )

    error = '<span class="text-xs text-red-400">(Message undeliverable)</span>'
    assert report["deliveryStatus"]["returned"] == {
        "sent": row("text-gray-400", "✓", "Sent"),
        "delivered": row("text-gray-400", "✓✓", "Delivered"),
        "read": row("text-blue-500", "✓✓", "Read"),
        "failed": row("text-red-500", "✗", "Failed", error),
    }
