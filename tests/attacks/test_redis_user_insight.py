"""As tests/attacks/test_redis_user.py, of the endpoints that tell; they need the same rights."""

import pytest

from tests.attacks.test_redis_user import backend, redis
from tests.http import test_insight

__all__ = ["backend", "redis"]

globals().update({name: each for name, each in vars(test_insight).items() if name[:2] != "__"})
pytestmark = pytest.mark.slow
