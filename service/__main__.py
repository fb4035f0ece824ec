"""`python -m service`: runs the service, checks its settings, or runs one of the commands."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

_COMMANDS = {
    "adopt": "adopt.adopt",
    "export": "export.export",
    "import": "imports.import_",
    "recount": "recount.recount",
    "repartition": "repartition.repartition",
    "upgrade": "upgrade.upgrade",
}
"""Where each command is, below `service.commands`."""


class _Commands(click.Group):
    """The commands. Only the module of the one that is named is imported: imports take time."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Returns the names of all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Returns a command; None if there is none of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(".")
        command: click.Command = getattr(import_module(f"service.commands.{module}"), name)
        return command


@click.group(cls=_Commands, invoke_without_command=True)
@click.option(
    "--config", type=click.Path(path_type=Path), help="The settings' file; default: config.toml."
)
@click.option("--check", "only_check", is_flag=True, help="Check settings and Redis, then exit.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, help="Processes that serve; default: 1."
)
@click.version_option(package_name="message-tracker", message="%(version)s")
@click.pass_context
def main(context: click.Context, config: Path | None, workers: int, *, only_check: bool) -> None:
    """Remember what became of each WhatsApp message. Serves, unless a command is named."""
    if context.invoked_subcommand:
        context.obj = config
        return

    from service.commands.start import start  # noqa: PLC0415  the commands do without HTTP

    start(config, workers, only_check=only_check)


if __name__ == "__main__":
    main()
