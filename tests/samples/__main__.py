"""`python -m tests.samples`: writes a sample of the store as the present version makes it.

Run it before the schema changes: `store-<version>.json` then shows, for good, what `upgrade` finds.
The file holds, of a small store with two partitions and of one with four: each key with its type
and content, the reports that made it, as a journal holds them, its export, and what the API
answered. Of version 2 some records were cut: they are as an earlier service of that version packed
them. Beside it stand the scripts that write messages, as servers get them: they must not write
during an upgrade.
"""

import asyncio
import base64
import json
import random
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from aiohttp.test_utils import TestClient

from service.app import create_app
from service.commands.common import EVERYTHING, walk
from service.commands.record_lines import line_of, reports_of_line
from service.domain.identity import crc16_of, id_of, partition_of
from service.domain.record import record_of
from service.domain.report import Context, Report, Status
from service.models.meta_webhook import Payload
from service.store.keys import SCHEMA_VERSION, message_key, tag_of
from service.store.rules import render
from service.store.script_types import Erasure
from tests.backends import Backend, Bench, open_store
from tests.conftest import TOKEN, Client, JsonTestServer, settings_of
from tests.factories import BASE_MS, BASE_US
from tests.servers import RedisServer

NAMES = [
    "John Doe", "Jö \"=1+1\", ,", "محمد بن عبد الله", "अनीता शर्मा", "王小明", "Σωκράτης",
    "Łucja Żółć", "👩‍👩‍👧 Familie Ärger", "Nguyễn Thị Ánh", "עדי", "สมชาย",
    "ქეთევან", "O'Neil\\n{x}", "x" * 200,
]  # fmt: skip
PRICING = [
    {"billable": True, "pricing_model": "CBP", "category": "marketing"},
    {"billable": False, "pricing_model": "PMP", "type": "free_customer_service",
     "category": "utility"},
    {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "marketing_lite",
     "tier": {"from": 1, "to": 250_000, "rates": [0.25, None, True]}, "währung": "€"},
    {"category": 7, "billable": "yes", "type": None, "volume": 12345678901234},
    {},
]  # fmt: skip
PACKED = 2
"""The version in which a record was one text, whose last fields could be left out."""
CUT = 10
"""How many records are cut."""


def reports_on(number: int, seed: int) -> list[Report]:
    """Reports on so many messages, in the order in which they were merged."""
    chance = random.Random(seed)
    stamps = count(BASE_US + seed, 1_234_567)
    kinds = [
        _tracked,
        _standalone,
        _failed,
        _of_meta,
        _of_group,
        _tracked_late,
        _imported,
        _unheard,
    ]
    each = [
        list(kinds[i % len(kinds)](f"wamid.{seed}.{i}=", i, chance, stamps)) for i in range(number)
    ]
    merged = []
    while each:  # one after the other, as they come in life
        place = chance.randrange(min(len(each), 40))
        merged.append(each[place].pop(0))
        if not each[place]:
            del each[place]
    return merged


def _context(i: int, chance: random.Random, **fields: str) -> Context:
    plain = {
        "recipient_id": f"9198765{i:05}",
        "event_id": f"event-{chance.randrange(4)}",
        "registration_id": f"registration-{i}",
        "guest_id": f"guest-{i % 50}",
        "template_name": chance.choice(["rsvp_invite_v2", "reminder", "t{1}:ü"]),
        "flow_type": "rsvp",
        "message_type": chance.choice(["", "rsvp", "template"]),
        "guest_name": chance.choice(NAMES),
    }
    return Context(**(plain | fields))


def _send(wamid: str, stamps: Iterator[int], context: Context) -> Report:
    us = next(stamps)
    return Report(wamid, Status.SENT, us // 1000 - 300, us, context=context)


def _status(
    wamid: str, status: Status, stamps: Iterator[int], recipient_id: str, *error: str
) -> Report:
    us = next(stamps)
    code, message, details, href = error or ("",) * 4
    at_ms = us // 1_000_000 * 1000
    return Report(wamid, status, at_ms, us, recipient_id, code, message, details, href)


def _tracked(wamid: str, i: int, chance: random.Random, stamps: Iterator[int]) -> Iterator[Report]:
    yield _send(wamid, stamps, _context(i, chance))
    for status in list(Status)[: chance.randrange(4)]:
        yield _status(wamid, status, stamps, f"9198765{i:05}")


def _standalone(
    wamid: str, i: int, chance: random.Random, stamps: Iterator[int]
) -> Iterator[Report]:
    yield _status(wamid, Status.DELIVERED, stamps, f"4477009{i:05}")
    named = {"event_id": "", "registration_id": "", "flow_type": ""}
    yield _send(wamid, stamps, _context(i, chance, recipient_id=f"+4477009{i:05}"[1:], **named))


def _failed(wamid: str, i: int, chance: random.Random, stamps: Iterator[int]) -> Iterator[Report]:
    yield _send(wamid, stamps, _context(i, chance))
    texts = chance.choice(
        [
            ("131026", "Message undeliverable", "The recipient is not on WhatsApp. " * 8, ""),
            ("131049", "Not delivered", "To maintain healthy ecosystem engagement …", "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"),
            ("", "Ohne Code: ñandú", "", ""),
            ("999999", "", "", ""),
            ("", "", "", ""),
        ]
    )  # fmt: skip
    if chance.random() < 0.5:
        yield _status(wamid, Status.FAILED, stamps, "")
    yield _status(wamid, Status.FAILED, stamps, f"9198765{i:05}", *texts)


def _of_meta(wamid: str, i: int, chance: random.Random, stamps: Iterator[int]) -> Iterator[Report]:
    """As Meta's own webhook reports it."""
    pricing = chance.choice(PRICING)
    if chance.random() < 0.7:
        yield _send(wamid, stamps, _context(i, chance))
    for status in ("sent", "delivered", "read")[: chance.randint(1, 3)]:
        at_s = next(stamps) // 1_000_000
        one: dict[str, object] = {
            "id": wamid, "status": status, "timestamp": str(at_s), "recipient_id": f"9198765{i:05}",
            "recipient_user_id": f"IN.{i}", "parent_recipient_user_id": f"IN.ENT.{i}",
            "biz_opaque_callback_data": f"cb={i}; {chance.choice(NAMES)}", "pricing": pricing,
        }  # fmt: skip
        yield from _payload(one, stamps)


def _of_group(wamid: str, i: int, chance: random.Random, stamps: Iterator[int]) -> Iterator[Report]:
    for status in ("sent", "delivered", "read")[: chance.randint(1, 3)]:
        at_s = next(stamps) // 1_000_000
        one: dict[str, object] = {
            "id": wamid, "status": status, "timestamp": str(at_s), "recipient_type": "group",
            "recipient_id": "Y2FwaV9ncm91cDo", "recipient_participant_id": f"9198{i:08}",
            "recipient_participant_user_id": f"IN.{i}",
        }  # fmt: skip
        yield from _payload(one, stamps)


def _payload(status: dict[str, object], stamps: Iterator[int]) -> list[Report]:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001111", "phone_number_id": "106540352242922"},
        "statuses": [status],
    }
    entry = [{"id": "1022", "changes": [{"field": "messages", "value": value}]}]
    body = {"object": "whatsapp_business_account", "entry": entry}
    return Payload(json.dumps(body).encode(), lambda: next(stamps)).reports


def _tracked_late(
    wamid: str, i: int, chance: random.Random, stamps: Iterator[int]
) -> Iterator[Report]:
    """Tracked again and again: some fields are older than the latest track-send."""
    yield _status(wamid, Status.READ, stamps, "")
    yield _send(wamid, stamps, _context(i, chance))
    none = dict.fromkeys(("registration_id", "guest_id", "message_type"), "")
    yield _send(wamid, stamps, _context(i, chance, **none))
    if chance.random() < 0.5:
        yield _send(wamid, stamps, Context(recipient_id="15551234567", template_name="again"))


def _imported(wamid: str, i: int, chance: random.Random, stamps: Iterator[int]) -> Iterator[Report]:
    """From an export of another store."""
    kind = chance.choice([_tracked, _failed, _of_meta, _tracked_late])
    yield from reports_of_line(line_of(record_of(list(kind(wamid, i, chance, stamps)))))


def _unheard(wamid: str, i: int, chance: random.Random, stamps: Iterator[int]) -> Iterator[Report]:
    """Of nobody's message, for whom no recipient is known, or one of letters."""
    recipient = chance.choice(["", "US.Ab-1", "15551234"])
    yield _status(wamid, chance.choice(list(Status)), stamps, recipient)


async def sample(server: RedisServer, partitions: int, number: int, seed: int) -> dict[str, Any]:
    """A store with so many messages: its keys, the reports, the answers."""
    backend = Backend(server.url, partitions)
    reports = reports_on(number, seed)
    async with open_store(backend) as bench:
        for report in reports:
            await bench.store.write([report])
        records = sorted(await bench.check_invariants(), key=lambda record: record.wamid)
        for record in records[:2]:
            await _erase(bench, record.wamid)
        kept = [record.wamid for record in records[2:]]
        cut = [wamid for wamid in kept if ".1" in wamid][:CUT] if SCHEMA_VERSION == PACKED else []
        await _cut(bench, cut)
        lines = [line async for line in _exported(bench)]
        keys = {key: await _held(bench, key) for key in await _keys(bench)}
    settings = settings_of(backend)
    async with TestClient(JsonTestServer(create_app(settings))) as client:
        client.session.headers["X-Webhook-Token"] = TOKEN
        answers = await answers_of(client, kept)
    journal = json.loads(msgspec.json.encode(reports))
    return {
        "partitions": partitions, "wamids": kept, "cut": cut, "keys": keys, "journal": journal,
        "lines": lines, "answers": answers,
    }  # fmt: skip


async def _erase(bench: Bench, wamid: str) -> None:
    erasure = Erasure([(id_of(wamid), str(crc16_of(wamid)))], "all", gone_s=10**8)
    await bench.store.remove(partition_of(wamid, bench.partitions), erasure, "erased")


async def _cut(bench: Bench, wamids: Sequence[str]) -> None:
    """Leaves out the last field of records, and the fields before it that hold nothing."""
    for wamid in wamids:
        tag = tag_of(partition_of(wamid, bench.partitions))
        key = message_key(tag, id_of(wamid))
        packed = (await bench.execute(tag, "GET", key)).rpartition(b"\x1f")[0].rstrip(b"\x1f")
        await bench.execute(tag, "SET", key, packed)


async def _exported(bench: Bench) -> AsyncIterator[str]:
    """The lines that `export` writes."""
    for partition in range(bench.partitions):
        async for page in walk(bench.store, EVERYTHING, partition):
            for record in page.records:
                yield line_of(record).decode()


async def _keys(bench: Bench) -> list[str]:
    return sorted(key.decode() for key in await bench.execute(tag_of(0), "KEYS", "*"))


async def _held(bench: Bench, key: str) -> list[Any]:
    """The type and what it holds; `times` is no text, so it is in base 64."""
    tag = tag_of(0)
    kind = (await bench.execute(tag, "TYPE", key)).decode()
    if kind == "string":
        content = await bench.execute(tag, "GET", key)
        binary = ":times:" in key
        return [kind, (base64.b64encode(content) if binary else content).decode()]
    if kind == "hash":
        fields = await bench.execute(tag, "HGETALL", key)
        return [kind, {name.decode(): value.decode() for name, value in fields.items()}]
    if kind == "zset":
        flat = await bench.execute(tag, "ZRANGE", key, 0, -1, "WITHSCORES")
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return [kind, {member.decode(): int(score) for member, score in pairs}]
    assert kind == "stream", (key, kind)
    entries = await bench.execute(tag, "XRANGE", key, "-", "+")
    return [kind, {place.decode(): fields[b"ids"].decode() for place, fields in entries}]


async def answers_of(client: Client, wamids: Sequence[str]) -> dict[str, Any]:
    """What the API says of these messages and of all, by path; of other lists the wamids."""
    paths = [f"messages/{quote(wamid, safe='')}/" for wamid in wamids]
    paths += ["message-logs/?limit=200", "message-stats/", "events/?limit=200", "templates/"]
    paths += [f"message-stats/?event_id=event-{number}" for number in range(4)]
    answers = {path: await _answer(client, path) for path in paths}
    filters = ["standalone=true", "status=failed", "status=read&guest_id=guest-1"]
    filters += [f"event_id=event-{number}" for number in range(4)]
    for path in (f"message-logs/?limit=200&{each}" for each in filters):
        answers[path] = [row["wamid"] for row in (await _answer(client, path))["logs"]]
    return answers


async def _answer(client: Client, path: str) -> Any:
    async with client.get(f"/api/webhooks/{path}") as response:
        assert response.status == 200, path
        return await response.json()


async def stores() -> list[dict[str, Any]]:
    """Both stores."""
    with RedisServer() as server:
        return [await sample(server, 2, 150, seed=2), await sample(server, 4, 150, seed=4)]


def _in_lines(stores: Sequence[dict[str, Any]]) -> str:
    """As JSON, with a line for each key, report and answer."""
    return "[\n" + ",\n".join(map(_store_in_lines, stores)) + "\n]\n"


def _store_in_lines(store: dict[str, Any]) -> str:
    parts = []
    for name, part in store.items():
        if isinstance(part, dict):
            items = ",\n".join(f"{_json(key)}:{_json(item)}" for key, item in part.items())
            parts.append(f"{_json(name)}:{{\n{items}}}")
        elif name in {"journal", "lines"}:
            items = ",\n".join(map(_json, part))
            parts.append(f"{_json(name)}:[\n{items}]")
        else:
            parts.append(f"{_json(name)}:{_json(part)}")
    return "{" + ",\n".join(parts) + "}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    assert BASE_MS  # of the same past in every version
    file = Path(__file__).parent / f"store-{SCHEMA_VERSION}.json"
    if file.exists():
        sys.exit(f"{file} is there already, and stays as it is.")
    made = asyncio.run(stores())
    file.write_text(_in_lines(made))
    assert json.loads(file.read_text()) == made
    for name in ("merge", "erase"):
        file.with_name(f"{name}-{SCHEMA_VERSION}.lua").write_text(render(name))
