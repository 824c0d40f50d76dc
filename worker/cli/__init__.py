"""The command `imr`. Each group of commands is a module; what a command needs is imported when it runs."""

from __future__ import annotations

import sys

import typer

from worker.cli.exits import Exit

_EXITS = "  \n".join(f"{code.value} {code.name.lower().replace('_', ' ')}" for code in Exit)

app = typer.Typer(
    name="imr",
    help="Independent Medical Review letters from a watched share to a Redis stream.",
    epilog=f"Exit codes:  \n{_EXITS}  \n(the README says what each means).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; every failure ends in a sentence and an exit code, never in a traceback."""
    from worker.cli import (
        checking,
        looking,
        parsing,
        pausing,
        reconciling,
        reviewing,
        schemas,
        services,
        streams,
        whereabouts,
    )

    told = (services, pausing, whereabouts, parsing, looking, streams, checking, reviewing, reconciling, schemas)
    for module in told:
        module.register(app)
    try:
        app()
    except Exception as error:  # noqa: BLE001 - what nobody can act on is raised again
        from worker.cli.failing import explain

        sys.exit(explain(error))
