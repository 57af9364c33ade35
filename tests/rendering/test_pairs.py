"""ASCII texts set from pairs of characters are what Pango makes of them, in every style of every template."""

import string
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from renderers import BUNDLED, INDIA

from pramaan.rendering.renderer import Renderer
from pramaan.rendering.samples import sample_signature
from pramaan.rendering.template import list_templates, load_template
from pramaan.rendering.weasy import AreaPlace, Shaper

AT = datetime(2026, 5, 1, 9, 30, tzinfo=UTC).isoformat()
LETTERS = string.ascii_letters
TEXTS = (
    "certificates.example.gov.in/pramaan/verify/00ff11ffi2fl3fffi4",
    "AVATAR To. Ty, V.; W. Yo 'r.' (fi) [fl] {ffl} 11.1 -- // \\ 7/4 T.V. P, L'Y",
    "Dr. O'Neill-Fjord, Jr. (Retd.) & Co. #12 @ 50%",
    "Wolfgang Affleck Office Suffix",
)


def places(template_id: str) -> dict[str, AreaPlace]:
    """The style of every area of a template, at its first size, for texts from left to right."""
    renderer = Renderer(load_template(BUNDLED / template_id), zone=INDIA)
    fields = {name: field.sample for name, field in renderer.template.fields.items()}
    page = renderer.page_for(fields | {"language": "en"}, signature=sample_signature())
    sizes = {name: renderer.template.areas[name].sizes_pt[0] for name in page.wording.areas}
    return dict(page._places("en", "ltr", sizes, False))


@pytest.fixture(scope="module")
def shapers() -> list[tuple[str, Shaper, Shaper]]:
    """For every style, a shaper that may use pairs, and one that asks Pango each time."""
    return list(_shapers())


def _shapers() -> Iterator[tuple[str, Shaper, Shaper]]:
    for template_id in list_templates(BUNDLED):
        for name, place in places(template_id).items():
            one, other = (
                Shaper(
                    place.style,
                    line_height=place.line_height,
                    strut_height=place.strut_height,
                    strut_baseline=place.strut_baseline,
                )
                for _ in range(2)
            )
            other._pairs = None
            yield f"{template_id} {name}", one, other


def assert_alike(text: str, shapers: list[tuple[str, Shaper, Shaper]]) -> None:
    """The same measures and the same glyphs in the same places."""
    for where, by_pairs, by_pango in shapers:
        assert by_pairs.measured(text) == by_pango.measured(text), where
        assert by_pairs.shaped(text) == by_pango.shaped(text), where


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_set_from_pairs_is_pangos(text: str, shapers: list[tuple[str, Shaper, Shaper]]) -> None:
    assert_alike(text, shapers)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), min_size=1, max_size=40))
def test_any_ascii_text_is_pangos(shapers: list[tuple[str, Shaper, Shaper]], text: str) -> None:
    assert_alike(f"{text}a", shapers)
    assert_alike(f"a{text}", shapers)


def test_a_number_takes_pairs_and_a_ligature_does_not(shapers: list[tuple[str, Shaper, Shaper]]) -> None:
    by_area = {where.split()[1]: shaper for where, shaper, _ in shapers if where.startswith("classic ")}
    number, name = by_area["certificate_id"]._pairs, by_area["recipient_name"]._pairs
    assert number is not None
    assert name is not None
    assert number.composed("00ff11ffffa") is not None
    assert name.composed("Asha Rao") is not None
    assert name.composed("Fiona Affleck") is None


def test_what_is_not_latin_is_pangos_alone(shapers: list[tuple[str, Shaper, Shaper]]) -> None:
    for text in ("आशा राव", "Łucja", "12 / 34", "آشا"):
        assert_alike(text, shapers)
