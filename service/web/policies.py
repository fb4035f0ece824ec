"""Policies: how the requests of a route are authenticated and admitted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple


class Policy(NamedTuple):
    """How the requests of a route are authenticated and admitted.

    Attributes:
        by_token: whether they need a token. If not, the handler authenticates them, and until then
            they count as strangers.
        refused_at: the part of the callers' limits at which they are refused.
        lasting: whether they last for hours and do little: they have a limit of their own.
        small: whether all of their answers are small.
    """

    by_token: bool
    refused_at: float
    lasting: bool = False
    small: bool = False


WRITE = Policy(by_token=True, refused_at=1.0, small=True)
"""For reports, which the guide's callers send once and never again."""

WRITE_MANY = Policy(by_token=True, refused_at=1.0)
"""For many reports in a request, with as many answers."""

READ = Policy(by_token=True, refused_at=0.8)
"""For queries, which can be repeated."""

META = Policy(by_token=False, refused_at=0.8)
"""For Meta's webhook: it has a signature instead of a token, and Meta sends it again."""

STRANGER = Policy(by_token=False, refused_at=0.8)
"""For requests that anyone may make."""

LIVE = Policy(by_token=True, refused_at=0.8, lasting=True)
"""For live streams, whose subscribers can reconnect."""

OPEN = Policy(by_token=False, refused_at=math.inf)
"""For an operator's probes: never refused, and so not counted."""

Policies = Mapping[tuple[str, str], Policy]
"""Policies by method and path. A path that is not in it counts as `READ` or `STRANGER`."""
