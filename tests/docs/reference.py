"""The tables of settings and commands, as docs/settings.md and docs/cli.md have them."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import typer

from worker.contract.settings import Settings
from worker.entrypoints import cli

GROUPS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "Places and names": (
        "Where the share, the server and the broker are, and what this installation is called.",
        ("share", "state_dir", "redis_url", "broker_url", "prefix", "site", "timezone", "log_level"),
    ),
    "Noticing letters": (
        "How new files are found and when one counts as complete. [intake.md](intake.md) explains both.",
        (
            *("watch", "scan_seconds", "max_scan_seconds"),
            *("complete", "settle_seconds", "renamed_quiet_seconds"),
        ),
    ),
    "Holding letters back": (
        "Beyond these limits letters wait in `inbox/`, and `imr status` says why.",
        ("max_claimed_letters", "min_free_disk_bytes", "max_redis_memory_percent"),
    ),
    "Reading a letter": (
        "What is read, and within which limits.",
        ("max_letter_bytes", "read_timeout_seconds", "read_memory_bytes", "read_parties", "rules_file"),
    ),
    "Attempts and retries": (
        "Who works on a letter, for how long, and when it is tried again.",
        (
            *("batch_letters", "lease_seconds", "max_attempts", "hint_timeout_seconds"),
            *("reap_seconds", "retry_max_seconds", "incomplete_seconds"),
        ),
    ),
    "Streams and records": (
        "How long entries are kept, when a slow reader is reported, and how far back a lost Redis is checked.",
        ("keep_acknowledged_days", "trim_seconds", "unread_warn_days", "stream_warn_bytes", "reconcile_days"),
    ),
}
"""Subject: a sentence about it, and its settings. A test checks that each setting has exactly one subject."""


def settings_tables() -> str:
    """Every setting with its default, its permitted words and its meaning: one table for each subject."""
    return "\n\n".join(_settings_table(subject, *about) for subject, about in GROUPS.items())


def _settings_table(subject: str, sentence: str, names: tuple[str, ...]) -> str:
    head = [f"## {subject}", "", sentence, "", "| setting | default | meaning |", "|---|---|---|"]
    return "\n".join([*head, *(_settings_row(name) for name in names)])


def _settings_row(name: str) -> str:
    field = Settings.model_fields[name]
    value = str(field.default).lower() if isinstance(field.default, bool) else field.default
    default = "" if value is None else f"`{value}`"
    words = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    permitted = f" One of {', '.join(f'`{word}`' for word in words)}." if words else ""
    return f"| `IMR_{name.upper()}` | {default} | {' '.join((field.description or '').split())}{permitted} |"


@cache
def commands() -> dict[str, Any]:
    """Every command of `imr` by its words (`dead-letters list`), groups before their commands."""
    app = typer.Typer(add_completion=False, context_settings=cli.app.info.context_settings or {})
    for module in pkgutil.iter_modules(cli.__path__, f"{cli.__name__}."):
        register = getattr(importlib.import_module(module.name), "register", None)
        if register is not None:
            register(app)
    return dict(_within(typer.main.get_command(app), ""))


def _within(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name in sorted(group.commands):
        command = group.commands[name]
        yield f"{prefix}{name}", command
        if hasattr(command, "commands"):
            yield from _within(command, f"{prefix}{name} ")


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.])\s", text)[0]


def command_table() -> str:
    """Each command with the first sentence of its help, linked to its part of the page."""
    rows = [
        f"| [`imr {name}`](#{anchor(f'imr {name}')}) | {_first_sentence(_help(command))} |"
        for name, command in commands().items()
        if not hasattr(command, "commands")
    ]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def command_reference() -> str:
    """Usage, help, arguments and options of each command, as `imr COMMAND --help` has them."""
    return "\n\n".join(
        _described(name, command) for name, command in commands().items() if not hasattr(command, "commands")
    )


def _described(name: str, command: Any) -> str:
    parameters = [parameter for parameter in command.params if "--help" not in parameter.opts]
    arguments = [f" {parameter.metavar}" for parameter in parameters if _is_argument(parameter)]
    types = get_type_hints(command.callback)
    rows = [f"| {_spelled(parameter, types)} | {_meaning(parameter)} |" for parameter in parameters]
    table = ["", "| argument or option | meaning |", "|---|---|", *rows] if rows else []
    usage = [f"`imr {name}{''.join(arguments)}`", ""] if arguments else []
    return "\n".join([f"### `imr {name}`", "", *usage, _help(command), *table])


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _help(command: Any) -> str:
    paragraphs = re.split(r"\n\s*\n", command.help or "")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _spelled(parameter: Any, types: dict[str, Any]) -> str:
    if _is_argument(parameter):
        return f"`{parameter.metavar}`"
    value = "" if parameter.is_flag else f" {_value(types[parameter.name])}"
    return ", ".join(f"`{option}{value}`" for option in (*parameter.opts, *parameter.secondary_opts))


def _value(kind: Any) -> str:
    """What stands for the value of an option of this type."""
    kinds = {kind, *get_args(kind)}
    words = [word for choice in kinds if get_origin(choice) is Literal for word in get_args(choice)]
    if words:
        return "|".join(words)
    return "YYYY-MM-DD" if datetime in kinds else "N" if int in kinds else "TEXT"


def _meaning(parameter: Any) -> str:
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    shown = f" Default: {default}." if isinstance(default, str) else ""
    return " ".join((parameter.help or "").split()) + shown


def anchor(heading: str) -> str:
    """The address of a heading within its page, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
