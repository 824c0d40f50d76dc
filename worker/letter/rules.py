"""The table of rules. docs/errors.md and `imr schema --errors` are printed from it."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Rule(NamedTuple):
    """One rule that every letter is checked against."""

    code: str
    """Stable code, for programs."""
    severity: Literal["error", "warning", "info"]
    """`error`: the letter goes to review; `warning`, `info`: it is published with a finding."""
    sentence: str
    """For a claims examiner; never words of the letter. A message may add the name of the missing part."""
    source: str
    """The law, form or principle that the rule comes from."""


_CONTRACT = "public contract: nothing is guessed, what contradicts itself goes to review"
_FORM = "form of the published letters"
_LAW_DATES = "Labor Code 4610.5 and 4610.6: injury, then review, then application, then determination"

RULES: tuple[Rule, ...] = (
    Rule(
        "empty_text",
        "error",
        "The file holds no text: it may be a scan without text recognition, or an empty file.",
        _CONTRACT,
    ),
    Rule(
        "unreadable_characters",
        "error",
        "The text holds characters that no letter has: it was damaged or read with the wrong encoding.",
        _CONTRACT,
    ),
    Rule(
        "unknown_layout",
        "error",
        "This is not an Independent Medical Review determination in any layout that is known.",
        _CONTRACT,
    ),
    Rule("truncated", "error", "The letter breaks off before its end.", _FORM),
    Rule("two_letters", "error", "The file holds more than one letter: the second begins here.", _FORM),
    Rule("text_after_end", "error", "Text that does not belong to the letter follows its end.", _FORM),
    Rule("missing_section", "error", "A section of the letter is missing, though what comes after it is there.", _FORM),
    Rule("missing_case_number", "error", "The letter's header has no case number.", _FORM),
    Rule(
        "malformed_case_number",
        "error",
        "The case number is not of the form CM, two digits, hyphen, seven digits.",
        _FORM,
    ),
    Rule("case_number_conflict", "error", "The letter gives two different case numbers.", _CONTRACT),
    Rule("ambiguous_header", "error", "The header's labels and values cannot be matched to each other.", _CONTRACT),
    Rule("header_values_differ", "error", "The letter gives two different dates for the same field.", _CONTRACT),
    Rule("missing_header_value", "warning", "The header gives no value for this field.", _FORM),
    Rule("impossible_date", "error", "There is no such day.", "calendar"),
    Rule("date_in_future", "error", "The date lies in the future.", "calendar"),
    Rule("dates_out_of_order", "error", "The date lies before one that must come earlier.", _LAW_DATES),
    Rule("unknown_priority", "warning", "The priority is neither standard nor expedited.", "8 CCR 9792.10.4"),
    Rule("patient_age_missing", "warning", "The letter does not say how old the patient is.", _FORM),
    Rule("patient_sex_missing", "warning", "The letter does not say the patient's sex.", _FORM),
    Rule("implausible_age", "error", "The patient's age is not that of a worker.", "Labor Code 1290 and plain sense"),
    Rule("patient_conflict", "error", "The letter describes two different patients.", _CONTRACT),
    Rule(
        "reviewer_unread",
        "warning",
        "The reviewer's specialty and state of licensure were not found.",
        "Labor Code 4610.6(f)",
    ),
    Rule("unknown_state", "warning", "A state of licensure is not a state of the United States.", _FORM),
    Rule("no_issues", "error", "The letter decides no issue.", "Labor Code 4610.6"),
    Rule("issue_without_heading", "error", "An issue does not say which treatment it is about.", _FORM),
    Rule("issue_without_decision", "error", "An issue has no decision.", "Labor Code 4610.6(c)"),
    Rule("unknown_decision", "error", "The word where the decision stands is neither upheld nor overturned.", _FORM),
    Rule("issue_without_guideline", "error", "An issue lacks one of its two guideline statements.", _FORM),
    Rule("issue_without_rationale", "error", "An issue has no rationale.", "Labor Code 4610.6(d)"),
    Rule("decision_contradicts_rationale", "error", "The rationale concludes the opposite of the decision.", _CONTRACT),
    Rule(
        "conclusion_not_stated",
        "info",
        "The rationale does not itself say whether the treatment is medically necessary.",
        _FORM,
    ),
    Rule(
        "stated_outcome_differs",
        "error",
        "The outcome on the cover page differs from the decisions on the issues.",
        _CONTRACT,
    ),
    Rule(
        "decision_counts_differ",
        "error",
        "The first page and the body do not decide the same number of requests in the same way.",
        _CONTRACT,
    ),
    Rule(
        "unknown_chapter",
        "warning",
        "A cited chapter is not in the list of the Medical Treatment Utilization Schedule.",
        "8 CCR 9792.20 and following",
    ),
    Rule(
        "service_date_without_retrospective",
        "warning",
        "A date of service is given for a request that is not called retrospective.",
        _FORM,
    ),
    Rule(
        "layout_known_in_part",
        "info",
        "This layout is known only in part: values that are null may still be in the letter.",
        "seen in partial copies only",
    ),
    Rule(
        "cover_page_form_unverified",
        "info",
        "The letter has a cover page, a form that was not verified in an original.",
        "seen in no published copy",
    ),
)  # fmt: skip

BY_CODE: dict[str, Rule] = {rule.code: rule for rule in RULES}
