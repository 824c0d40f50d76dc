"""`imr check`: the settings in force, and whether this machine, the share and Redis are fit for letters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import typer
from pydantic import SecretStr
from rich.table import Table

from worker.adapters.redis.producer_reports import producer_reports
from worker.adapters.redis.server import describe_filing_delay, redis_url, server_problems
from worker.adapters.share.folders import share_problems
from worker.adapters.share.identity import identity_problem
from worker.adapters.share.mounts import read_mounts, watch_methods
from worker.adapters.start_problem import Problem, StartRefused
from worker.contract.names import INBOX, Keys
from worker.contract.redis_client import connect
from worker.contract.settings import Settings, SettingsError, load_settings
from worker.entrypoints.cli.console import out
from worker.entrypoints.cli.exit_codes import ExitCode
from worker.processing.determination import load_rules


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(
    *,
    health: Annotated[
        Literal["producer"] | None,
        typer.Option(help="Only check that a producer has reported lately and sees its inbox; prints nothing."),
    ] = None,
    settings_table: Annotated[bool, typer.Option("--settings", help="Print all settings as a Markdown table.")] = False,
) -> None:
    """Print the settings in force, and check the share and Redis. Exits with 1 if there is a problem."""
    if settings_table:
        out.print(markdown_table(), markup=False)
        return
    settings = load_settings()
    if health is not None:
        raise typer.Exit(ExitCode.OK if _producer_is_well(settings) else ExitCode.FAILED)
    _show_settings(settings)
    _show_watch(settings)
    problems = list(_problems(settings))
    for problem, fatal in problems:
        style = "bold red" if fatal else "yellow"
        out.print(f"{'problem' if fatal else 'warning'}: {problem.what}", style=style, markup=False)
        out.print(f"     -> {problem.remedy}", markup=False)
    if not problems:
        out.print("share and Redis are fit for letters", style="green")
        out.print(describe_filing_delay(connect(redis_url(settings))), markup=False)
    raise typer.Exit(ExitCode.FAILED if any(fatal for _, fatal in problems) else ExitCode.OK)


def _show_settings(settings: Settings) -> None:
    table = Table("setting", "in force", "", box=None, padding=(0, 1))
    for name in Settings.model_fields:
        value = getattr(settings, name)
        shown = "(set)" if isinstance(value, SecretStr) else "" if value is None else str(value)
        table.add_row(f"IMR_{name.upper()}", shown, "" if name in settings.model_fields_set else "default", style=None)
    out.print(table)


def _producer_is_well(settings: Settings) -> bool:
    reports = producer_reports(connect(redis_url(settings)), Keys(settings.prefix))
    return bool(reports) and not any(report.trouble for report in reports)


def _show_watch(settings: Settings) -> None:
    inbox = settings.share / INBOX
    way, inner = watch_methods(str(inbox), read_mounts(), settings.watch)
    out.print(f"new files are noticed by {way}: {inbox}", markup=False)
    for folder, inner_way in inner.items():
        out.print(f"  by {inner_way}: {folder}, a separate mount; files cannot be claimed from it", markup=False)


def _problems(settings: Settings) -> Iterator[tuple[Problem, bool]]:
    missing = identity_problem(settings.share, settings.state_folder)
    problems = [missing] if missing is not None else share_problems(settings.share)
    yield from ((problem, True) for problem in problems)
    try:
        load_rules(settings.rules_file)
    except SettingsError as error:
        yield Problem(str(error), "see docs/deadlines.md, or unset IMR_RULES_FILE"), True
    try:
        yield from server_problems(connect(redis_url(settings)))
    except StartRefused as error:
        yield from ((problem, True) for problem in error.problems)


def markdown_table() -> str:
    """Every setting with its default and meaning, as the documentation has it."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `IMR_{name.upper()}` | {default} | {' '.join((field.description or '').split())} |")
    return "\n".join(rows)
