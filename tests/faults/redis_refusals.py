"""What a Redis may suffer from while it is there, for as long as a context lasts."""

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from redis import Redis as Driver

from tests.servers import RedisServer, free_port, wait_until

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


@contextmanager
def failing_snapshots(redis: RedisServer) -> Iterator[None]:
    """Redis can't save, and answers MISCONF to every write until a save succeeds."""
    redis.command("CONFIG", "SET", "save", "3600 1000000")
    in_the_way = redis.folder / "dump.rdb"
    in_the_way.mkdir()
    _save(redis, "err")
    try:
        yield
    finally:
        in_the_way.rmdir()
        _save(redis, "ok")


def _save(redis: RedisServer, status: str) -> None:
    redis.command("BGSAVE")

    def saved() -> bool:
        told = redis.command("INFO", "persistence")
        assert isinstance(told, dict)
        return (told["rdb_bgsave_in_progress"], told["rdb_last_bgsave_status"]) == (0, status)

    wait_until(saved, "the end of a save")


@contextmanager
def full_disk(redis: RedisServer) -> Iterator[None]:
    """The append-only file can't grow: Redis answers MISCONF to every write until it can."""
    redis.command("CONFIG", "SET", "appendfsync", "everysec")  # with `always` it would end
    before = resource.prlimit(redis.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(redis.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(redis.pid, resource.RLIMIT_FSIZE, before)


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


@contextmanager
def no_permission_to_write(redis: RedisServer) -> Iterator[None]:
    """The user may run scripts still, and those may not do what they are for."""
    with redis.client() as admin:
        admin.execute_command("ACL", "SETUSER", "default", "-@write")
        try:
            yield
        finally:
            admin.execute_command("ACL", "SETUSER", "default", "+@all")


def _set_password(admin: Driver, password: str) -> None:
    admin.execute_command("CONFIG", "SET", "requirepass", password)
    admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
