"""`python -m bench`: what the service costs, in one run, as ratios. Linux, with wrk on PATH.

- `ratio` is requests/s of the service by requests/s of `bench/bare.py`, a handler on the same
  aiohttp and uvloop that stores nothing. Each round runs wrk against one and then the other; the
  figure is the median of the rounds' ratios, `least` and `most` are the worst and the best: far
  apart, the machine was busy with something else. Compare ratios between machines and days,
  requests/s only within a run.
- `cpu us` is the processor time of the server process a request, user and system, in
  microseconds. It is steadier than requests/s, which on two cores also depends on where wrk and
  Redis run.
- `failed` counts answers over 399, broken connections and timeouts. A single one ends the run
  with exit status 1, since a refusal is cheaper than an answer and would improve the ratio.
- `message-status` sends `sent`, `delivered` and `read` of messages that nobody tracked: a third of
  the requests makes a record, every one changes one. Duplicates would be cheaper. `track-send`
  tracks event messages with every field, each of them new.
- `bytes a message` is the growth of Redis' `used_memory` over 100,000 tracked event messages with
  their indexes and counters. It depends on the server's version, not on the machine's speed.
- Pages are timed over HTTP, one request at a time, in a small store and a large one in turns;
  medians. `ratio` is large by small: about 1 where a page costs the same in both.

Nothing fails because it is slow: targets stand beside the figures for people to judge.
"""

Row = dict[str, str | int | float]
"""A line of figures: column names and values."""


class BenchError(Exception):
    """The run can't go on, or its figures would mean nothing."""
