"""Names that outlive a process: the list of keys is complete, and an installation keeps to its prefix."""

from __future__ import annotations

import fnmatch

from tests.support.key_list import listed_keys
from worker.contract.filenames import is_ignored
from worker.contract.names import EXTRACTED_SUFFIX, SIDECAR_SUFFIXES, Keys


def every_key(keys: Keys) -> dict[str, str]:
    """Name of the property -> key."""
    named = {name: getattr(keys, name) for name, value in vars(Keys).items() if isinstance(value, property)}
    return {**named, "letter": keys.letter("0" * 64)}


def test_every_key_stands_on_the_list() -> None:
    for key in every_key(Keys("imr")).values():
        below = key.removeprefix("imr:")
        assert any(fnmatch.fnmatchcase(below, listed) for listed in listed_keys()), key


def test_every_line_of_the_list_is_a_key() -> None:
    keys = [key.removeprefix("imr:") for key in every_key(Keys("imr")).values()]
    for listed in listed_keys():
        assert any(fnmatch.fnmatchcase(key, listed) for key in keys), listed


def test_every_key_lies_below_the_prefix() -> None:
    assert all(key.startswith("clinic:a:") for key in every_key(Keys("clinic:a")).values())
    assert len(set(every_key(Keys("imr")).values())) == len(every_key(Keys("imr")))


def test_companions_of_letters_are_no_letters() -> None:
    """People put a dead letter and what lies beside it back into the inbox together."""
    for suffix in (*SIDECAR_SUFFIXES, EXTRACTED_SUFFIX):
        assert is_ignored(f"letter.pdf{suffix}")
        assert is_ignored(f"LETTER.PDF{suffix.upper()}")
    assert not is_ignored("letter.pdf")
    assert not is_ignored("error.json.pdf")
    assert not is_ignored("letter.pdf.txt"), "what programs that recognise text call their result"
