"""Redis Cluster: each partition's commands go to its node."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from redis import asyncio as driver
from redis import exceptions as faults
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection

from service.backends.server import PASSING, Server

_LOOK_EVERY_S = 0.2


class Cluster(Server):
    """Redis Cluster.

    Commands go to a partition's node directly. The driver's own routing follows ASK, which during
    the move of a slot would run a script on a node that has only part of the keys: half of a
    record would be written and the other half lost. Here ASK means to wait for the move's end.

    Args:
        client: with the nodes of the URL, and room for more than twice the connections.
        connections: to a node at the most. Each has its own, so that one which hangs holds up
            nobody who waits for another.
    """

    def __init__(self, client: driver.RedisCluster, connections: int) -> None:
        super().__init__()
        self._client = client
        self._nodes = client.nodes_manager
        self._seeds = dict(self._nodes.startup_nodes)
        self._free: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(connections)
        )
        self._looked_s = -math.inf

    async def _send(self, tag: str, *command: Any) -> Any:
        async with self._node_of(tag) as node:
            return await node.execute_command(*command)

    @asynccontextmanager
    async def _connection_of(self, tag: str) -> AsyncIterator[AbstractConnection]:
        async with self._node_of(tag) as node:
            connection = node.acquire_connection()
            try:
                await node.disconnect_if_needed(connection)
                yield connection
            finally:
                node.release(connection)

    @asynccontextmanager
    async def _node_of(self, tag: str) -> AsyncIterator[ClusterNode]:
        """The partition's node. After an error that may pass, all nodes are looked up anew."""
        await self._client.initialize()
        node = cast("ClusterNode", self._client.get_node_from_key(tag))
        try:
            async with self._free[node.name]:
                yield node
        except faults.MovedError as error:
            await self._nodes.move_slot(error)
            raise
        except faults.AskError:
            raise  # who has the slot hasn't changed yet
        except PASSING:
            await self._look_around(node)
            raise

    async def _look_around(self, failed: ClusterNode) -> None:
        """Asks the nodes which of them has what; the one that failed is asked last.

        Not at every failure: where a node is gone all batches for it fail again and again, and the
        answer takes 10 ms to read and has every connection opened anew.
        """
        now_s = asyncio.get_running_loop().time()
        if now_s < self._looked_s + _LOOK_EVERY_S:
            return
        self._looked_s = now_s
        try:
            await self._nodes.initialize(last_failed_node_name=failed.name)
        except faults.RedisClusterException:
            # None of those that the driver remembers is there: all may have moved elsewhere.
            self._nodes.startup_nodes |= self._seeds
            raise

    async def home_of(self, tag: str) -> str:
        """The name of the server that holds a partition."""
        await self._client.initialize()
        return cast("ClusterNode", self._client.get_node_from_key(tag)).name

    async def ask(self, *command: Any) -> list[Any]:
        """The answer of every master."""
        await self._client.initialize()
        return [await node.execute_command(*command) for node in self._client.get_primaries()]

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()
