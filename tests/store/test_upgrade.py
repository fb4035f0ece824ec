"""The step of `upgrade` from each earlier schema version, on a stored sample of it."""

import math
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, NamedTuple

import msgspec
import pytest
from aiohttp.test_utils import TestClient
from msgspec.structs import replace
from redis.exceptions import ResponseError

from service.app import create_app
from service.backends.connect import connect
from service.backends.server import Server
from service.commands import schema_upgrade
from service.commands.common import store_on, with_store
from service.commands.record_lines import reports_of_line
from service.commands.schema_upgrade import _Upgrade, upgrade_on
from service.config import Settings
from service.domain.identity import crc16_of, id_of, partition_of
from service.domain.record import Record, participants_of, record_of
from service.domain.report import RANK, Context, Extras, Outcome, Report, Status
from service.errors import CommandError
from service.store.journal import Entry, _report_of
from service.store.journal_file import sealed
from service.store.keys import SCHEMA_VERSION, message_key, tag_of
from service.store.script_types import Change, Erasure, Recount
from service.store.scripts import MAX_REPLACED, Scripts
from tests import conftest
from tests.backends import (
    NAMES,
    STRICT_CALL,
    Backend,
    Bench,
    dump_of,
    hash_of,
    nodes_of,
    open_store,
    soon_s,
)
from tests.commands.stores import settings_of
from tests.conftest import REDIS_FIRST, TOKEN, JsonTestServer
from tests.factories import BASE_MS, BASE_US
from tests.samples.__main__ import answers_of
from tests.samples.stored import Sample, put, samples, script

SAMPLES = samples(2)
BOTH = pytest.mark.parametrize("sample", SAMPLES, ids=lambda each: f"{each.partitions} partitions")


class Old(NamedTuple):
    """A server with a store of version 2."""

    server: Server
    scripts: Scripts
    settings: Settings
    sample: Sample

    async def upgrade(self, *, mend: bool = False) -> schema_upgrade.Upgraded:
        return await upgrade_on(self.server, self.scripts, self.settings, mend=mend)

    async def execute(self, key: str, *command: Any) -> Any:
        """Runs a command where the key is."""
        return await self.server.execute(soon_s(), key[: key.index("}") + 1], *command)

    async def dump(self) -> dict[str, tuple[str, Any]]:
        """All keys: their types, and what they hold."""
        found: dict[str, tuple[str, Any]] = {}
        for node in await nodes_of(self.server):
            found |= await dump_of(node)
        return found


@asynccontextmanager
async def old_store(backend: Backend, sample: Sample) -> AsyncIterator[Old]:
    """The sample on a backend. The settings' number of partitions is wrong, and isn't looked at."""
    settings = settings_of(backend)
    async with connect(settings) as server:
        await put(server, sample)
        scripts = Scripts(server, STRICT_CALL)
        yield Old(server, scripts, settings, sample)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody uses these stores: that this is found out has tests of its own."""

    async def unused(_store: object) -> None:
        """Is content."""

    monkeypatch.setattr(schema_upgrade, "_check_unused", unused)
    monkeypatch.setattr(schema_upgrade, "_NOTICED_S", 0)
    monkeypatch.setattr("service.commands.common._TIMEOUT_S", 0.0)


def reports_in(sample: Sample) -> dict[str, list[Report]]:
    """The reports that made the sample, by wamid, in their order."""
    found: dict[str, list[Report]] = {}
    for report in map(_report_of, sample.journal):
        found.setdefault(report.wamid, []).append(report)
    return found


def fields_of(record: Record, *, cut: bool) -> dict[str, str]:
    """What the hash of a message must hold."""
    fields = hash_of(record)
    return {name: text for name, text in fields.items() if not (cut and "_received_" in name)}


def expected_of(sample: Sample) -> dict[str, dict[str, str]]:
    """Each message's key and hash, from the reports that made the sample.

    The recipient as statuses name it wasn't kept in version 2.
    """
    expected = {}
    for wamid, reports in reports_in(sample).items():
        if wamid in sample.wamids:
            key = message_key(tag_of(partition_of(wamid, sample.partitions)), id_of(wamid))
            participants = "1" if (named := smallest_in(reports)) else ""
            record = record_of(reports)._replace(metas_recipient_id="", participants=participants)
            expected[key] = fields_of(record, cut=wamid in sample.cut)
            if named:
                key = key.replace(":msg:", ":participants:")
                expected[key] = {f"{named} received_us": record.created_us}
    return expected


def smallest_in(reports: Iterable[Report]) -> str:
    """The one participant of whom a record of version 2 knows, by their id alone."""
    return min((each.participant_id for each in participants_of(reports)), default="")


def texts_of(hash_: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in hash_.items()}


@BOTH
async def test_each_message_becomes_a_hash_and_all_else_stays(
    backend: Backend, sample: Sample
) -> None:
    async with old_store(backend, sample) as old:
        before = await old.dump()
        done = await old.upgrade()
        after = await old.dump()
    assert (done.origin, done.version) == (2, SCHEMA_VERSION)
    assert done.messages == done.converted == len(sample.wamids)
    schema = texts_of(after.pop("{wa:0}:schema")[1])
    assert schema == texts_of(before.pop("{wa:0}:schema")[1]) | {"version": str(SCHEMA_VERSION)}
    for key, fields in expected_of(sample).items():
        kind, held = after.pop(key)
        assert (kind, texts_of(held)) == ("hash", fields)
        before.pop(key, None)
    assert of_old_dimensions(after) == of_old_dimensions(before)
    assert numbers_in(after) == numbers_of(sample)


def of_old_dimensions(dump: dict[str, tuple[str, Any]]) -> dict[str, tuple[str, Any]]:
    """All but the index that the upgrade writes anew, and the dimension that version 2 lacked."""
    return {
        key: held
        for key, held in dump.items()
        if ":by:recipient:" not in key and ":phone_number" not in key
    }


def numbers_in(dump: dict[str, tuple[str, Any]]) -> dict[str, tuple[set[bytes], dict[str, int]]]:
    """Of each sending number, by partition, the messages in its index and how many are counted."""
    found = {}
    for key, (_, entries) in dump.items():
        tag, _, number = key.partition(":by:phone_number:")
        if number:
            listed = dict(_pairs(dump[f"{tag}:values:phone_number"][1]))
            ids = dict(_pairs(entries))
            assert listed[number.encode()] == max(ids.values(), key=int)
            count = texts_of(dump[f"{tag}:count:phone_number:{number}"][1])
            numbers = {name: int(text) for name, text in count.items() if name in RANK}
            found[f"{tag} {number}"] = set(ids), numbers
    return found


def _pairs(flat: list[Any]) -> list[Any]:
    """Members and scores, as each protocol has them; the scores as texts."""
    some = (
        flat
        if flat and isinstance(flat[0], list | tuple)
        else zip(flat[::2], flat[1::2], strict=True)
    )
    return [(member, str(int(float(score)))) for member, score in some]


def numbers_of(sample: Sample) -> dict[str, tuple[set[bytes], dict[str, int]]]:
    """What `numbers_in` must find, by the reports that made the sample."""
    found: dict[str, tuple[set[bytes], Counter[str]]] = {}
    for wamid, reports in reports_in(sample).items():
        number = record_of(reports).phone_number_id
        if number and wamid in sample.wamids:
            tag = tag_of(partition_of(wamid, sample.partitions))
            ids, counts = found.setdefault(f"{tag} {number}", (set(), Counter()))
            ids.add(id_of(wamid).encode())
            counts[record_of(reports).status] += 1
    assert found
    return {place: (ids, dict(counts)) for place, (ids, counts) in found.items()}


@BOTH
def test_the_fields_are_in_the_order_for_people(sample: Sample) -> None:
    for key, (_, packed) in sample.keys.items():
        if ":msg:" in key:
            names = list(schema_upgrade.STEPS[2].fields_of(packed.encode()))
            assert names == [name for name in NAMES if name in names]


@REDIS_FIRST
@BOTH
async def test_the_store_is_sound_and_goes_on(backend: Backend, sample: Sample) -> None:
    """Indexes, lists and counters fit the messages, and merging all once more changes nothing.

    But for the recipient as statuses name it, and what became of participants: version 2 didn't
    keep these.
    """
    async with old_store(backend, sample) as old:
        await old.upgrade()
        settings = with_store(old.settings, old.settings.redis.url, sample.partitions)
        async with store_on(old.server, old.scripts, settings) as store:
            bench = Bench(store, old.scripts, old.server, sample.partitions, [])
            records = await bench.check_invariants()
            assert sorted(record.wamid for record in records) == sorted(sample.wamids)
            again = [
                report
                for wamid, reports in reports_in(sample).items()
                if wamid not in sample.cut
                for report in reports
            ]
            merged = zip(await store.write(again), again, strict=True)
            assert {
                answer.outcome
                for answer, report in merged
                if (report.context or answer.outcome is not Outcome.CHANGED)
                and not participants_of([report])
            } == {Outcome.UNCHANGED, Outcome.ERASED}
            found = await store.lookup(sample.wamids)
            assert {wamid: found[wamid] for wamid in sample.wamids} == found
            delivered = [
                Report(wamid, Status.DELIVERED, BASE_MS, BASE_US) for wamid in sample.wamids
            ]
            await store.write(delivered)
            await bench.check_invariants()


@pytest.mark.parametrize("backend", ["redis"], indirect=True)
@BOTH
async def test_the_api_answers_as_before(backend: Backend, sample: Sample) -> None:
    """Every message, lists, counts: of what the earlier version said nothing is different."""
    async with old_store(backend, sample) as old:
        await old.upgrade()
    app = create_app(conftest.settings_of(Backend(backend.url, sample.partitions)))
    async with TestClient(JsonTestServer(app)) as client:
        client.session.headers["X-Webhook-Token"] = TOKEN
        answers = await answers_of(client, sample.wamids)
    assert answers.keys() == sample.answers.keys()
    for path, answer in sample.answers.items():
        before = with_receipts(answer)
        assert only_known(answers[path], before) == before, path


def with_receipts(answer: Any) -> Any:
    """The answer, with the message's creation for receipts that the earlier version didn't know."""
    if "message" not in answer:
        return answer
    message = answer["message"]
    timeline = [
        entry | {"received_at": entry["received_at"] or message["created_at"]}
        for entry in message["timeline"]
    ]
    return answer | {"message": message | {"timeline": timeline}}


def only_known(answer: Any, before: Any) -> Any:
    """The answer without the keys that the earlier version didn't have.

    An empty pricing object, which Meta never sends, isn't kept any more. A participant's id is in a
    list now.
    """
    if isinstance(before, dict) and isinstance(answer, dict):
        if "participants" in answer:
            named = [each["participant_id"] for each in answer["participants"]]
            answer = answer | {"participant_id": next(iter(named), None)}
        return {
            key: {} if (key, value) == ("pricing", {}) and answer[key] is None
            else only_known(answer[key], value)
            for key, value in before.items()
        }  # fmt: skip
    if isinstance(before, list) and isinstance(answer, list) and len(answer) == len(before):
        return [only_known(*each) for each in zip(answer, before, strict=True)]
    return answer


@pytest.mark.parametrize("backend", ["redis"], indirect=True)
@BOTH
async def test_it_equals_an_import_of_the_old_stores_export(
    backend: Backend, sample: Sample
) -> None:
    """But for what no export holds: the feed, the marks of erased messages and the store's id.

    And for when statuses were received, where the old record didn't say it.
    """
    async with old_store(backend, sample) as old:
        await old.upgrade()
        upgraded = await old.dump()
    async with open_store(Backend(backend.url, sample.partitions)) as bench:
        reports = [report for line in sample.lines for report in reports_of_line(line.encode())]
        await bench.store.write(reports)
        fresh = Old(bench.server, bench.scripts, conftest.settings_of(backend), sample)
        imported = await fresh.dump()
    cut = {
        message_key(tag_of(partition_of(wamid, sample.partitions)), id_of(wamid))
        for wamid in sample.cut
    }
    assert _comparable(upgraded, cut) == _comparable(imported, cut)


def _comparable(dump: dict[str, tuple[str, Any]], cut: Collection[str]) -> dict[str, Any]:
    """What an export holds; numbers of how long messages took without those that are 0."""
    found = {}
    for key, (_, held) in dump.items():
        if key in cut:
            found[key] = {name: text for name, text in held.items() if b"_received_" not in name}
        elif not key.endswith(("}:feed", "}:schema")) and ":gone:" not in key:
            found[key] = held.rstrip(b"\0") if ":times:" in key else held
    return {key: held for key, held in found.items() if held}


@REDIS_FIRST
async def test_a_journal_of_the_earlier_version_is_taken(backend: Backend) -> None:
    """Its entries as that version wrote them: merged after the upgrade they make the same store."""
    sample = SAMPLES[1]
    entry = Entry(1, sealed(msgspec.json.encode(sample.journal)))
    assert len(entry.reports()) == len(sample.journal)
    async with open_store(Backend(backend.url, sample.partitions)) as bench:
        for report in entry.reports():
            await bench.store.write([report])
        records = {record.wamid: record for record in await bench.check_invariants()}
    expected = {wamid: record_of(some) for wamid, some in reports_in(sample).items()}
    assert records == expected


async def test_a_second_run_finds_nothing_to_do(backend: Backend) -> None:
    async with old_store(backend, SAMPLES[0]) as old:
        await old.upgrade()
        before = await old.dump()
        done = await old.upgrade()
        assert (done.origin, done.converted) == (SCHEMA_VERSION, 0)
        assert await old.dump() == before


class _Broken(Exception):
    pass


@pytest.mark.parametrize("backend", ["redis"], indirect=True)
@pytest.mark.parametrize("apart", [7, pytest.param(1, marks=pytest.mark.slow)])
async def test_broken_off_at_any_step_it_goes_on(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, apart: int
) -> None:
    """Before a step was done, and after it, when its answer was lost."""
    run, calls = Scripts.upgrade, count(1)
    ends = math.inf

    async def breaks_off(scripts: Scripts, *arguments: Any) -> int:
        call = next(calls)
        if call == ends:
            raise _Broken
        done = await run(scripts, *arguments)
        if call + 0.5 == ends:
            raise _Broken
        return done

    monkeypatch.setattr(Scripts, "upgrade", breaks_off)
    async with old_store(backend, SAMPLES[0]) as old:
        await old.upgrade()
        whole, steps = await old.dump(), next(calls) - 1
    assert steps >= 10
    for place in range(2, 2 * steps + 2, apart):
        ends, calls = place / 2, count(1)
        async with old_store(backend, SAMPLES[0]) as old:
            with pytest.raises(_Broken):
                await old.upgrade()
            ends = math.inf
            await old.upgrade()
            assert await old.dump() == whole


@REDIS_FIRST
async def test_what_an_earlier_version_would_write_meanwhile_fails_without_a_trace(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of messages that are converted by then, that are not yet, and of new ones."""
    sample, convert = SAMPLES[0], _Upgrade.convert
    reports = list(map(_report_of, sample.journal))
    now = replace(reports[0], wamid="wamid.new")
    tried = 0

    async def writes(old: Old) -> None:
        nonlocal tried
        before = await old.dump()
        for report in [*reports[:40], now]:
            later = [replace(report, status=Status.FAILED, at_ms=1, received_us=BASE_US)]
            place = partition_of(report.wamid, sample.partitions)
            batch = msgspec.json.encode(([id_of(report.wamid)], later))
            crc16 = str(crc16_of(report.wamid))
            erasure = Erasure([(id_of(report.wamid), crc16)], "all", gone_s=9)
            asked = msgspec.json.encode(msgspec.to_builtins(erasure) | {"recipient_id": ""})
            for name, argument in (("merge", batch), ("erase", asked)):
                command = "EVAL", script(name, 2), 1, tag_of(place), argument
                if name == "erase" and await is_hash(old, report.wamid):
                    continue  # no record to the old script, whose entry in the index it may remove
                with pytest.raises(ResponseError):
                    await old.execute(tag_of(place), *command)
                tried += 1
        assert await old.dump() == before

    async def is_hash(old: Old, wamid: str) -> bool:
        tag = tag_of(partition_of(wamid, sample.partitions))
        key = message_key(tag, id_of(wamid))
        return bool(await old.execute(key, "MGET", key) == [None])

    async def convert_meanwhile(upgrade: _Upgrade) -> int:
        await writes(old)
        done = await convert(upgrade)
        await writes(old)
        return done

    monkeypatch.setattr(_Upgrade, "convert", convert_meanwhile)
    async with old_store(backend, sample) as old:
        await old.upgrade()
    assert tried > 100


@REDIS_FIRST
async def test_what_this_version_would_write_meanwhile_fails_without_a_trace(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where no number changes, and where there is nothing but an entry of a lost message.

    As a service of this version does during the next upgrade, if it runs all the same.
    """
    sample, convert = SAMPLES[0], _Upgrade.convert
    failed = 0

    async def writes(old: Old) -> None:
        nonlocal failed
        before = await old.dump()
        for wamid, reports in list(reports_in(sample).items())[:30]:
            place, at = partition_of(wamid, sample.partitions), replace(reports[0], wamid=wamid)
            for report in would_change(at):
                if wamid in sample.wamids:
                    with pytest.raises(ResponseError):
                        await old.scripts.merge(place, [report], soon_s())
                    failed += 1
            ids = [id_of(wamid), "x" * 22]
            for some in (ids, ids[:1], ids[1:]):
                erasure = Erasure([(each, "1") for each in some], "all", gone_s=9)
                with pytest.raises(ResponseError):
                    await old.scripts.erase(place, erasure, soon_s())
            for recount in would_mend(id_of(wamid)):
                with pytest.raises(ResponseError):
                    await old.scripts.recount(place, recount, soon_s())
        assert await old.dump() == before

    async def convert_meanwhile(upgrade: _Upgrade) -> int:
        await writes(old)
        done = await convert(upgrade)
        await writes(old)
        return done

    monkeypatch.setattr(_Upgrade, "convert", convert_meanwhile)
    async with old_store(backend, sample) as old:
        await old.upgrade()
    assert failed > 100


def would_change(report: Report) -> list[Report]:
    """Reports of the same message, each of which says something new."""
    plain = replace(report, context=(), extras=())
    return [
        replace(plain, at_ms=report.at_ms - 5_000),
        replace(plain, received_us=report.received_us - 5_000_000),
        replace(plain, status=Status.FAILED, at_ms=1, error_code="1"),
        replace(plain, extras=Extras(callback_data="\0")),
        replace(plain, status=Status.SENT, context=Context(event_id="new"), received_us=10**16),
        replace(plain, wamid="wamid.nobody's"),
    ]


def would_mend(message_id: str) -> list[Recount]:
    """What a recount asks for that found something wrong."""
    return [
        Recount(mend=True, messages=[message_id]),
        Recount(mend=True, lists=[("event", "nobody's", "")]),
        Recount(mend=True, group=message_id),
        Recount(mend=True, counters=[("event", "event-1")], put=[[("sent", 1)], [], []]),
    ]


GARBAGE = {
    "no record": "what is this",
    "no text": b"\xff\x00",
    "a later status": "\x1f".join(["played", "1700000000000000", *[""] * 27]),
    "a later field": "\x1f".join(["sent", "1700000000000000", *["1"] * 27, "more"]),
    "no time": "\x1f".join(["sent", "1700000000000000", "now", *[""] * 6, "wamid.x"]),
    "no list": "\x1f".join(["sent", "1700000000000000", *[""] * 7, "wamid.x", "", "x,y"]),
    "no pricing": "\x1f".join(["sent", "1700000000000000", *[""] * 7, "w", *[""] * 17, "{"]),
    "other pricing": "\x1f".join(["sent", "1700000000000000", *[""] * 7, "w", *[""] * 17, "[1]"]),
}


@pytest.mark.parametrize("held", GARBAGE.values(), ids=GARBAGE)
@REDIS_FIRST
async def test_what_cannot_be_read_is_named_and_nothing_is_changed(
    backend: Backend, held: str | bytes
) -> None:
    async with old_store(backend, SAMPLES[1]) as old:
        key = min(key for key in old.sample.keys if ":msg:" in key)
        await old.execute(key, "SET", key, held)
        before = await old.dump()
        with pytest.raises(CommandError) as error:
            await old.upgrade()
        assert str(error.value).startswith(f"1 record can't be read: {key}. Nothing was changed.")
        assert await old.dump() == before
        await old.execute(key, "DEL", key)
        assert (await old.upgrade(mend=True)).messages == len(old.sample.wamids) - 1


@pytest.mark.parametrize("backend", ["redis"], indirect=True)
async def test_many_that_cannot_be_read_are_counted(backend: Backend) -> None:
    async with old_store(backend, SAMPLES[1]) as old:
        for key in [key for key in old.sample.keys if ":msg:" in key][:30]:
            await old.execute(key, "SET", key, "x")
        with pytest.raises(CommandError, match=r"^30 records can't be read: .* …. Nothing"):
            await old.upgrade()


SPOILT = {
    "an entry of no message": ("DEL", ":msg:<id>"),
    "a message without an entry": ("ZREM", ":by:all", "<id>"),
}


@REDIS_FIRST
@pytest.mark.parametrize("spoils", SPOILT.values(), ids=SPOILT)
async def test_counts_that_differ_are_said_before_anything_is_changed(
    backend: Backend, spoils: tuple[str, ...]
) -> None:
    async with old_store(backend, SAMPLES[1]) as old:
        key = min(key for key in old.sample.keys if ":msg:" in key)
        tag, _, message_id = key.partition(":msg:")
        command, place, *more = (word.replace("<id>", message_id) for word in spoils)
        await old.execute(key, command, tag + place, *more)
        before = await old.dump()
        with pytest.raises(CommandError, match=r"doesn't fit .* Nothing was changed.* --mend"):
            await old.upgrade()
        assert await old.dump() == before
        done = await old.upgrade(mend=True)
        assert done.messages == len(old.sample.wamids) - (command == "DEL")
        kinds = {kind for each, (kind, _) in (await old.dump()).items() if ":msg:" in each}
        assert kinds == {"hash"}


MEANWHILE = {
    "an old record came": ("SET", ":msg:" + "x" * 22, "<held>", "came meanwhile.*isn't set"),
    "a record was lost": ("DEL", ":msg:<id>", "", "1 of its entries have no message.*isn't set"),
    "an entry was lost": ("ZREM", ":by:all", "<id>", "and 1 messages no entry.*isn't set"),
    "garbage came": ("SET", ":msg:<id>", "x", "1 record can't be read.*isn't set"),
}


@pytest.mark.parametrize("does", MEANWHILE.values(), ids=MEANWHILE)
@pytest.mark.parametrize("backend", ["redis", "cluster"], indirect=True)
async def test_what_happens_meanwhile_leaves_the_store_on_its_way(
    backend: Backend, does: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = _Upgrade.convert
    async with old_store(backend, SAMPLES[1]) as old:
        key = min(key for key in old.sample.keys if ":msg:" in key)
        tag, _, message_id = key.partition(":msg:")
        held = old.sample.keys[key][1]
        command, place, word, said = (
            each.replace("<id>", message_id).replace("<held>", held) for each in does
        )

        async def convert_and_spoil(upgrade: _Upgrade) -> int:
            done = await convert(upgrade)
            await old.execute(key, command, tag + place, *filter(None, [word]))
            return done

        with monkeypatch.context() as patches:
            patches.setattr(_Upgrade, "convert", convert_and_spoil)
            with pytest.raises(CommandError, match=said):
                await old.upgrade()
        schema = texts_of(await old.execute(key, "HGETALL", "{wa:0}:schema"))
        assert (schema["version"], schema["upgrading"]) == ("0", "2")
        if word == "x":
            await old.execute(key, "DEL", key)
        await old.upgrade(mend=True)
        schema = texts_of(await old.execute(key, "HGETALL", "{wa:0}:schema"))
        assert schema["version"] == str(SCHEMA_VERSION)
        assert "upgrading" not in schema


async def test_a_time_to_live_stays(backend: Backend) -> None:
    async with old_store(backend, SAMPLES[1]) as old:
        some = [key for key in old.sample.keys if ":msg:" in key][:2]
        await old.execute(some[0], "PEXPIRE", some[0], 600_000)
        await old.upgrade()
        assert 500_000 < await old.execute(some[0], "PTTL", some[0]) <= 600_000
        assert await old.execute(some[1], "PTTL", some[1]) == -1


LAYOUTS = {
    "none": ((), "There is no store yet"),
    "a move": (("version", 2, "partitions", 2, "moving", 8), "first take them there"),
    "an older one": (("version", 1, "partitions", 2), "version 1; this service has .*no step"),
    "a newer one": (("version", 99, "partitions", 2), "version 99; this service has .*no step"),
}


@REDIS_FIRST
@pytest.mark.parametrize(("fields", "said"), LAYOUTS.values(), ids=LAYOUTS)
async def test_another_layout_is_refused(
    backend: Backend, fields: tuple[str | int, ...], said: str
) -> None:
    async with old_store(backend, SAMPLES[0]) as old:
        schema = "{wa:0}:schema"
        await old.execute(schema, "DEL", schema)
        if fields:
            await old.execute(schema, "HSET", schema, *fields)
        before = await old.dump()
        with pytest.raises(CommandError, match=said):
            await old.upgrade()
        assert await old.dump() == before


@pytest.mark.parametrize("backend", ["fake"], indirect=True)
async def test_no_step_is_long(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of the longest texts go a few at a time."""
    run, sizes = Scripts.upgrade, []

    async def measures(scripts: Scripts, partition: int, change: Change, until_s: float) -> int:
        sizes.append([len(packed) for _, packed, *_ in change.messages])
        return await run(scripts, partition, change, until_s)

    monkeypatch.setattr(Scripts, "upgrade", measures)
    async with old_store(backend, SAMPLES[0]) as old:
        keys = [key for key in old.sample.keys if ":msg:" in key]
        for key in keys[: len(keys) // 2]:
            fields = old.sample.keys[key][1].split("\x1f")
            fields[8] = "ü" * 5_000
            await old.execute(key, "SET", key, "\x1f".join(fields))
        await old.upgrade()
    assert sum(map(len, sizes)) == len(keys)
    assert max(map(len, sizes)) <= MAX_REPLACED
    assert max(map(sum, sizes)) <= schema_upgrade._CHANGE_BYTES


def test_every_version_has_its_step() -> None:
    """A change of the schema comes with a step from the version before it, and a sample of that."""
    assert sorted(schema_upgrade.STEPS) == list(range(2, SCHEMA_VERSION))
    for version in schema_upgrade.STEPS:
        assert samples(version)
