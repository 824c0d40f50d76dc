"""Where a gap between two lines is one between paragraphs."""

from __future__ import annotations

from worker.extraction.pdf.page_layout import Line, document_text, usual_pitch

PITCH = 13.8


def page(*distances: float, size: float = 12, depth: float = 72) -> list[Line]:
    lines = [Line("0", depth, size)]
    for number, distance in enumerate(distances, 1):
        depth += distance * PITCH
        lines.append(Line(str(number), depth, size))
    return lines


def test_a_blank_line_stands_at_each_gap() -> None:
    assert document_text([page(1, 1, 2, 1, 1.47, 1)]) == "0\n1\n2\n\n3\n4\n\n5\n6"


def test_pages_are_joined_by_a_form_feed() -> None:
    assert document_text([page(1, 1), [], page(1)]) == "0\n1\n2\f\f0\n1"


def test_lines_on_the_same_height_and_above_are_no_gap() -> None:
    assert document_text([page(1, 0, -1, 1, 1, 3, 1)]) == "0\n1\n2\n3\n4\n5\n\n6\n7"


def test_rounded_distances_are_the_same_distance() -> None:
    assert "\n\n" not in document_text([page(1, 0.97, 1.03, 1, 0.95, 1.05)])


def test_a_page_of_single_lines_is_judged_by_the_whole_document() -> None:
    assert document_text([page(1, 1, 1, 1, 2), page(2, 2)]).endswith("\f0\n\n1\n\n2")


def test_a_double_spaced_letter_has_no_gap_at_each_line() -> None:
    narrow_table = [Line("a", 20, 11), Line("b", 33, 11)]
    double = page(*[2] * 30, 4, *[2] * 30)
    text = document_text([narrow_table, double])
    assert text.count("\n\n") == 1


def test_too_few_lines_are_judged_by_their_type_size() -> None:
    assert usual_pitch([page(2)]) == 0.0
    assert document_text([page(2)]) == "0\n\n1"
    assert document_text([page(1)]) == "0\n1"


def test_a_heading_in_large_type_over_two_lines_is_one() -> None:
    heading = [Line("a", 20, 24), Line("b", 47, 24)]
    assert document_text([heading, page(1, 1, 1, 1, 1, 1)]).startswith("a\nb\f")


def test_many_lines_take_little_time() -> None:
    text = document_text([page(*[1, 1, 2] * 20_000)])
    assert text.count("\n\n") == 20_000
