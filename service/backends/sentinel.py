"""`redis+sentinel://…`: a client of the server that Sentinel names as the master.

The client asks Sentinel again for every new connection. A connection breaks when its server fails
or becomes a replica. So after a failover the next try finds the new master.
"""

from __future__ import annotations

import re
from copy import copy
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from redis import asyncio as driver
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from service.backends.pool import Pool

_OPTIONS = {"sentinel_username", "sentinel_password"}
_NODE = re.compile(r"(?:\[(?P<v6>[^][]+)\]|(?P<name>[^][:%]+))(?::(?P<port>[0-9]{1,5}))?")


class _Pool(SentinelConnectionPool, Pool):
    """A pool of connections to the master that Sentinel names."""


def nodes_of(
    netloc: str, usual_port: str = ""
) -> tuple[str | None, str | None, list[tuple[str, int]]]:
    """The parts of `user:password@host:port,host:port`: user, password, hosts with their ports.

    Args:
        netloc: the part of a URL.
        usual_port: the port of a host that names none; "": each host must name one.

    Raises:
        ValueError: it doesn't have that form.
    """
    credentials, _, hosts = netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    nodes = [_node_of(node, usual_port) for node in hosts.split(",")]
    return unquote(user) or None, unquote(password) or None, nodes


def _node_of(text: str, usual_port: str) -> tuple[str, int]:
    parts = _NODE.fullmatch(text)
    if parts is None:
        raise ValueError("a host and a port are needed")
    host, port = parts["v6"] or parts["name"], int(parts["port"] or usual_port)
    host.encode("idna")  # raises for an empty or too long label, as every look-up would
    if not 0 < port < 2**16:
        raise ValueError("there is no such port")
    return host, port


class _Sentinels(Sentinel):
    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """The master's address. From then on the Sentinel that knew it is asked first."""
        # The driver swaps that Sentinel with the first one in the list, by the indexes from before
        # it asked. If calls run at the same time, a later swap overwrites another Sentinel, which
        # is then lost for good. So each call works on a list of its own.
        alone = copy(self)
        alone.sentinels = list(self.sentinels)
        address: tuple[str, int] = await super(_Sentinels, alone).discover_master(service_name)
        self.sentinels = alone.sentinels
        return address


class Watched(driver.Redis):
    """A client of the master. It closes its connections to the Sentinels together with its own."""

    sentinels: Sentinel

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001
        """Closes all connections."""
        await super().aclose(close_connection_pool)
        await self.sentinels.aclose()


def client_of(url: str, **options: Any) -> Watched:  # noqa: ANN401  as the driver has them
    """A client of the master that the Sentinels of a URL watch, under the name in the URL.

    The URL's user and password are for the data servers. If the Sentinels want a password too, it
    stands in the query as `sentinel_password`, and their user as `sentinel_username`.

    Args:
        url: `redis+sentinel://[user:password@]host:port[,host:port…]/name`; `rediss+sentinel` for
            TLS to Sentinels and servers.
        **options: of the pool and its connections, as `Pool` takes them.

    Raises:
        ValueError: the URL doesn't have that form.
    """
    parts = urlsplit(url)
    user, password, sentinels = nodes_of(parts.netloc)
    name = unquote(parts.path.strip("/"))
    own = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    if not name or "/" in name or not own.keys() <= _OPTIONS:
        raise ValueError("a name is needed, and no other options")
    tls = {"ssl": True} if parts.scheme == "rediss+sentinel" else {}
    shared = {key: value for key, value in options.items() if key.startswith(("socket", "proto"))}
    asked = {key.removeprefix("sentinel_"): value for key, value in own.items()}
    sentinel = _Sentinels(  # type: ignore[no-untyped-call]  # the driver's
        sentinels, sentinel_kwargs=shared | asked | tls | {"retry": Retry(NoBackoff(), 0)}
    )
    client: Watched = sentinel.master_for(
        name,
        redis_class=Watched,
        connection_pool_class=_Pool,
        username=user,
        password=password,
        **options,
        **tls,
    )
    client.sentinels = sentinel
    return client
