"""What is made sure of before the store is used: at start, by `--check`, and after an absence."""

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
from service.backends.server import HOPELESS, Fake, Server
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
    """Keeps in mind on which store the service was opened.

    Attributes:
        way_on: what to do to go on with another one, as the rest of a sentence.
    """

    way_on: str

    @property
    def store(self) -> str:
        """The store's id; "" until it was seen."""

    async def belongs_to(self, store: str) -> None:
        """Notes the id, unless one is noted already."""


class UnsavedStoreId:
    """The keeper of a service without a journal."""

    way_on = "restart the service with all of its workers: it goes on with what Redis has then"

    def __init__(self) -> None:
        self.store = ""

    async def belongs_to(self, store: str) -> None:
        """Notes the id, unless one is noted already."""
        self.store = self.store or store


async def check(
    server: Server,
    scripts: Scripts,
    settings: config.Settings,
    *,
    within_s: float | None = None,
    keeper: Keeper | None = None,
) -> list[str]:
    """What is wrong with the store. Writes nothing.

    Args:
        server: behind the URL of the settings.
        scripts: of that server.
        settings: of the service.
        within_s: how long it may take to answer, 10 s unless given; the private server may load
            its data as long as it needs.
        keeper: knows on which store the service was opened, if it was before.

    Returns:
        a sentence for each thing that may lose data.

    Raises:
        StoreAway: it can't be reached, or takes no writes.
        StartError: it can't be used: too old, laid out otherwise, not able to keep what
            `redis.durability` promises, or it may lose data and `redis.strict` is set.
        OtherStore: it isn't the one that the service was opened on.
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
    """Makes sure that the user may run commands; one of the tables in `permits`.

    Raises:
        StartError: some aren't allowed. The text names them.
        StoreAway: the store can't be reached, or takes no writes.
    """
    with _away():
        await scripts.ask_for(commands, asyncio.get_running_loop().time() + _START_S)


async def _lacking(scripts: Scripts, until_s: float) -> str:
    """What the user lacks that no report needs, as a part of a sentence; "" if that is nothing."""
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
        server: behind the URL of the settings.
        scripts: of that server.
        settings: of the service.
        keeper: knows the store's id.
        within_s: how long it may take to answer.

    Returns:
        False where it doesn't answer.

    Raises:
        StartError: it is another store, has another layout, or its messages are on the way to one.
    """
    until_s = asyncio.get_running_loop().time() + within_s
    try:
        layout = await scripts.layout(until_s)
        if layout is None and await deleted_for_room(server):  # this key may be among them
            layout = await scripts.schema(settings.redis.partitions, until_s, keeper.store)
    except _FAULTS:
        return False
    _check_id(layout, keeper)
    if layout:
        _check_layout(layout, settings.redis.partitions)
    return True


async def deleted_for_room(server: Server) -> int | None:
    """How many keys Redis has deleted to have room, since its start; None while it can't tell."""
    try:
        return await evicted(server.ask)
    except _FAULTS:
        return None


async def describe(server: Server, settings: config.Settings) -> list[str]:
    """Sentences that say what the store is and promises. Call `check` first: it says what is wrong.

    Raises:
        StoreAway: it can't be reached any more.
    """
    with _away():
        return describe_servers(await server.info(), settings.redis)


class RecordSize(NamedTuple):
    """What is to be said of the memory that records take, `""` if all is well.

    Attributes:
        sentence: for the operator.
        is_known: whether it could be found out.
    """

    sentence: str
    is_known: bool


async def record_size(server: Server) -> RecordSize:
    """Finds out whether Redis keeps records with longer values in a compact form.

    Call `check` first.

    Raises:
        StoreAway: it can't be reached any more.
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
    """The id of the store; "" where there is none yet.

    Raises:
        StoreAway: it can't be reached.
    """
    with _away():
        layout = await scripts.layout(asyncio.get_running_loop().time() + _START_S)
    return layout.id if layout else ""


async def claim(
    scripts: Scripts, settings: config.Settings, keeper: Keeper | None = None
) -> Layout:
    """Writes the layout into an empty store that `check` has accepted, and an id if it has none.

    Args:
        scripts: of the server.
        settings: of the service.
        keeper: is told the id; None for a command, which says by itself what it does.

    Returns:
        what the store has now.

    Raises:
        StoreAway: it has gone since.
        StartError: it is another store, or another service was faster, with another layout.
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
    """Turns the driver's errors into a sentence; StartError if a later try would fail too."""
    try:
        yield
    except _FAULTS as error:
        text = str(error).rstrip(".") or "it doesn't answer"
        kind = StartError if isinstance(error, HOPELESS) else StoreAway
        raise kind(f"Redis can't be used: {type(error).__name__}: {text}.") from None


def _check_layout(layout: Layout, partitions: int) -> None:
    if layout.version == UPGRADING:  # over some time: see below
        raise StoreAway(
            f"The store is on the way to schema version {SCHEMA_VERSION}: run "
            "`python -m service upgrade` until it is done."
        )
    if layout.version != SCHEMA_VERSION:
        raise StartError(
            f"The store was written with schema version {layout.version}; this service has "
            f"{SCHEMA_VERSION}." + (_TO_UPGRADE if layout.version < SCHEMA_VERSION else "")
        )
    if layout.moving:  # over some time, so with a journal a service may wait for that
        raise StoreAway(
            f"The messages are on the way to {layout.moving} partitions, and not all are there: "
            "run `python -m service repartition` again, as it was run, until it is done."
        )
    if layout.partitions != partitions:
        raise StartError(
            f"The store has {layout.partitions} partitions, redis.partitions says {partitions}. "
            f"Set it to {layout.partitions}."
        )
