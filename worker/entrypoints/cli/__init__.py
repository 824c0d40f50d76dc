"""The command `imr`. Each group of commands is a module; what a command needs is imported when it runs."""

from __future__ import annotations

import sys

import typer

from worker.entrypoints.cli.exit_codes import ExitCode

_EXITS = "  \n".join(f"{code.value} {code.name.lower().replace('_', ' ')}" for code in ExitCode)

app = typer.Typer(
    name="imr",
    help="Independent Medical Review letters from a watched share to a Redis stream.",
    epilog=f"Exit codes:  \n{_EXITS}  \n(docs/cli.md says what each means).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; a failure that a person can act on ends in a sentence and an exit code."""
    from worker.entrypoints.cli import (
        check,
        dead_letters,
        explain,
        parse,
        pause,
        reconcile,
        schema,
        services,
        status_and_tail,
        streams,
    )

    modules = (services, pause, explain, parse, status_and_tail, streams, check, dead_letters, reconcile, schema)
    for module in modules:
        module.register(app)
    try:
        app()
    except Exception as error:  # noqa: BLE001 - an error that a person cannot act on is raised again
        from worker.entrypoints.cli.failure import explain_failure

        sys.exit(explain_failure(error))
