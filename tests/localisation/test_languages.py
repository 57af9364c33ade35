"""The languages, and which of them a browser gets."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pramaan.errors import UnknownLanguageError
from pramaan.localisation import LANGUAGES, Language, negotiate
from pramaan.localisation.languages import require_language


def test_every_language_says_its_name_in_its_own_script() -> None:
    assert " ".join(LANGUAGES) == "as bn en gu hi kn ml mr or pa ta te ur"
    assert LANGUAGES["or"] == Language("or", "ଓଡ଼ିଆ", "Orya", "ltr")
    assert LANGUAGES["pa"].name == "ਪੰਜਾਬੀ"
    assert LANGUAGES["en"].name == "English"


def test_only_urdu_is_written_from_right_to_left() -> None:
    assert [code for code, language in LANGUAGES.items() if language.direction == "rtl"] == ["ur"]


@pytest.mark.parametrize("code", ["fr", "", "HI", "hi-IN", "../hi", "hi\x00", "x" * 10_000])
def test_an_unknown_language_is_refused_with_the_ones_there_are(code: str) -> None:
    with pytest.raises(
        UnknownLanguageError, match="as, bn, en, gu, hi, kn, ml, mr, or, pa, ta, te, ur"
    ) as refused:
        require_language(code)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("hi", "hi"),
        ("hi-IN,hi;q=0.9,en-IN;q=0.8,en;q=0.7", "hi"),
        ("OR-in", "or"),
        ("en;q=0.5, ta;q=0.8, te;q=0.8", "ta"),
        ("fr-FR, mr ; q = 0.3, *;q=0.1", "mr"),
        ("fr, de;q=0.5", "en"),
        ("*", "en"),
        ("ur;q=0, *", "en"),
        ("ur;q=0.000", "en"),
        ("gu;q=1.5, kn;q=0.1", "gu"),
        ("gu;q=2, kn;q=0.1", "kn"),
        ("ml;q=abc, as;q=0.1", "as"),
        ("hi-Deva-IN, ta", "hi"),
        ("hi-Latn, ta;q=0.5", "ta"),
        ("pa-Arab-PK, ur;q=0.5", "ur"),
        ("en-GB-oxendict, hi;q=0.5", "en"),
        ("\t bn-BD \t,,;q=1", "bn"),
        ("hin, hi_IN, te", "te"),
        ("hi\u0660", "en"),
    ],
)
def test_the_browsers_best_language_is_taken(header: str | None, language: str) -> None:
    assert negotiate(header) == language


def test_without_a_match_the_given_language_is_taken() -> None:
    assert negotiate("fr", default="ta") == "ta"
    assert negotiate("fr, hi;q=0.1", default="ta") == "hi"


@given(
    st.one_of(
        st.text(),
        st.text(alphabet="hiurenta-;q=0.15*, \t"),
        st.lists(st.sampled_from(["hi", "ur-PK", "en", "*", "x-y", ";q=0.3", ";q=", ",", "-"])).map("".join),
    )
)
@example("hi;q=" + "1" * 5000)
@example("\ud800, hi")
def test_any_header_gives_a_language_of_ours(header: str) -> None:
    assert negotiate(header) in LANGUAGES


@pytest.mark.parametrize("part", ["hi,", "hi-", "hi;q=0.5,", "a-", ",", " ", "hi ;", "hi-aaaaaaaa", "-a"])
def test_a_hostile_header_takes_no_time(part: str) -> None:
    header = part * 1_000_000
    began = time.process_time()
    assert negotiate(header) in LANGUAGES
    # Read through it would take minutes.
    assert time.process_time() - began < 1


def test_what_stands_far_behind_is_not_read() -> None:
    assert negotiate("fr," * 50 + "hi") == "en"
    assert negotiate("fr," * 49 + "hi") == "hi"
    assert negotiate(" " * 1000 + "hi") == "en"
