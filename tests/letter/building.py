"""Small invented letters, made of the parts that a test is about."""

from __future__ import annotations

from dataclasses import dataclass

REVIEWER = "The physician reviewer is Board Certified in Dermatology and is licensed to practice in Nevada."
SUMMARY = (
    "The injured worker is a 41 year old female with a date of injury of 3/4/2012. "
    "The date of the Utilization Review (UR) decision was 10/7/2013."
)


@dataclass(frozen=True)
class Part:
    """One issue."""

    heading: str = "Barrier cream, two tubes"
    decision: str = "Upheld"
    claims: str = "Decision based on MTUS Chronic Pain Treatment Guidelines."
    reviewer: str = "The Expert Reviewer did not cite any medical evidence for its decision."
    rationale: str = "Gloves do the same. The cream is not medically necessary."

    def text(self) -> str:
        return (
            f"{self.heading}: {self.decision}\n\nClaims Administrator guideline: {self.claims}\n\n"
            f"MAXIMUS guideline: {self.reviewer}\n\nDecision rationale: {self.rationale}"
        )


def letter(*parts: Part, summary: str = SUMMARY, reviewer: str = REVIEWER) -> str:
    """A letter of 2014 without a header."""
    issues = "\n\n".join(part.text() for part in parts or (Part(),))
    return (
        "HOW THE IMR FINAL DETERMINATION WAS MADE\n"
        f"MAXIMUS Federal Services sent the complete case file to a physician reviewer. {reviewer}\n\n"
        "CLINICAL CASE SUMMARY\n"
        "The expert reviewer developed the following clinical case summary based on a review of the\n"
        f"case file, including all medical records:\n\n{summary}\n\n"
        "IMR ISSUES, DECISIONS AND RATIONALES\n"
        "The Final Determination was based on decisions for the disputed items/services set forth below:\n\n"
        f"{issues}\n"
    )
