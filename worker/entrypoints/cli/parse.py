"""`imr parse`: parse letters to determinations without any service."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import orjson
import typer
from rich.progress import track
from rich.table import Table
from rich.text import Text as Styled

from worker.adapters.share.safe_read import read_file
from worker.contract.settings import Settings, load_settings
from worker.entrypoints.cli.console import err, out, printable, write_line
from worker.entrypoints.cli.exit_codes import ExitCode
from worker.extraction import ReadLimits, TextExtractor
from worker.letter.model import Determination
from worker.processing import dead_letters
from worker.processing.determination import Determiner, load_rules
from worker.processing.disposition import Disposition, dispose

_JSON = orjson.OPT_UTC_Z


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("parse")(parse)


def parse(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Letters, PDF or text.")],
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON line per file on standard output.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show each letter with its values marked where they were read.")
    ] = False,
    received_on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day of receipt; deadlines are computed from it.")
    ] = None,
) -> None:
    """Parse letters and print what was read in them. Needs no services.

    With --json each line is {"file": ..., "determination": {...}} or {"file": ..., "error": {...}}. Exits with 0 only
    if every letter could be parsed.
    """
    settings = load_settings()
    parsed = 0
    for row in track(_rows(files, settings, received_on), "parsing", len(files), console=err, transient=True):
        parsed += "determination" in row
        text = row.pop("text")
        if explain and text is not None:
            _explain(text, row)
        elif json:
            write_line(orjson.dumps(row, option=_JSON))
        else:
            _show(row)
    raise typer.Exit(ExitCode.OK if parsed == len(files) else ExitCode.FAILED)


def _rows(files: list[str], settings: Settings, received_on: datetime | None) -> Iterator[dict[str, Any]]:
    determine = Determiner(
        read_parties=settings.read_parties,
        rules=load_rules(settings.rules_file),
        today=lambda: datetime.now(settings.zone).date(),
    )
    limits = ReadLimits(timeout_s=settings.read_timeout_seconds, memory_bytes=settings.read_memory_bytes)
    day = received_on.date() if received_on is not None else None
    with TextExtractor(limits) as extractor:
        for file in files:
            row: dict[str, Any] = {"file": printable(file), "text": None}
            try:
                letter = read_file(*_split(file), max_bytes=settings.max_letter_bytes)
                text = extractor.to_text(letter.content)
                row["text"] = text.text
                yield {**row, "determination": determine(text, day)}
            except Exception as error:  # noqa: BLE001 - the failure of a letter must not stop the others
                yield {**row, "error": _error(dispose(error))}


def _explain(text: str, row: dict[str, Any]) -> None:
    from worker.entrypoints.cli.annotate import annotated_lines, value_marks, violation_marks

    determination = row.get("determination")
    if isinstance(determination, Determination):
        marks = value_marks(determination)
    else:
        marks = violation_marks(row["error"]["violations"])
    for line in annotated_lines(text, marks):
        out.print(line)
    _show(row)


def _split(file: str) -> tuple[str, str]:
    """Folder and name: a person may name any file, and the folder that they name is trusted."""
    folder, name = os.path.split(os.path.abspath(file))
    return folder, name


def _error(disposition: Disposition) -> dict[str, Any]:
    if disposition.kind == "gone":
        disposition = replace(disposition, code="not_found", message="There is no such file.")
    return {
        "code": disposition.code,
        "message": dead_letters.sentence(disposition),
        "remedy": dead_letters.remedy(disposition.code),
        "violations": disposition.violations,
    }


def _show(row: dict[str, Any]) -> None:
    determination = row.get("determination")
    if isinstance(determination, Determination):
        _show_determination(row["file"], determination)
        return
    out.print(Styled.assemble((row["file"], "bold"), " ", (row["error"]["code"], "red")))
    for violation in row["error"]["violations"] or ():
        place = f"line {violation.line}, column {violation.column}: " if violation.line else ""
        out.print(f"  {place}{violation.message} [{violation.code}]", markup=False)
    if not row["error"]["violations"]:
        out.print(f"  {row['error']['message']}", markup=False)


def _show_determination(file: str, determination: Determination) -> None:
    out.print(
        Styled.assemble(
            (file, "bold"), f" {determination.case_number or 'no case number'}, ", _outcome(determination.outcome)
        )
    )
    table = Table("#", "decision", "treatment", box=None, padding=(0, 1), show_header=False)
    for issue in determination.issues:
        table.add_row(str(issue.number), _outcome(issue.decision), Styled(issue.treatment))
    out.print(table)
    for finding in determination.findings:
        out.print(f"  {finding.severity}: {finding.message} [{finding.code}]", markup=False)
    if determination.deadlines is not None and determination.deadlines.authorize_by is not None:
        out.print(f"  authorize by {determination.deadlines.authorize_by}", style="yellow")


def _outcome(decision: str) -> Styled:
    return Styled(decision.replace("_", " "), style="green" if decision == "upheld" else "yellow")
