"""What `pramaan.rendering.weasy` leans on inside WeasyPrint: when a new version changes it, this says what.

A new version: read the changes of the files named here, see that `test_same_picture.py` is green, and then
take over the new fingerprints.
"""

import hashlib
import importlib
import inspect

import pytest
import weasyprint

LEANED_ON = {
    "weasyprint.text.line_break": ("Layout", "split_first_line", "first_line_metrics", "line_size", "strut"),
    "weasyprint.draw.text": ("draw_text", "draw_first_line"),
    "weasyprint.pdf.fonts": ("Font", "build_fonts_dictionary"),
    "weasyprint.pdf.stream": ("Stream",),
    "weasyprint.pdf": ("generate_pdf",),
    "weasyprint.text.fonts": ("get_pango_font_key", "get_pango_font_hb_face", "get_hb_object_data"),
    "weasyprint.layout.inline": (
        "split_text_box",
        "remove_last_whitespace",
        "text_align",
        "line_box_verticality",
        "get_next_linebox",
    ),
    "weasyprint.document": ("Document",),
    "weasyprint": ("HTML",),
}

FINGERPRINTS = {
    "weasyprint.text.line_break": "218c761e7651",
    "weasyprint.draw.text": "e9dbd28da19d",
    "weasyprint.pdf.fonts": "5ac2a8ef6793",
    "weasyprint.pdf.stream": "624257224db6",
    "weasyprint.pdf": "626343ef25c3",
    "weasyprint.text.fonts": "4f4490ccbcf8",
    "weasyprint.layout.inline": "5a61c0e013e6",
    "weasyprint.document": "54092421bd31",
    "weasyprint": "77bbd748d3b2",
}


def fingerprint(module: str) -> str:
    found = importlib.import_module(module)
    source = "".join(inspect.getsource(getattr(found, name)) for name in LEANED_ON[module])
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def test_it_is_the_version_that_was_read() -> None:
    assert weasyprint.VERSION == "70.0"


@pytest.mark.parametrize("module", LEANED_ON)
def test_what_we_lean_on_is_as_it_was_read(module: str) -> None:
    assert fingerprint(module) == FINGERPRINTS[module]


def test_a_glyph_is_five_integers() -> None:
    from weasyprint.text.ffi import ffi

    assert ffi.sizeof("PangoGlyphInfo") == 5 * ffi.sizeof("int")
