"""The fonts: what is printable, and that Pango knows the bundled ones and no others."""

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from pramaan.certificates import fonts
from pramaan.errors import HostError

SAMPLES = {
    "Latin": "Zoë Ñáñez Śrīvāstava",
    "Devanagari": "अनन्या क्षत्रिय श्रीवास्तव",
    "Bengali": "সৌমিত্র চট্টোপাধ্যায়",
    "Assamese": "ৰূপজ্যোতি বৰুৱা",
    "Gujarati": "જ્યોત્સના ત્રિવેદી",
    "Gurmukhi": "ਗੁਰਪ੍ਰੀਤ ਕੌਰ",
    "Odia": "ଶୁଭଶ୍ରୀ ମହାପାତ୍ର",
    "Tamil": "முத்துலட்சுமி",
    "Telugu": "వేంకటేశ్వర్లు",
    "Kannada": "ಕೃಷ್ಣಮೂರ್ತಿ",
    "Malayalam": "രാധാകൃഷ്ണൻ",
    "Urdu": "محمد عبدالرحمٰن خان صدیقی",
}


@pytest.mark.parametrize("script", SAMPLES)
def test_every_script_is_printable(script: str) -> None:
    assert {ord(character) for character in SAMPLES[script]} <= fonts.printable_code_points()


@pytest.mark.parametrize("character", ["\u200c", "\u200d", "\u200e", "\u200f", " ", "'", "-"])
def test_joiners_marks_and_punctuation_are_printable(character: str) -> None:
    assert ord(character) in fonts.printable_code_points()


@pytest.mark.parametrize(
    "character",
    ["\x00", "\n", "\x7f", "\x9f", "\u202e", "\u2028", "\u2066", "\ufeff", "\ue000", "\ud800", "\U0001f600"],
)
def test_controls_overrides_private_use_and_emoji_are_not(character: str) -> None:
    assert ord(character) not in fonts.printable_code_points()


def test_no_printable_code_point_has_a_forbidden_category() -> None:
    categories = {point: unicodedata.category(chr(point)) for point in fonts.printable_code_points()}
    assert not {"Cc", "Co", "Cs", "Cn", "Zl", "Zp"} & set(categories.values())
    assert {point for point, category in categories.items() if category == "Cf"} == {
        0x200C,
        0x200D,
        0x200E,
        0x200F,
    }


def test_fingerprint_is_stable_and_hexadecimal() -> None:
    assert fonts.fonts_fingerprint() == fonts.fonts_fingerprint()
    assert len(bytes.fromhex(fonts.fonts_fingerprint())) == 32


def test_configuration_knows_the_bundled_fonts_only(tmp_path: Path) -> None:
    script = (
        "import pathlib, subprocess, sys; from pramaan.certificates.fonts import configure_fonts;"
        "configure_fonts(pathlib.Path(sys.argv[1])); configure_fonts(pathlib.Path(sys.argv[1]));"
        "subprocess.run(['fc-list', '--format', '%{file|basename}\\n'], check=True)"
    )
    known = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert set(known.stdout.split()) == {file.name for file in fonts.bundled_font_files()}


def test_missing_fonts_name_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fonts.bundled_font_files.cache_clear()
    monkeypatch.setattr(fonts, "FONT_FOLDER", tmp_path)
    with pytest.raises(HostError, match=r"NotoSerif-Regular\.ttf.*apt-get install fonts-noto-core"):
        fonts.bundled_font_files()


def test_missing_subset_library_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_LIBRARIES", {"libnowhere.so.0": "libharfbuzz-subset0"})
    with pytest.raises(HostError, match="apt-get install libharfbuzz-subset0"):
        fonts.require_libraries()


def test_a_renderer_needs_configured_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "FONTCONFIG_FILE", "/etc/fonts/fonts.conf")
    with pytest.raises(HostError, match="configure_fonts"):
        fonts.require_configured_fonts()
