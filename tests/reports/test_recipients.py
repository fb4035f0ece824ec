"""Faults that people met with recipients, as they met them: over HTTP and on the command line."""

import csv
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.backends import Backend
from tests.conftest import Client
from tests.in_process import invoke
from tests.recipients import REFUSED, SPOILT, WRITTEN

API = "/api/webhooks"


async def post(client: Client, name: str, body: object, status: int = 200) -> Any:
    async with client.post(f"{API}/{name}/", json=body) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def found(client: Client, recipient_id: str) -> list[str]:
    """The wamids that the list has for a recipient."""
    query = {"recipient_id": recipient_id}
    async with client.get(f"{API}/message-logs/", params=query) as response:
        assert response.status == 200, await response.text()
        return [log["wamid"] for log in (await response.json())["logs"]]


async def refused(client: Client, recipient_id: str) -> str:
    """The sentence by which the list refuses a recipient."""
    query = {"recipient_id": recipient_id}
    async with client.get(f"{API}/message-logs/", params=query) as response:
        assert response.status == 400, await response.text()
        return str((await response.json())["error"])


async def send(client: Client, wamid: str, wa_id: object) -> None:
    await post(client, "track-send", {"template_wamid": wamid, "wa_id": wa_id})


def update(wamid: str, **fields: object) -> dict[str, object]:
    now = str(int(time.time()))
    return {"wamid": wamid, "status": "delivered", "timestamp": now} | fields


async def test_a_number_with_a_mark_that_nobody_sees_is_the_same_person(client: Client) -> None:
    """Asha's messages weren't found any more, and "forget me" forgot none of them.

    Her number had been copied from a chat, and so had a left-to-right mark.
    """
    await post(client, "message-status", update("wamid.K1", recipient_id="919876580003"))
    assert await found(client, "919876580003") == ["wamid.K1"]
    await send(client, "wamid.K1", "\u200e919876580003")
    assert await found(client, "919876580003") == ["wamid.K1"]
    answer = await post(client, "erase", {"recipient_id": "919876580003"})
    assert (answer["erased"], answer["complete"]) == (1, True)
    assert await found(client, "919876580003") == []


class TestEveryForm:
    @pytest.mark.parametrize(("text", "digits"), WRITTEN.items())
    async def test_of_a_number_is_one_person(self, client: Client, text: str, digits: str) -> None:
        """Each program writes numbers its own way, and a person was as many people."""
        await send(client, "wamid.1", text)
        many = {"messages": [{"wa_id": text, "template_wamid": "wamid.2"}]}
        assert (await post(client, "track-send/batch", many))["ok"]
        await post(client, "message-status", update("wamid.3", recipient_id=text))
        updates = {"updates": [update("wamid.4", recipient_id=text)]}
        assert (await post(client, "message-status/batch", updates))["ok"]
        everything = [f"wamid.{number}" for number in (4, 3, 2, 1)]
        assert await found(client, digits) == everything
        assert await found(client, text) == everything
        async with client.get(f"{API}/message-logs/") as response:
            logs = (await response.json())["logs"]
        assert {log["recipient_id"] for log in logs} == {digits}
        assert (await post(client, "erase", {"recipient_id": text}))["erased"] == 4

    @pytest.mark.parametrize("text", REFUSED)
    async def test_of_what_is_no_recipient_is_refused(self, client: Client, text: str) -> None:
        """People whose number a spreadsheet or a program had lost became one person.

        What one of them asked to forget was gone for all of them, and nobody was told.
        """
        wrong = {"wa_id": text, "template_wamid": "wamid.1"}
        answers = [
            await post(client, "track-send", wrong, 400),
            (await post(client, "track-send/batch", {"messages": [wrong]}))["results"][0],
            await post(client, "erase", {"recipient_id": text}, 400),
        ]
        sentences = [answer["error"] for answer in answers] + [await refused(client, text)]
        assert [answer["field"] for answer in answers] == ["wa_id", "wa_id", "recipient_id"]
        for sentence in sentences:
            assert sentence.endswith(".")
            assert len(text) < 4 or text.strip().casefold() not in sentence.casefold()
        async with client.get(f"{API}/message-logs/") as response:
            assert await response.json() == {"logs": []}


async def test_a_number_behind_another_one_is_somebody_else(client: Client) -> None:
    """The list for an Indian number had an American's messages among its own."""
    await send(client, "wamid.india", "+91 91723 45678")
    await send(client, "wamid.america", "+1 917 234 5678")
    assert await found(client, "919172345678") == ["wamid.india"]
    assert await found(client, "+1 (917) 234-5678") == ["wamid.america"]
    assert await found(client, "09172345678") == ["wamid.america", "wamid.india"]  # either may be
    await send(client, "wamid.home", "09876543210")
    assert await found(client, "919876543210") == ["wamid.home"]
    assert await found(client, "9876543210") == ["wamid.home"]


async def test_forgetting_one_person_forgets_nobody_else(client: Client) -> None:
    """An erasure took along everybody whose number ended alike."""
    await send(client, "wamid.asha", "919876543210")
    await send(client, "wamid.other", "449876543210")
    await send(client, "wamid.unknown", "9876543210")
    answer = await post(client, "erase", {"recipient_id": "9876543210"})
    assert answer == {"ok": True, "erased": 1, "complete": True, "ends_alike": 2}
    answer = await post(client, "erase", {"recipient_id": "919876543210"})
    assert answer == {"ok": True, "erased": 1, "complete": True, "ends_alike": 1}
    await send(client, "wamid.asha", "919876543210")  # a retry that comes late
    assert await post(client, "erase", {"recipient_id": "919876543210"}) == answer | {"erased": 0}
    assert await found(client, "449876543210") == ["wamid.other"]


@pytest.mark.parametrize(
    ("written", "metas", "others"),
    [
        ("+55 (11) 98765-4321", "551187654321", ["11987654321", "011 8765-4321", "1187654321"]),
        ("551187654321", "5511987654321", ["11987654321", "1187654321"]),
        ("+52 55 1234 5678", "5215512345678", ["5512345678", "15512345678"]),
        ("+54 11 2345 6789", "5491123456789", ["1123456789", "91123456789"]),
    ],
)
async def test_a_number_that_meta_writes_with_another_digit_is_the_same_person_s(
    client: Client, written: str, metas: str, others: list[str]
) -> None:
    """Statuses named a number that nobody had sent to, and "forget me" forgot half."""
    await send(client, "wamid.1", written)
    await post(client, "message-status", update("wamid.1", recipient_id=metas))
    await post(client, "message-status", update("wamid.2", recipient_id=metas))
    await send(client, "wamid.3", written)
    await send(client, "wamid.other", written[:-1] + "0")
    for each in (written, metas, *others):
        assert await found(client, each) == ["wamid.3", "wamid.2", "wamid.1"]
    async with client.get(f"{API}/messages/wamid.1/") as response:
        message = (await response.json())["message"]
    assert message["metas_recipient_id"] == metas
    assert message["recipient_id"] == "".join(filter(str.isdecimal, written))
    answer = await post(client, "erase", {"recipient_id": metas})
    assert answer == {"ok": True, "erased": 3, "complete": True, "ends_alike": 0}
    assert await found(client, written) == await found(client, metas) == []
    assert await found(client, written[:-1] + "0") == ["wamid.other"]


async def test_a_message_is_found_and_forgotten_by_every_id_that_it_carries(client: Client) -> None:
    """Whoever hides their number was found by it alone, and their ids stayed behind."""
    ids = {"recipient_user_id": "IN.1", "recipient_parent_user_id": "IN.ENT.1"}
    names = ["919876543210", "IN.1", "IN.ENT.1", "447700900123"]
    await send(client, "wamid.other", "IN.11")
    for name in names:
        wamid = f"wamid.{name}"
        await send(client, wamid, "919876543210")
        await post(client, "message-status", update(wamid, recipient_id="447700900123", **ids))
        await post(client, "message-status", update(wamid, status="read"))
        for each in names:
            assert await found(client, each) == [wamid]
        answer = await post(client, "erase", {"recipient_id": name})
        assert (answer["erased"], answer["complete"]) == (1, True)
        for each in names:
            assert await found(client, each) == []
    assert await found(client, "IN.11") == ["wamid.other"]


async def test_eight_digits_find_a_number_behind_a_calling_code_alone(client: Client) -> None:
    """Norway's and Singapore's numbers have eight, and were found in full only."""
    await send(client, "wamid.norway", "+47 912 34 567")
    await send(client, "wamid.home", "91234567")
    await send(client, "wamid.india", "+91 91912 34567")
    for asked in ("91234567", "4791234567", "091234567"):
        assert await found(client, asked) == ["wamid.home", "wamid.norway"]
    assert await found(client, "1234567") == []
    answer = await post(client, "erase", {"recipient_id": "91234567"})
    assert answer == {"ok": True, "erased": 1, "complete": True, "ends_alike": 1}


async def test_an_id_of_140_characters_is_a_recipient(client: Client) -> None:
    """Meta's ids of people and groups may be as long, and their messages were refused."""
    longest = "US." + "1" * 137
    await send(client, "wamid.1", longest)
    await post(client, "message-status", update("wamid.2", recipient_id=longest))
    assert await found(client, longest) == ["wamid.2", "wamid.1"]
    await post(client, "track-send", {"wa_id": longest + "1", "template_wamid": "wamid.3"}, 400)
    assert (await post(client, "erase", {"recipient_id": longest}))["erased"] == 2


class TestMovingIn:
    """`import` and `export` read recipients as the API does."""

    @pytest.fixture
    def variables(self, backend: Backend) -> dict[str, str]:
        """The environment of a command that works on the store of the running service."""
        partitions = str(backend.partitions)
        return {"TRACKER_REDIS__URL": backend.url, "TRACKER_REDIS__PARTITIONS": partitions}

    @staticmethod
    def table(folder: Path, numbers: list[str]) -> Path:
        file = folder / "old.csv"
        with file.open("w", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(["wamid", "recipient_id", "sent_at", "event_id"])
            for row, number in enumerate(numbers):
                writer.writerow([f"wamid.{row}", number, "2026-01-15T10:30:00Z", "e"])
        return file

    async def test_a_table_s_numbers_are_those_of_the_api(
        self, client: Client, tmp_path: Path, variables: dict[str, str]
    ) -> None:
        """Who moved in with numbers that had been copied had people whom nobody found."""
        written = [text for text in WRITTEN if "\n" not in text]
        file = self.table(tmp_path, written)
        told = invoke("import", str(file), cwd=tmp_path, **variables)
        assert f"{len(written)} created; 0 refused." in told.stdout
        for row, text in enumerate(written):
            assert f"wamid.{row}" in await found(client, WRITTEN[text])
        invoke("export", "one.ndjson", "--recipient-id", written[0], cwd=tmp_path, **variables)
        lines = map(json.loads, (tmp_path / "one.ndjson").read_text().splitlines())
        digits = WRITTEN[written[0]]
        same = {f"wamid.{row}" for row, text in enumerate(written) if WRITTEN[text] == digits}
        assert {line["wamid"] for line in lines if line["recipient_id"] == digits} == same

    async def test_numbers_that_a_spreadsheet_has_spoilt_are_refused_by_the_line(
        self, client: Client, tmp_path: Path, variables: dict[str, str]
    ) -> None:
        """`import` took 9.19877E+11 for a number, and wrote all of a column to one person."""
        spoilt = [text for text in SPOILT if not {"\n", "\x00"} & set(text)]
        file = self.table(tmp_path, [*spoilt, "919876540001"])
        told = invoke("import", str(file), cwd=tmp_path, **variables)
        assert told.returncode == 1
        assert f"1 created; {len(spoilt)} refused." in told.stdout
        assert "line 2: recipient_id is what a spreadsheet makes of a number; " in told.stderr
        assert not any(text.strip() in told.stderr for text in spoilt)
        assert await found(client, "919876540001") == [f"wamid.{len(spoilt)}"]
        told = invoke("export", "-", "--recipient-id", "9.19877E+11", cwd=tmp_path, **variables)
        assert (told.returncode, told.stdout) == (2, "")
        assert "is what a spreadsheet makes of a number" in told.stderr
