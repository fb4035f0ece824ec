"""What `make demo` tells: made-up people, and times that could be true."""

import re
from collections.abc import Iterable
from itertools import chain

import pytest

from scripts.story import RUNNING, News, Story

NOW_S = 1_800_000_000.0
NOBODYS = re.compile(r"1[2-9]\d\d55501\d\d|447700900\d{3}|467017406(0[5-9]|[1-9]\d)")
"""Numbers that no telephone has: of North America, the United Kingdom and Sweden."""


def story(messages: int = 500, seed: int = 1) -> Story:
    return Story(messages, seed=seed, now_s=NOW_S)


def wamids(news: Iterable[News]) -> set[str]:
    return {each.body.get("template_wamid") or each.body["id"] for each in news}


def test_a_seed_tells_one_story() -> None:
    one, same, other = story(), story(), story(seed=2)
    assert list(one.past()) == list(same.past())
    assert one.until(NOW_S + 60) == same.until(NOW_S + 60)
    assert list(other.past()) != list(story().past())


@pytest.mark.parametrize("messages", [1, 200, 1234])
def test_as_many_messages_were_sent_as_it_was_asked_for(messages: int) -> None:
    past = list(story(messages).past())
    assert len(past) == messages
    assert all(news[0].is_send for news in past)
    assert len(wamids(chain(*past))) == messages


def test_nobody_has_the_numbers() -> None:
    phones = {news[0].body["wa_id"] for news in story(5_000).past()}
    assert len(phones) > 1_000
    assert [phone for phone in phones if not NOBODYS.fullmatch(phone)] == []


def test_what_is_past_is_told_and_the_rest_when_it_happens() -> None:
    told = story()
    past = list(chain(*told.past()))
    assert max(each.heard_s for each in past) <= NOW_S
    soon, later = told.until(NOW_S + 60), told.until(NOW_S + 120)
    assert [each for each in soon if not NOW_S < each.heard_s <= NOW_S + 60] == []
    assert [each for each in later if not NOW_S + 60 < each.heard_s <= NOW_S + 120] == []
    numbers = [each.number for each in past + soon + later]
    assert len(numbers) == len(set(numbers))


def test_the_running_send_goes_on_and_its_messages_reach_people() -> None:
    told = story()
    past = wamids(chain(*told.past()))
    news = told.until(NOW_S + 600)
    sends = [each.body for each in news if each.is_send]
    assert 0.8 < len(sends) / (600 * RUNNING.per_s) < 1.2
    assert {body["event_id"] for body in sends} == {RUNNING.event_id}
    delivered = {each.body["id"] for each in news if each.body.get("status") == "delivered"}
    assert len(delivered & wamids(news) - past) > 0.7 * len(sends)


def test_of_some_that_were_read_nobody_heard_that_they_were_delivered() -> None:
    """With Meta it is so, and the page must say what it doesn't know."""
    heard = [{each.body.get("status") for each in news} for news in story(2_000).past()]
    read = [statuses for statuses in heard if "read" in statuses]
    alone = [statuses for statuses in read if "delivered" not in statuses]
    assert 0.01 < len(alone) / len(read) < 0.1


def test_nothing_is_reached_before_it_is_sent() -> None:
    """It may be heard of before: with Meta it is so."""
    for send, *statuses in story().past():
        times = {each.body["status"]: int(each.body["timestamp"]) for each in statuses}
        assert all(int(send.heard_s) <= time_s for time_s in times.values())
        assert all(send.heard_s < each.heard_s for each in statuses)
        assert times.get("sent", 0) <= times.get("delivered", NOW_S)
        assert times.get("delivered", 0) <= times.get("read", NOW_S)
