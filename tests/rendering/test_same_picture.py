"""The compiled engine is held against WeasyPrint: the same picture and the same text, for every script."""

import itertools
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from archival import texts_of
from pictures import MOST_DIFFERENCE, difference, keep_difference, picture_of, text_of
from renderers import BUNDLED, RendererOf

from pramaan.rendering.renderer import ENGINES
from pramaan.rendering.samples import LONGEST_NAMES, NAMES, sample_signature
from pramaan.rendering.template import list_templates

SHORT = {
    "as": "ৰাম", "bn": "মিঠু", "en": "Om", "gu": "ઓમ", "hi": "ॐ", "kn": "ಗೌರಿ", "ml": "ശ്രീ", "mr": "श्री",
    "or": "ହରି", "pa": "ਓਮ", "ta": "ஸ்ரீ", "te": "శ్రీ", "ur": "علی",
}  # fmt: skip
OTHER_SCRIPTS = {
    "mixed": ("Ravi रवि", "Ravi रवि కుమార్ Kumar", "Ravi रवि కుమార్ محمد Kumar ਸਿੰਘ ராமன் Fernandes"),
    "diacritics": (
        "Zoë",
        "Zoë Ñáñez-Śrīvāstava",
        "Ādityavardhanaḥ Śrīnivāsarāghavācārya Ñáñez-Łukasiewicz Õun",
    ),
    "santali": ("ᱨᱟᱢ", "ᱨᱟᱢ ᱢᱩᱨᱢᱩ", "ᱨᱟᱢ ᱢᱩᱨᱢᱩ ᱥᱚᱨᱮᱱ ᱦᱮᱢᱵᱨᱚᱢ ᱴᱩᱰᱩ ᱠᱤᱥᱠᱩ ᱦᱟᱸᱥᱫᱟ"),
    "manipuri": ("ꯇꯣꯝꯕ", "ꯇꯣꯝꯕ ꯁꯤꯡꯍ", "ꯇꯣꯝꯕ ꯁꯤꯡꯍ ꯂꯥꯏꯁ꯭ꯔꯝ ꯅꯤꯡꯊꯧꯖꯝ ꯏꯕꯣꯃꯆ ꯃꯤꯇꯩ"),
}
"""Names whose script is not that of the certificate's language."""

CASES = {
    language: (SHORT[language], NAMES[language], LONGEST_NAMES[language]) for language in NAMES
} | OTHER_SCRIPTS
NO_NAME, NO_DESIGNATION = {"signatory_name": None}, {"signatory_designation": None}
COMBINATIONS: dict[str, tuple[dict[str, str | None], bool]] = {
    "all": ({}, True),
    "no signature": ({}, False),
    "no designation": (NO_DESIGNATION, True),
    "no signatory's name": (NO_NAME, True),
    "a signature alone": (NO_NAME | NO_DESIGNATION, True),
    "no signatory": (NO_NAME | NO_DESIGNATION, False),
    "no issuer's address": ({"issuer_url": None}, False),
}
"""Which fields are absent, and whether there is a signature."""


TEMPLATES = list_templates(BUNDLED)


def rendered(
    renderer_of: RendererOf, template_id: str, case: str, name: str, combination: str
) -> tuple[bytes, bytes]:
    """The certificate by the compiled engine, and by WeasyPrint."""
    absent, is_signed = COMBINATIONS[combination]
    pair = []
    for engine in ENGINES:
        renderer = renderer_of(template_id, engine)
        fields = renderer.template.sample_fields() | {"language": case if case in NAMES else "en"} | absent
        signature = sample_signature() if is_signed else None
        pair.append(renderer.render(fields | {"recipient_name": name}, signature=signature))
    return pair[0], pair[1]


def assert_alike(compiled: bytes, full: bytes, *, folder: Path) -> None:
    one, other = picture_of(compiled), picture_of(full)
    if (most := int(difference(one, other).max())) > MOST_DIFFERENCE:
        keep_difference(one, other, path := folder / "difference.png")
        pytest.fail(f"pixels differ by up to {most} of 255: see {path}")
    # PDFium turns right-to-left text around, and not always alike; `texts_of` has it in reading order.
    assert Counter(text_of(compiled)) == Counter(text_of(full))
    assert is_rtl(compiled) or text_of(compiled) == text_of(full)


def is_rtl(pdf: bytes) -> bool:
    return any(unicodedata.bidirectional(letter) == "AL" for letter in text_of(pdf))


@pytest.mark.parametrize("template_id", TEMPLATES)
@pytest.mark.parametrize("case", CASES)
def test_both_engines_make_the_same_picture_and_the_same_text(
    renderer_of: RendererOf, tmp_path: Path, template_id: str, case: str
) -> None:
    for name, combination in always(template_id, case):
        compiled, full = rendered(renderer_of, template_id, case, name, combination)
        assert_alike(compiled, full, folder=tmp_path)
        assert name in texts_of(compiled)


def always(template_id: str, case: str) -> list[tuple[str, str]]:
    """One of a case's 21 pairs, another in each, so that every combination is there in each template."""
    pairs = list(itertools.product(CASES[case], COMBINATIONS))
    start = 4 * list(CASES).index(case) + 5 * TEMPLATES.index(template_id)
    return [pairs[start % len(pairs)]]


@pytest.mark.long
@pytest.mark.parametrize("template_id", TEMPLATES)
def test_both_engines_agree_on_every_name_with_every_combination_of_fields(
    renderer_of: RendererOf, tmp_path: Path, template_id: str
) -> None:
    for case, names in CASES.items():
        for name, combination in itertools.product(names, COMBINATIONS):
            if (name, combination) not in always(template_id, case):
                compiled, full = rendered(renderer_of, template_id, case, name, combination)
                assert_alike(compiled, full, folder=tmp_path)
