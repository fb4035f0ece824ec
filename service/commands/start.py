"""What `python -m service` does without a command: it serves, or checks its settings and Redis."""

from __future__ import annotations

import asyncio
import os
import resource
import shlex
import sys
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory
from typing import TypeVar

import click
import msgspec
import uvloop

from service.app import JOURNAL_OFF, create_app
from service.backends.connect import address_of
from service.backends.embedded import examine, is_private, prepare
from service.commands.common import open_server, private_runs
from service.config import PREFIX, SHARED_TOKEN, Auth, Settings, load, weak_settings
from service.errors import ConfigError, StartError
from service.server import serve
from service.store.clocks import weaknesses_of_clocks
from service.store.journal import check_folder, foreign_in
from service.store.journal_owners import held_back
from service.store.startup import check, describe, id_of_store, record_size
from service.telemetry import log_to_stderr
from service.workers.supervisor import Supervisor

Result = TypeVar("Result")

_TOKEN_FILE = "token"  # noqa: S105  a file's name
_TOKENS = f"{PREFIX}AUTH__TOKENS"


def start(config: Path | None, workers: int, *, only_check: bool) -> None:
    """Serves until it is told to stop, or only checks. An error becomes a sentence and exit code 1.

    Args:
        config: the settings' file; None for `config.toml`.
        workers: how many processes serve.
        only_check: whether the settings and Redis are checked instead.
    """

    def read() -> Settings:
        return with_token(load(config, os.environ))

    try:
        _open_many_files()
        settings = load(config, os.environ) if only_check else read()
        log_to_stderr(settings.log.level)
        if only_check:
            _run(_check(settings))
        elif workers == 1:
            _run(_serve(settings))
        elif settings.embedded:
            command = [sys.executable, *sys.orig_argv[1:]]
            sys.exit(_run(Supervisor(settings, command).run()))
        else:
            from service.workers.master import run_workers  # noqa: PLC0415  one needs no gunicorn

            run_workers(read, workers, on_start=lambda address: print_trial_hint(settings, address))
    except (StartError, OSError) as error:
        click.echo(f"message-tracker: {error}", err=True)
        sys.exit(1)


def _open_many_files() -> None:
    """Raises the limit of open files as far as the system allows."""
    # Each connection needs a file, and the usual limit is 1,024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS reports a limit that it then refuses
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _run(work: Coroutine[object, object, Result]) -> Result:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def with_token(settings: Settings) -> Settings:
    """The settings. In the trial mode, if no token is set, they get one from the data folder.

    The token's file is made if it is missing.

    Raises:
        ConfigError: there is no token, and this isn't the trial mode.
    """
    _check_token(settings)
    if settings.auth.tokens:
        return settings
    file = prepare(settings.data_dir) / _TOKEN_FILE
    if not file.exists() or not file.read_text().strip():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as text:
            text.write(token_urlsafe(32))
    file.chmod(0o600)  # a file that somebody wrote by hand may be open to other users
    return msgspec.structs.replace(settings, auth=Auth(tokens=[file.read_text().strip()]))


def _check_token(settings: Settings) -> None:
    if not settings.auth.tokens and not _is_trial(settings):
        raise ConfigError(
            f"No token is configured: set auth.tokens ({_TOKENS}), or {SHARED_TOKEN}."
        )


def _is_trial(settings: Settings) -> bool:
    return is_private(settings.redis.url, settings.data_dir)


async def _serve(settings: Settings) -> None:
    await serve(create_app(settings), lambda address: print_trial_hint(settings, address))


def print_trial_hint(settings: Settings, address: str) -> None:
    """Prints how to call the service, in the trial mode only."""
    if _is_trial(settings):
        where, token = _token_for_a_shell(settings)
        header = f'"X-Webhook-Token: {token}"'
        click.echo(f"The token is {where}. Try:\n")
        click.echo(f"  curl -H {header} {address}/api/webhooks/message-logs/\n")


def _token_for_a_shell(settings: Settings) -> tuple[str, str]:
    """Where a valid token is, in words, and a shell expression for it; never the token itself."""
    for variable in (SHARED_TOKEN, _TOKENS):
        if os.environ.get(variable, "").strip() in settings.auth.tokens:
            return f"that of {variable}", f"${variable}"
    file = Path(settings.data_dir).absolute() / _TOKEN_FILE
    if file.exists() and file.read_text().strip() in settings.auth.tokens:
        return f"in {file}", f"$(cat {shlex.quote(str(file))})"
    return "any of auth.tokens; put it into TOKEN", "$TOKEN"


async def _check(settings: Settings) -> None:
    """Prints what the settings and the store are, with warnings. Leaves nothing behind."""
    _check_token(settings)
    found = []
    if settings.embedded:
        # Before the journal, which is in the same folder: the server needs the folder in any case.
        found.append(f"A private server keeps the data in {examine(settings.data_dir)}.")
    found += _about_journal(settings)
    held = 0
    with ExitStack() as stack:
        if settings.embedded and not private_runs(settings):
            found.append(
                "The private server doesn't run now, so an empty one was checked, not its data."
            )
            folder = stack.enter_context(TemporaryDirectory())
            settings = msgspec.structs.replace(settings, data_dir=folder)
        async with open_server(settings) as (server, scripts):
            warnings = await check(server, scripts, settings)
            found += await describe(server, settings)
            size = await record_size(server)
            (warnings if size.is_known else found).extend(filter(None, [size.sentence]))
            warnings += await weaknesses_of_clocks(server)
            if settings.journal.enabled:
                held = _held(settings, await id_of_store(scripts))
    warnings += [held_back(held)] if held else []
    found += [f"warning: {warning}" for warning in weak_settings(settings) + warnings]
    click.echo("\n".join([*found, "The settings and the store are usable."]))


def _about_journal(settings: Settings) -> list[str]:
    """Sentences that say whether the journal is on, and what is wrong with its folder.

    Raises:
        StartError: the journal is on in the settings, but can't be used.
    """
    if not settings.journal.enabled:
        return [f"The journal is off: {JOURNAL_OFF}"]
    folder = Path(settings.data_dir).absolute()
    odd = check_folder(folder)
    on = f"The journal is on: while Redis is away reports are kept in {folder}."
    return [on, f"warning: {odd}"] if odd else [on]


def _held(settings: Settings, store: str) -> int:
    """How many reports in the journal are for another store than that with this id."""
    return foreign_in(Path(settings.data_dir).absolute(), address_of(settings), store)
