"""`python -m service`: runs the service, or checks its settings."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from pathlib import Path
from secrets import token_urlsafe

import click
import msgspec
import uvloop

from service.app import create_app, serve
from service.config import PREFIX, SHARED_TOKEN, Auth, Settings, load
from service.connect import check, connect
from service.embedded import prepare
from service.errors import ConfigError, StartError
from service.scripts import Scripts
from service.telemetry import log_to_stderr

_TOKEN_FILE = "token"  # noqa: S105  a file's name


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path), help="The settings' file; default: config.toml."
)
@click.option("--check", "only_check", is_flag=True, help="Check settings and Redis, then exit.")
@click.version_option(package_name="message-tracker", message="%(version)s")
def main(config: Path | None, *, only_check: bool) -> None:
    """Remember what became of each WhatsApp message."""
    try:
        settings = with_token(load(config, os.environ))
        log_to_stderr(settings.log.level)
        run = _check(settings) if only_check else _serve(settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run)
    except (StartError, OSError) as error:
        click.echo(f"message-tracker: {error}", err=True)
        sys.exit(1)


def with_token(settings: Settings) -> Settings:
    """The settings, with a token made for the trial mode where none is set.

    Raises:
        ConfigError: there is no token, and the store isn't the embedded one.
    """
    if settings.auth.tokens:
        return settings
    if not settings.embedded:
        raise ConfigError(
            f"No token is configured: set auth.tokens ({PREFIX}AUTH__TOKENS), or {SHARED_TOKEN}."
        )
    file = prepare(settings.data_dir) / _TOKEN_FILE
    if not file.exists() or not file.read_text().strip():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as text:
            text.write(token_urlsafe(32))
    return msgspec.structs.replace(settings, auth=Auth(tokens=[file.read_text().strip()]))


async def _serve(settings: Settings) -> None:
    await serve(create_app(settings), lambda address: _invite(settings, address))


def _invite(settings: Settings, address: str) -> None:
    """In the trial mode, says how to call the service."""
    file = Path(settings.data_dir).absolute() / _TOKEN_FILE
    if settings.embedded and file.exists():
        header = f'"X-Webhook-Token: $(cat {shlex.quote(str(file))})"'
        click.echo(f"The token is in {file}. Try:\n")
        click.echo(f"  curl -H {header} {address}/api/webhooks/message-logs/\n")


async def _check(settings: Settings) -> None:
    async with connect(settings) as server:
        scripts = Scripts(server.execute, shebang=server.shebang)
        for warning in await check(server, scripts, settings):
            click.echo(f"warning: {warning}")
    click.echo("The settings and the store are usable.")


if __name__ == "__main__":
    main()
