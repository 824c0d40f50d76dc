"""The page on the parser names what the code has."""

from __future__ import annotations

import re
from pathlib import Path

from worker.letter.layouts import LAYOUTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "parser.md").read_text()


def test_the_table_of_layouts_is_current() -> None:
    rows = [
        f"| `{layout.name}` | `{layout.opening}` | {'whole' if layout.whole else 'in part'} |" for layout in LAYOUTS
    ]
    part = re.search(r"<!-- layouts -->\n(.*?)\n<!-- end -->", PAGE, re.DOTALL)
    assert part
    assert part.group(1).split("\n")[2:] == rows


def test_files_that_the_page_names_are_there() -> None:
    root = Path(__file__).resolve().parents[2]
    for name in re.findall(r"`(tests/letter/\w+\.py)`", PAGE):
        assert (root / name).exists(), name
