"""The pages of the documentation, and what they name: links, anchors, modules, files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.docs.reference import anchor

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "deploy").glob("*.md")),
    ROOT / "tests" / "letters" / "README.md",
)

_LINK: Final = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_FENCE: Final = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_EXAMPLE: Final = re.compile(r"<!-- example -->.*?<!-- end example -->", re.DOTALL)
"""What a reader is asked to make: it need not be there."""
_HEADING: Final = re.compile(r"^#{1,6} (?P<text>.+?)\s*$", re.MULTILINE)
_MODULE: Final = re.compile(r"(?<![\w/.-])(?:worker|producer|tests)(?:\.[A-Za-z_]\w*)+")
_PATH: Final = re.compile(r"(?<![\w/.-])(?:worker|producer|tests|deploy|docs)/[\w./-]*\w/?(?![\w*<{-])")
_IMPORT: Final = re.compile(r"from (?P<module>(?:worker|producer)[\w.]*) import (?P<names>[\w, ]+)")


def links(page: str) -> Iterator[str]:
    """Targets of all links to other files and headings; addresses of the web are left out."""
    for link in _LINK.finditer(_FENCE.sub("", page)):
        if not re.match(r"[a-z]+:", link["target"]):
            yield link["target"]


def anchors(page: str) -> set[str]:
    """The addresses of a page's headings, numbered where a heading comes twice."""
    seen: Counter[str] = Counter()
    addresses = set()
    for heading in _HEADING.finditer(_FENCE.sub("", page)):
        address = anchor(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]))
        addresses.add(f"{address}-{seen[address]}" if seen[address] else address)
        seen[address] += 1
    return addresses


def dotted_names(page: str) -> set[str]:
    """`worker.x.y` and its like, also as `from worker.x import y`."""
    page = _EXAMPLE.sub("", page)
    imported = {
        f"{line['module']}.{name.strip()}" for line in _IMPORT.finditer(page) for name in line["names"].split(",")
    }
    return {match[0] for match in _MODULE.finditer(page)} | imported


def paths(page: str) -> set[str]:
    """Files and folders of the repository that the page names."""
    return set(_PATH.findall(_EXAMPLE.sub("", page)))


def is_there(dotted: str) -> bool:
    """Whether the name is a module or package, or a name that stands in one."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        module = place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"
        if module.is_file() or (place.is_dir() and length == len(parts)):
            names = parts[length:]
            return all(re.search(rf"\b{name}\b", module.read_text()) for name in names)
    return False
