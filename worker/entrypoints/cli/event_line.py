"""Events as people see them: what `imr tail` and the live view of `imr up` share."""

from __future__ import annotations

from typing import Any

from rich.text import Text as Styled

from worker.contract.event import DEAD_LETTERED, RESOLVED


def line(event: dict[str, Any]) -> Styled:
    """An event in one line for people: no names, the treatments left to those who ask for them."""
    kind, data = event.get("type"), event.get("data") or {}
    when = Styled(str(event.get("time", ""))[11:19] + " ", style="dim")
    identity = Styled(" " + str(event.get("id", ""))[:12], style="dim")
    if kind == DEAD_LETTERED:
        told = Styled.assemble(("✗ to review  ", "red"), (str(data.get("code")), "bold"), f"  {data.get('message')}")
    elif kind == RESOLVED:
        told = Styled.assemble(("• ", "blue"), f"{data.get('action')} by {data.get('decided_by')}")
    else:
        told = _determination(data)
    return Styled.assemble(when, told, identity)


def _determination(data: dict[str, Any]) -> Styled:
    outcome = str(data.get("outcome", "")).replace("_", " ")
    issues = data.get("issues") or []
    due = (data.get("deadlines") or {}).get("authorize_by")
    case = data.get("case_number") or "no case number"
    return Styled.assemble(
        ("✓ published  ", "green"),
        (case, "bold"),
        f"  {len(issues)} issue{'s' if len(issues) != 1 else ''}  ",
        (outcome, "green" if outcome == "upheld" else "yellow"),
        f"  authorise by {due}" if due else "",
    )
