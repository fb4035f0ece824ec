"""`values.lua`: order, positions, bounds; on every backend."""

from service.domain.query import ValuePosition
from service.store.scripts import Scripts
from tests.backends import Bench, soon_s
from tests.factories import BASE_US, send_report

BOUNDED_CALL = """function(...)
  local reply = redis.call(...)
  if type(reply) == 'table' and #reply > 30 then
    error('a look at too much')
  end
  return reply
end"""
"""Stands for `redis.call`: refuses to read more than a small page, its scores included."""


async def test_values_of_one_microsecond_are_neither_skipped_nor_repeated(store: Bench) -> None:
    """However many they are, a page costs the same: an import may bring days without hours."""
    for number in range(60):
        report = send_report(
            wamid=f"wamid.{number}", received_us=BASE_US + number // 50, event_id=f"é{number}"
        )
        await store.scripts.merge(0, [report], soon_s())
    scripts = Scripts(store.server, BOUNDED_CALL)
    seen: list[ValuePosition] = []
    while page := await scripts.values(0, "event", 7, seen[-1] if seen else None, soon_s()):
        seen += [standing.position for standing in page]
    assert len(seen) == 60
    assert seen == sorted(set(seen), reverse=True)
