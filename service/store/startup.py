"""Checks the store before it is used: at start, by `--check`, and after an outage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from redis import exceptions as faults

from service import config
from service.backends.embedded import LISTPACK_BYTES, is_private
from service.backends.permissions import MERGES, OTHERS, CheckedCommand
from service.backends.server import FATAL, Fake, Server
from service.backends.server_checks import (
    check_age,
    describe_servers,
    evicted,
    loss_risks,
    syncs_by_itself,
)
from service.errors import OtherStore, StartError, StoreAway
from service.store.keys import SCHEMA_VERSION, UPGRADING, tag_of
from service.store.script_types import Layout
from service.store.scripts import Scripts

log = logging.getLogger(__name__)

_TO_UPGRADE = " Stop every service, and run `python -m service upgrade`."

_LISTPACK = "hash-max-listpack-value"
_START_S = 10.0
_LOADING_S = 300.0
_FAULTS = (TimeoutError, faults.RedisError, faults.RedisClusterException, OSError)


class Keeper(Protocol):
    """Remembers on which store the service was opened.

    Attributes:
        way_on: what to do to go on with another store, as the rest of a sentence.
    """

    way_on: str

    @property
    def store(self) -> str:
        """The store's id; "" until it was seen."""

    async def belongs_to(self, store: str) -> None:
        """Notes the store's id, unless one is noted already."""


class UnsavedStoreId:
    """The keeper of a service without a journal: it remembers the id in memory alone."""

    way_on = "restart the service with all of its workers: it goes on with what Redis has then"

    def __init__(self) -> None:
        self.store = ""

    async def belongs_to(self, store: str) -> None:
        """Notes the store's id, unless one is noted already."""
        self.store = self.store or store


async def check(
    server: Server,
    scripts: Scripts,
    settings: config.Settings,
    *,
    within_s: float | None = None,
    keeper: Keeper | None = None,
) -> list[str]:
    """Finds out what is wrong with the store. It writes nothing.

    Args:
        server: the one behind the URL of the settings.
        scripts: those of that server.
        settings: those of the service.
        within_s: how long the store may take to answer, in seconds; 10 if not given. The embedded
            server may take longer, since it loads its data at start.
        keeper: knows on which store the service was opened, if it was opened before.

    Returns:
        a sentence for each thing that may lose data.

    Raises:
        StoreAway: the store can't be reached, or takes no writes.
        StartError: the store can't be used: it is too old, has another layout, can't keep what
            `redis.durability` promises, or may lose data while `redis.strict` is set.
        OtherStore: it isn't the store that the service was opened on.
    """
    timeout_s = _LOADING_S if settings.embedded else within_s or _START_S
    until_s = asyncio.get_running_loop().time() + timeout_s
    with _away():
        async with asyncio.timeout_at(until_s):
            if not isinstance(server, Fake):
                # Before the probe: an older Redis doesn't know the first line of our scripts.
                check_age(await server.execute(until_s, tag_of(0), "INFO"))
            await scripts.ask_for(MERGES, until_s)
            lacking = await _lacking(scripts, until_s)
            layout = await scripts.layout(until_s)
            private = is_private(settings.redis.url, settings.data_dir)
            warnings = await loss_risks(server.ask, settings.redis, private=private)
            if settings.redis.durability == "disk" and await syncs_by_itself(server.ask):
                server.wait = None
    if keeper:
        _check_id(layout, keeper)
    if layout:
        _check_layout(layout, settings.redis.partitions)
    if lacking:
        warnings.append(f"Some requests other than reports will be refused: {lacking}.")
    if isinstance(server, Fake):
        warnings.append("fakeredis:// is for tests and a look around: nothing is kept.")
    if warnings and settings.redis.strict:
        raise StartError(" ".join([*warnings, "redis.strict is set, so the service won't start."]))
    return warnings


async def check_permission(scripts: Scripts, commands: tuple[CheckedCommand, ...]) -> None:
    """Checks that the user may run commands, one of the tables in `backends.permissions`.

    Raises:
        StartError: the user may not run some of them. The text names these.
        StoreAway: the store can't be reached, or takes no writes.
    """
    with _away():
        await scripts.ask_for(commands, asyncio.get_running_loop().time() + _START_S)


async def _lacking(scripts: Scripts, until_s: float) -> str:
    """The permissions that the user lacks and no report needs, in words; "" if there are none."""
    try:
        await scripts.ask_for(OTHERS, until_s)
    except faults.NoPermissionError as error:
        return str(error)
    return ""


async def is_same_store(
    server: Server, scripts: Scripts, settings: config.Settings, keeper: Keeper, *, within_s: float
) -> bool:
    """Whether the store is the one that the service was opened on, and has our layout.

    Args:
        server: the one behind the URL of the settings.
        scripts: those of that server.
        settings: those of the service.
        keeper: knows the store's id.
        within_s: how long the store may take to answer, in seconds.

    Returns:
        False if it doesn't answer.

    Raises:
        StartError: it is another store, has another layout, or is on the way to another layout.
    """
    until_s = asyncio.get_running_loop().time() + within_s
    try:
        layout = await scripts.layout(until_s)
        # If Redis has deleted keys to free memory, the key of the layout may be one of them.
        if layout is None and await deleted_for_room(server):
            layout = await scripts.schema(settings.redis.partitions, until_s, keeper.store)
    except _FAULTS:
        return False
    _check_id(layout, keeper)
    if layout:
        _check_layout(layout, settings.redis.partitions)
    return True


async def deleted_for_room(server: Server) -> int | None:
    """How many keys Redis has deleted since its start to free memory; None if it doesn't answer."""
    try:
        return await evicted(server.ask)
    except _FAULTS:
        return None


async def describe(server: Server, settings: config.Settings) -> list[str]:
    """Sentences that say what the store is and what it promises.

    Call `check` first: it says what is wrong.

    Raises:
        StoreAway: the store can't be reached any more.
    """
    with _away():
        return describe_servers(await server.info(), settings.redis)


class RecordSize(NamedTuple):
    """Whether records take more memory than they need.

    Attributes:
        sentence: what to tell the operator; `""` if all is well.
        is_known: whether Redis told its setting.
    """

    sentence: str
    is_known: bool


async def record_size(server: Server) -> RecordSize:
    """Finds out whether Redis keeps records with longer values in a compact form.

    Call `check` first.

    Raises:
        StoreAway: the store can't be reached any more.
    """
    with _away():
        try:
            answers = await server.ask("CONFIG GET", _LISTPACK)
        except faults.ResponseError:
            answers = [{}]
    sizes = [int(answer.get(_LISTPACK, 0)) for answer in answers]
    least = min(sizes, default=LISTPACK_BYTES)
    if least >= LISTPACK_BYTES:
        return RecordSize("", is_known=True)
    known = f"{_LISTPACK} is {least}" if least else f"CONFIG GET doesn't tell {_LISTPACK}"
    return RecordSize(
        f"{known}: a record with a longer value, such as the details of an error, takes three "
        f"times the memory. Set it to {LISTPACK_BYTES} or more in Redis.",
        is_known=least > 0,
    )


async def id_of_store(scripts: Scripts) -> str:
    """The id of the store; "" if it has none yet.

    Raises:
        StoreAway: the store can't be reached.
    """
    with _away():
        layout = await scripts.layout(asyncio.get_running_loop().time() + _START_S)
    return layout.id if layout else ""


async def claim(
    scripts: Scripts, settings: config.Settings, keeper: Keeper | None = None
) -> Layout:
    """Writes what a store lacks that `check` has accepted: an empty one's layout, and an id.

    Args:
        scripts: those of the server.
        settings: those of the service.
        keeper: notes the id; None for a command, which logs by itself what it does.

    Returns:
        the layout that the store has now.

    Raises:
        StoreAway: the store can't be reached any more.
        StartError: it is another store, or another service has just written another layout.
    """
    until_s = asyncio.get_running_loop().time() + _START_S
    with _away():
        begins = keeper is not None and await scripts.layout(until_s) is None
        layout = await scripts.schema(settings.redis.partitions, until_s)
    if begins:
        log.info("store_begun", extra={"store": layout.id})
    _check_layout(layout, settings.redis.partitions)
    if keeper:
        await keeper.belongs_to(layout.id)
        _check_id(layout, keeper)
    return layout


def _check_id(layout: Layout | None, keeper: Keeper) -> None:
    if not keeper.store or (layout and layout.id == keeper.store):
        return
    found = f"another store, {layout.id or 'without an id'}" if layout else "no store any more"
    raise OtherStore(
        f"Redis has {found}, where the service had the store {keeper.store}. Nothing is written to "
        f"it, and nothing read. Bring that store back. If it is gone for good, {keeper.way_on}."
    )


@contextmanager
def _away() -> Iterator[None]:
    """Turns the driver's errors into StoreAway, or StartError if a later try would fail too."""
    try:
        yield
    except _FAULTS as error:
        text = str(error).rstrip(".") or "it doesn't answer"
        kind = StartError if isinstance(error, FATAL) else StoreAway
        raise kind(f"Redis can't be used: {type(error).__name__}: {text}.") from None


def _check_layout(layout: Layout, partitions: int) -> None:
    # An upgrade or a move ends after a while. StoreAway lets a service with a journal wait for it.
    if layout.version == UPGRADING:
        raise StoreAway(
            f"The store is on the way to schema version {SCHEMA_VERSION}: run "
            "`python -m service upgrade` until it is done."
        )
    if layout.version != SCHEMA_VERSION:
        raise StartError(
            f"The store was written with schema version {layout.version}; this service has "
            f"{SCHEMA_VERSION}." + (_TO_UPGRADE if layout.version < SCHEMA_VERSION else "")
        )
    if layout.moving:
        raise StoreAway(
            f"The messages are on the way to {layout.moving} partitions, and not all are there: "
            "run `python -m service repartition` again, as it was run, until it is done."
        )
    if layout.partitions != partitions:
        raise StartError(
            f"The store has {layout.partitions} partitions, redis.partitions says {partitions}. "
            f"Set it to {layout.partitions}."
        )
