"""Redis Cluster: sends each partition's commands to its node."""

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

from service.backends.server import TRANSIENT, Server

_LOOK_EVERY_S = 0.2


class Cluster(Server):
    """Redis Cluster.

    Commands go directly to a partition's node. The driver's own routing follows ASK. While a slot
    is being moved, that would run a script on a node that has only a part of the keys: half of a
    record would be written, and the other half lost. Here ASK means to wait until the move ends.

    Args:
        client: with the nodes of the URL, and room for more than twice the connections.
        connections: the most connections to a node. Each node has its own limit, so that a node
            that hangs doesn't hold up calls to the others.
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
        """The partition's node. After a transient error the layout of the cluster is read anew."""
        await self._client.initialize()
        node = cast("ClusterNode", self._client.get_node_from_key(tag))
        try:
            async with self._free[node.name]:
                yield node
        except faults.MovedError as error:
            await self._nodes.move_slot(error)
            raise
        except faults.AskError:
            raise  # the slot still belongs to the same node
        except TRANSIENT:
            await self._look_around(node)
            raise

    async def _look_around(self, failed: ClusterNode) -> None:
        """Asks the nodes which slots each of them has; the failed node is asked last."""
        now_s = asyncio.get_running_loop().time()
        # Not at every failure: while a node is down every batch for it fails again and again. To
        # read the answer takes 10 ms, and every connection is then opened anew.
        if now_s < self._looked_s + _LOOK_EVERY_S:
            return
        self._looked_s = now_s
        try:
            await self._nodes.initialize(last_failed_node_name=failed.name)
        except faults.RedisClusterException:
            # No node that the driver knows replies: all of them may have new addresses.
            self._nodes.startup_nodes |= self._seeds
            raise

    async def home_of(self, tag: str) -> str:
        """The name of the node that holds a partition."""
        await self._client.initialize()
        return cast("ClusterNode", self._client.get_node_from_key(tag)).name

    async def ask(self, *command: Any) -> list[Any]:
        """Sends a command to every master, once; returns all their replies."""
        await self._client.initialize()
        return [await node.execute_command(*command) for node in self._client.get_primaries()]

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()
