"""What a Redis may suffer from while it is there, for as long as a context lasts."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from redis import Redis as Driver

from tests.servers import RedisServer, free_port

Refusal = Callable[[RedisServer], AbstractContextManager[None]]


@contextmanager
def replica_of_a_dead_master(redis: RedisServer) -> Iterator[None]:
    redis.command("REPLICAOF", "127.0.0.1", free_port())
    try:
        yield
    finally:
        redis.command("REPLICAOF", "NO", "ONE")


@contextmanager
def paused(redis: RedisServer) -> Iterator[None]:
    redis.pause()
    try:
        yield
    finally:
        redis.resume()


def full_memory(redis: RedisServer) -> AbstractContextManager[None]:
    redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    return _configured(redis, "maxmemory", "1mb")


def too_few_replicas(redis: RedisServer) -> AbstractContextManager[None]:
    return _configured(redis, "min-replicas-to-write", "1")


@contextmanager
def _configured(redis: RedisServer, setting: str, value: str) -> Iterator[None]:
    redis.command("CONFIG", "SET", setting, value)
    try:
        yield
    finally:
        redis.command("CONFIG", "SET", setting, "0")


@contextmanager
def no_password(redis: RedisServer) -> Iterator[None]:
    """The password is changed behind the service's back, and its connections are closed."""
    with redis.client() as admin:
        _set_password(admin, "a-new-password")
        try:
            yield
        finally:
            _set_password(admin, "")


def _set_password(admin: Driver, password: str) -> None:
    admin.execute_command("CONFIG", "SET", "requirepass", password)
    admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
