"""Commands wait for a store that is away, and give up with a sentence in the end."""

import pytest

from service.commands import common
from service.errors import CommandError, Unavailable


class Away:
    """A store that answers after so many calls."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    async def call(self) -> str:
        self.left -= 1
        if self.left >= 0:
            raise Unavailable("timeout")
        return "answer"


async def test_a_call_is_repeated_until_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "_PAUSE_S", 0.0)
    assert await common.retry_while_unavailable(Away(5).call) == "answer"


async def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "_PAUSE_S", 0.0)
    monkeypatch.setattr(common, "_TIMEOUT_S", 0.01)
    with pytest.raises(CommandError, match=r"not available \(timeout\). Run the same again"):
        await common.retry_while_unavailable(Away(10**9).call)
