"""Dead letters: what is said to a person about a letter that could not be published."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import orjson

from worker.contract.event import DeadLetter
from worker.letter import PARSER_VERSION
from worker.letter.errors import Violation
from worker.letter.rules import RULES
from worker.processing.determination import PICTURE_PAGE
from worker.processing.disposition import Disposition
from worker.processing.event_size import LEFT_OUT

MAX_VIOLATIONS: Final = 100
"""A person needs no more to see what is wrong, and the event stays below its size limit."""

POISON = "poison"
INTERNAL = "internal"

_ASK_THE_SENDER = "Ask the sender for the file again and drop it into the inbox; then discard this one."
_LOOK_AT_THE_PLACE = (
    "Open the letter at the place given. If the file is damaged or not the whole letter, drop a good copy into the "
    "inbox and discard this one. If the letter itself is wrong, act on the paper and discard it with that reason."
)
_TELL_THE_MAINTAINERS = "Act on the letter by hand, report its code and id, and redrive it after an update."

READING = {
    "empty": "The file is empty.",
    "too_large": "The file is larger than a letter may be.",
    "symbolic_link": "It is a link to a file, not a file, and was not followed.",
    "hard_link": "The file has a second name elsewhere on the disk, and was not opened.",
    "not_a_regular_file": "It is a pipe, a socket, a device or a folder, not a file with content.",
    "not_text": "The file holds neither text nor a PDF.",
    "unsupported_format": "The file is of a kind that letters do not come in, such as a picture or a Word document.",
    "password_protected": "The PDF opens only with a password.",
    "no_text": "The PDF holds pictures of pages and no text: it is a scan.",
    "damaged_pdf": "The PDF is damaged.",
    "incomplete": "The file breaks off before its end, or parts of it were never written.",
    "too_many_pages": "The PDF has more pages than a letter has.",
    "too_much_text": "The file holds more text than a letter has.",
    "read_timeout": "Reading the PDF took too long and was stopped.",
    "read_memory": "Reading the PDF took too much memory and was stopped.",
    "reader_crashed": "Reading the PDF ended the program that reads it.",
}
"""Why a file cannot be read at all; `worker.extraction` says each in more detail."""

_SENTENCES = {
    POISON: "Every attempt to read this letter ended the program that read it, so it was set aside.",
    INTERNAL: "A fault of this software, not of the letter, stopped it.",
}
_REMEDIES = {
    POISON: _TELL_THE_MAINTAINERS,
    INTERNAL: _TELL_THE_MAINTAINERS,
    "symbolic_link": "Drop the letter itself into the inbox, not a link to it; then discard this one.",
    "hard_link": "Drop a copy of the letter into the inbox (copy, not link); then discard this one.",
    "not_a_regular_file": "Drop the letter as a file; then discard this one.",
    "password_protected": "Remove the password, drop the opened copy into the inbox, and discard this one.",
    "no_text": "This is a picture of a letter. Have its text recognized (OCR), drop the result into the inbox, and "
    "discard this one.",
}


def sentence(why: Disposition) -> str:
    """What went wrong, for people."""
    return _SENTENCES.get(why.code, why.message)


def remedy(code: str) -> str:
    """What a person can do about a dead letter with that code."""
    fallback = _ASK_THE_SENDER if code in READING else _LOOK_AT_THE_PLACE
    return _REMEDIES.get(code, fallback)


@dataclass(frozen=True, slots=True)
class Code:
    """One code that an event, a finding or an `.error.json` can carry."""

    code: str
    severity: str
    sentence: str
    remedy: str
    source: str


def catalogue() -> list[Code]:
    """Every code: why a file cannot be read, which rule of the parser a letter breaks, what this system itself says."""
    codes = [Code(code, "error", text, remedy(code), "") for code, text in {**READING, **_SENTENCES}.items()]
    codes.append(Code(LEFT_OUT, "warning", "The event would be too large; a part was left out.", "", ""))
    codes.append(Code(PICTURE_PAGE, "warning", "A page shows a picture and holds no text; it was not read.", "", ""))
    for rule in RULES:
        action = remedy(rule.code) if rule.severity == "error" else ""
        codes.append(Code(rule.code, rule.severity, rule.sentence, action, rule.source))
    return codes


def make_dead_letter(
    why: Disposition, *, attempts: int, claim_id: str, received_on: date, failed_at: datetime, size_bytes: int | None
) -> DeadLetter:
    """The dead letter for a disposition of kind `review`, `incomplete` or `internal`."""
    return DeadLetter(
        schema_version="1.0",
        code=why.code,
        message=sentence(why),
        remedy=remedy(why.code),
        violations=_within_limit(why.violations),
        attempts=attempts,
        claim_id=claim_id,
        received_on=received_on,
        failed_at=failed_at,
        size_bytes=size_bytes,
        parser_version=PARSER_VERSION,
    )


def by_code(code: str) -> Disposition:
    """Why a letter goes to review, as far as the code alone says."""
    sentences = {entry.code: entry.sentence for entry in catalogue()}
    return Disposition("review", code, sentences.get(code, "The letter could not be published."))


def _within_limit(violations: tuple[Violation, ...]) -> tuple[Violation, ...]:
    more = len(violations) - MAX_VIOLATIONS
    if more <= 0:
        return violations
    return (*violations[:MAX_VIOLATIONS], Violation(LEFT_OUT, f"{more} more problems are left out here."))


def error_file(event: bytes) -> dict[str, Any]:
    """The content of the `.error.json` beside a dead letter, made from its event: plain words first, details after."""
    envelope: dict[str, Any] = orjson.loads(event)
    dead_letter: dict[str, Any] = envelope["data"]
    identity = envelope["id"]
    short = identity[:12]
    plain = {
        "what_happened": dead_letter["message"],
        "what_to_do": dead_letter["remedy"],
        "where": [_place(violation) for violation in dead_letter["violations"]],
        "commands": {
            "look": f"imr dead-letters show {short}",
            "try again": f"imr dead-letters redrive {short}",
            "give up": f"imr dead-letters discard {short} --reason '...'",
        },
        "id": identity,
        "dataref": envelope["dataref"],
    }
    return {**plain, **dead_letter}


def _place(violation: dict[str, Any]) -> str:
    """One violation in a line: where, what."""
    page = f"page {violation['page']}, " if violation["page"] else ""
    line = f"{page}line {violation['line']}, column {violation['column']}: " if violation["line"] else ""
    return f"{line}{violation['message']} [{violation['code']}]"
