"""Hostile and odd files: what each is, and what must become of it."""

from __future__ import annotations

import os
import socket
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

from tests.letters_pdf import make_pdf
from tests.support.samples import SAMPLES

CANARY: Final = "Quackenbush"
"""Stands in the name of everything here, and may be in no line of a log."""
MAX_LETTER_BYTES: Final = 200_000
SPARSE_BYTES: Final = 10_000_000_000

_SAMPLE: Final = SAMPLES / "opioid-and-acupuncture.txt"
_LETTER: Final = _SAMPLE.read_text()
assert _LETTER.count("CM18-9970021") == 1


def letter(number: int) -> bytes:
    """A letter of its own: its case number is like no other's."""
    return _LETTER.replace("CM18-9970021", f"CM18-{8_000_000 + number}").encode()


def pdf(number: int) -> bytes:
    """The same as a PDF."""
    return make_pdf(letter(number).decode())


Make = Callable[[Path], None]
PUBLISHED: Final = "published"


@dataclass(frozen=True, slots=True)
class Case:
    """A file of the inbox, by the bytes of its name, and what becomes of it: `published`, or the code of a refusal."""

    what: str
    name: bytes
    make: Make
    outcome: str


def _holding(content: bytes) -> Make:
    def make(path: Path) -> None:
        aside = path.parents[1] / f"aside-{os.getpid()}"
        aside.write_bytes(content)
        aside.rename(path)

    return make


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE_BYTES)


def _socket(path: Path) -> None:
    # The address of a unix socket has 108 bytes; a descriptor of its folder makes a short one.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


def device(path: Path) -> None:
    """A device that never ends, were it read. Raises PermissionError where devices may not be made."""
    os.mknod(path, stat.S_IFCHR | 0o644, os.makedev(1, 5))


def _link_to(target: str) -> Make:
    return lambda path: path.symlink_to(target.format(outside=path.parents[1] / "outside"))


def _hard_link(path: Path) -> None:
    os.link(path.parents[1] / "outside" / "foreign.txt", path)


def _zip() -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("letter.txt", letter(0))
    return packed.getvalue()


_NAMES: Final[dict[str, bytes]] = {
    "a name that is not UTF-8": b"\xff\xfe\x80 Quackenbush.txt",
    "a name of two lines": b"Quackenbush\nERROR imr forged line.txt",
    "a name that steers the terminal": b"\x1b[2J\x1b]0;Quackenbush\x07.txt",
    "a name of 255 bytes": b"Quackenbush " + b"n" * 239 + b".txt",
    "a name of 255 bytes in several alphabets": ("Quackenbush " + "\u0416" * 119 + ".pdf").encode()[:255],
    "a leading dash": b"-rf Quackenbush.txt",
    "a composed letter": "Qu\u00e4ckenbush Quackenbush.txt".encode(),
    "the same letter decomposed": "Qua\u0308ckenbush Quackenbush.txt".encode(),
    "lower case": b"quackenbush twin Quackenbush.txt",
    "upper case": b"QUACKENBUSH TWIN Quackenbush.TXT",
    "markup": b"<script>alert('Quackenbush')<script>.txt",
    "rich markup": b"[bold red]Quackenbush[link=http:x].txt",
    "a right-to-left override": "Quackenbush\u202etxt.exe".encode(),
    "backslashes and two dots": b"a\\..\\..\\Quackenbush.txt",
    "a claim id before it": b"01m80c47evva2tw96dpc~Quackenbush.txt",
    "a format string": b"%s%n{0}$(Quackenbush)`id`.txt",
    "no extension": b"Quackenbush",
    "blanks": b" Quackenbush .txt ",
}

CASES: Final[list[Case]] = [
    *(
        Case(what, name, _holding(letter(number)), PUBLISHED)
        for number, (what, name) in enumerate(_NAMES.items(), start=1)
    ),
    Case("a link to a file outside", b"file link Quackenbush.txt", _link_to("{outside}/bait.txt"), "symbolic_link"),
    Case("a link to a folder outside", b"folder link Quackenbush", _link_to("{outside}"), "symbolic_link"),
    Case("a loop of links", b"loop a Quackenbush", _link_to("."), "symbolic_link"),
    Case("another loop of links", b"loop b Quackenbush", _link_to("."), "symbolic_link"),
    Case("a link to nothing", b"nowhere Quackenbush.txt", _link_to("missing"), "symbolic_link"),
    Case("a link to a device", b"zero link Quackenbush.txt", _link_to("/dev/zero"), "symbolic_link"),
    Case("a FIFO", b"pipe Quackenbush.txt", os.mkfifo, "not_a_regular_file"),
    Case("a socket", b"socket Quackenbush.txt", _socket, "not_a_regular_file"),
    Case("a hard link to a foreign file", b"hard Quackenbush.txt", _hard_link, "hard_link"),
    Case("no bytes", b"empty Quackenbush.txt", _holding(b""), "empty"),
    Case("one byte", b"one byte Quackenbush.txt", _holding(b"x"), "unknown_layout"),
    Case("a byte too much", b"large Quackenbush.txt", _holding(b"x" * (MAX_LETTER_BYTES + 1)), "too_large"),
    Case("10 GB of holes", b"sparse Quackenbush.txt", _sparse, "too_large"),
    Case("a letter named as a program", b"Quackenbush.exe", _holding(letter(100)), PUBLISHED),
    Case("a PDF named as text", b"pdf Quackenbush.txt", _holding(pdf(101)), PUBLISHED),
    Case("a PDF with a ZIP behind it", b"pdf and zip Quackenbush.pdf", _holding(pdf(102) + _zip()), PUBLISHED),
    Case("a ZIP named as a PDF", b"zip Quackenbush.pdf", _holding(_zip()), "unsupported_format"),
    Case(
        "a web page with a PDF behind it",
        b"page and pdf Quackenbush.html",
        _holding(b"<html><script>alert(1)</script>\n" + pdf(103)),
        "unsupported_format",
    ),
    Case(
        "a program with a PDF behind it", b"mz Quackenbush.pdf", _holding(b"MZ\x90\0" + pdf(104)), "unsupported_format"
    ),
    Case(
        "a picture that is a program",
        b"Quackenbush.svg",
        _holding(b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"></svg>'),
        "unsupported_format",
    ),
    Case(
        "a shell script",
        b"Quackenbush.sh",
        _holding(b"#!/bin/sh\ntouch executed\n"),
        "unknown_layout",
    ),
    Case(
        "an encrypted PDF",
        b"locked Quackenbush.pdf",
        _holding(make_pdf(_LETTER, password="a secret")),
        "password_protected",
    ),
]
