"""One event as people see it: what `imr tail` and the live view of `imr up` share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text as Styled

from worker.contract.event import DEAD_LETTERED, RESOLVED

INDENT: Final = " " * 11
"""Below the first word of an event: `23:01:05 ✓ published` begins with the time and a mark."""
_GAP: Final = "  "


def print_event(console: Console, event: dict[str, Any]) -> None:
    """Print an event: one line, or on a terminal that is too narrow for it several lines, broken between its parts."""
    if not console.is_terminal:
        console.print(Styled(_GAP).join(_parts(event)))
        return
    for line in folded_lines(event, console.width):
        console.print(line)


def folded_lines(event: dict[str, Any], width: int) -> list[Styled]:
    """The event in lines of at most `width` columns; a part is broken only if it is longer than a line."""
    lines: list[Styled] = []
    for piece in _pieces(_parts(event), width):
        if lines and lines[-1].cell_len + len(_GAP) + piece.cell_len <= width:
            lines[-1] = Styled.assemble(lines[-1], _GAP, piece)
        else:
            lines.append(Styled.assemble(INDENT if lines else "", piece))
    return lines


def _pieces(parts: Iterable[Styled], width: int) -> Iterator[Styled]:
    """The parts, longer ones broken between words so that each piece fits behind the indent."""
    room = max(width - cell_len(INDENT), 1)
    console = Console(width=room)
    for part in parts:
        yield from part.wrap(console, room) if part.cell_len > room else [part]


def _parts(event: dict[str, Any]) -> list[Styled]:
    """What is said of an event: no names, and no treatments, which are left to those who ask for them."""
    data = event.get("data") or {}
    when = (str(event.get("time", ""))[11:19] + " ", "dim")
    identity = Styled(str(event.get("id", ""))[:12], style="dim")
    if event.get("type") == DEAD_LETTERED:
        code, message = Styled(str(data.get("code")), style="bold"), Styled(str(data.get("message")))
        return [Styled.assemble(when, ("✗ to review", "red")), code, message, identity]
    if event.get("type") == RESOLVED:
        decision = f"{data.get('action')} by {data.get('decided_by')}"
        return [Styled.assemble(when, ("• ", "blue"), decision), identity]
    return [Styled.assemble(when, ("✓ published", "green")), *_determination(data), identity]


def _determination(data: dict[str, Any]) -> list[Styled]:
    outcome = str(data.get("outcome", "")).replace("_", " ")
    issues = len(data.get("issues") or [])
    due = (data.get("deadlines") or {}).get("authorize_by")
    return [
        Styled(str(data.get("case_number") or "no case number"), style="bold"),
        Styled(f"{issues} issue{'s' if issues != 1 else ''}"),
        Styled(outcome, style="green" if outcome == "upheld" else "yellow"),
        *([Styled(f"authorize by {due}")] if due else []),
    ]
