"""How the requests of a route are let in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple


class Policy(NamedTuple):
    """How the requests of a route are let in.

    Attributes:
        by_token: whether they need a token; where not, the handler looks who it is, and until it
            knows they are strangers.
        refused_at: the part of the callers' limits in use at which they are refused.
        lasting: whether they go on for hours, and do little: they have a limit of their own.
        small: whether all of its answers are small.
    """

    by_token: bool
    refused_at: float
    lasting: bool = False
    small: bool = False


WRITE = Policy(by_token=True, refused_at=1.0, small=True)
"""For what the guide's callers send once and never again."""

WRITE_MANY = Policy(by_token=True, refused_at=1.0)
"""Likewise, for many in a request, with as many answers."""

READ = Policy(by_token=True, refused_at=0.8)
"""For what can be asked again."""

META = Policy(by_token=False, refused_at=0.8)
"""For Meta's webhook: it is signed instead, and Meta sends it again."""

STRANGER = Policy(by_token=False, refused_at=0.8)
"""For what anyone may ask."""

LIVE = Policy(by_token=True, refused_at=0.8, lasting=True)
"""For listeners, who can come again."""

OPEN = Policy(by_token=False, refused_at=math.inf)
"""For an operator's probes: never refused, and so not counted."""

Policies = Mapping[tuple[str, str], Policy]
"""By method and path; what isn't in it is looked at as `READ` or `STRANGER`."""
