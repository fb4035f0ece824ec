"""Makes a client for a URL: one Redis, a Sentinel's master, a cluster, private or fakeredis."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from redis import DriverInfo
from redis import asyncio as driver
from redis import exceptions as faults
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from service import config
from service.backends.cluster import Cluster
from service.backends.durability import wait_of
from service.backends.embedded import embedded_server, is_private
from service.backends.pool import Pool
from service.backends.sentinel import client_of, nodes_of
from service.backends.server import Fake, OneServer, Server
from service.errors import ConfigError

_ANSWER_S = 4.9


@asynccontextmanager
async def connect(settings: config.Settings) -> AsyncIterator[Server]:
    """The server of the settings. The private server is started before, and stopped after.

    Raises:
        ConfigError: the URL has no form that we know.
        StartError: the private server doesn't start.
    """
    async with AsyncExitStack() as stack:
        url = settings.redis.url
        if settings.embedded:
            url = await stack.enter_async_context(
                embedded_server(settings.data_dir, settings.appendfsync)
            )
        server = _server_of(url, settings.redis)
        stack.push_async_callback(server.close)
        yield server


def address_of(settings: config.Settings) -> str:
    """The URL of the store for a log: without user, password and options."""
    if is_private(settings.redis.url, settings.data_dir):
        return "the private server"
    parts = urlsplit(settings.redis.url)
    database = parse_qs(parts.query).get("db", [""])[-1]
    path = parts.path.rstrip("/") + (f"?db={database}" if database else "")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"


def _server_of(url: str, settings: config.Redis) -> Server:
    # Short enough that a call ends within 5 s, even if its last try misses the deadline.
    socket_timeout_s = min(settings.timeout_s / 2, _ANSWER_S - settings.timeout_s)
    try:
        _check_form(url)
        server = _KINDS[urlsplit(url).scheme](
            url,
            settings,
            protocol=2,
            socket_timeout=socket_timeout_s,
            socket_connect_timeout=socket_timeout_s,
            retry=Retry(NoBackoff(), 0),
            driver_info=DriverInfo(),  # else each connection looks up the driver's version anew
        )
    # The driver raises any of these for a bad option. We hide its text: it may hold the password.
    except (KeyError, TypeError, ValueError, faults.RedisError):
        raise ConfigError(
            "redis.url must be like redis://host:6379/0, rediss://…, unix:///path, "
            "redis+sentinel://host:port,host:port/name, rediss+sentinel://…, "
            "redis+cluster://host:port,host:port, rediss+cluster://… or fakeredis://, and so must "
            "--to-url or REPARTITION_TO_URL. A user and a password in it are percent-encoded: "
            "p%40ss for p@ss."
        ) from None
    server.wait = wait_of(settings, socket_timeout_s)
    return server


def _check_form(url: str) -> None:
    """Refuses URLs that the driver and `urlsplit` would misread.

    Raises:
        ValueError: the URL has no form that we know.
    """
    if not url.isprintable() or "%00" in url:
        raise ValueError("urlsplit drops line ends, and the system refuses a NUL")
    parts = urlsplit(url)
    if parts.scheme == "unix":
        if not parts.path:
            raise ValueError("a path is needed")
    elif " " in url or "#" in url:
        raise ValueError("the text after a # would be ignored")
    if parts.scheme in {"redis", "rediss"}:
        _, _, nodes = nodes_of(parts.netloc, usual_port="6379")
        if len(nodes) > 1 or not re.fullmatch(r"/?[0-9]*", parts.path):
            raise ValueError("it must have one host, and no path but the number of a database")


def _fake(_url: str, _settings: config.Redis, **_options: Any) -> Server:
    from fakeredis import FakeAsyncRedis, FakeServer  # noqa: PLC0415  takes 0.15 s, seldom needed

    return Fake(FakeAsyncRedis(server=FakeServer(), protocol=2))


def _one_server(url: str, settings: config.Redis, **options: Any) -> Server:
    pool = Pool.from_url(
        url, max_connections=settings.connections, timeout=settings.timeout_s, **options
    )
    pool.make_connection()  # type: ignore[no-untyped-call]  # it raises for wrong options
    return OneServer(driver.Redis.from_pool(pool))


def _watched(url: str, settings: config.Redis, **options: Any) -> Server:
    limits = {"max_connections": settings.connections, "timeout": settings.timeout_s}
    return OneServer(client_of(url, **limits, **options))


def _cluster(url: str, settings: config.Redis, **options: Any) -> Server:
    parts = urlsplit(url)
    if parts.path.strip("/") or parts.query:
        raise ValueError("a cluster has no databases, and takes no options")
    user, password, nodes = nodes_of(parts.netloc)
    client = driver.RedisCluster(
        startup_nodes=[ClusterNode(*node) for node in nodes],
        max_connections=2 * settings.connections + 1,  # it also counts those that it is closing
        username=user,
        password=password,
        ssl=parts.scheme == "rediss+cluster",
        **options,
    )
    return Cluster(client, settings.connections)


_KINDS: dict[str, Callable[..., Server]] = {
    "fakeredis": _fake,
    **dict.fromkeys(["redis", "rediss", "unix"], _one_server),
    **dict.fromkeys(["redis+sentinel", "rediss+sentinel"], _watched),
    **dict.fromkeys(["redis+cluster", "rediss+cluster"], _cluster),
}
