"""Rows that are checked together are those that are checked one by one."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ResponseError

from service.domain.rows import texts_of
from service.store.paging import rows_of

FIELDS = texts_of("status", "wamid", "sent_ms", "failed_ms", "guest_name")
ONE_BY_ONE = FIELDS._replace(readable=lambda _: False)

GOOD = ["sent", "wamid.1", "1768473000000", None, "Zoë"]
ODD = st.sampled_from(
    [
        *(
            ["lost", *GOOD[1:]],
            [None, *GOOD[1:]],
            ["sent", None, *GOOD[2:]],
            ["sent", "", *GOOD[2:]],
        ),
        *([*GOOD[:2], "soon", None, None], [*GOOD[:3], "1 ", None], [*GOOD[:2], None, "2", None]),
        *([*GOOD[:2], None, None, None], ["failed", "wamid.1", None, None, None], [None] * 5),
        ResponseError("no hash"),
    ]
)
REPLIES = st.lists(st.just(GOOD) | ODD, max_size=4)


@given(replies=REPLIES)
def test_the_same_rows_are_read_and_the_same_number_is_unreadable(replies: list[Any]) -> None:
    assert rows_of(FIELDS, replies) == rows_of(ONE_BY_ONE, replies)
