"""The fonts: what is printable, that they are the pinned ones, and that Pango knows these and no others."""

import hashlib
import os
import subprocess
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from pramaan.errors import HostError
from pramaan.rendering import fonts

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


def _pins() -> list[tuple[str, str]]:
    lines = Path(fonts.__file__).with_name("fonts.sha256").read_text().splitlines()
    return [(name, digest) for digest, name in (line.split("  ") for line in lines)]


def test_the_list_is_sorted_and_names_each_file_once() -> None:
    names = [name for name, _ in _pins()]
    assert names == sorted(set(names))


def test_the_files_are_those_of_the_list_and_have_its_hashes() -> None:
    files = fonts.bundled_font_files()
    assert [(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in files] == _pins()


def test_every_family_has_a_purpose_and_regular_and_bold() -> None:
    styles = defaultdict(set)
    for name, _ in _pins():
        family, _, style = name.removesuffix(".ttf").partition("-")
        styles[family].add(style)
    assert set(styles) == set(fonts.BUNDLED_FAMILIES)
    lacks_bold = {family for family, found in styles.items() if "Bold" not in found}
    assert all("Regular" in found for found in styles.values())
    assert lacks_bold == {"NotoNastaliqUrdu"}, "its Bold calls itself regular, so that Pango takes either"


@pytest.mark.parametrize(
    "script",
    [
        "Devanagari",
        "Bengali",
        "Gujarati",
        "Gurmukhi",
        "Tamil",
        "Telugu",
        "Kannada",
        "Malayalam",
        "",
        "Display",
    ],
)
def test_every_script_with_a_serif_has_a_sans(script: str) -> None:
    assert {f"NotoSerif{script}", f"NotoSans{script}"} <= set(fonts.BUNDLED_FAMILIES)


def test_fingerprint_is_that_of_the_list() -> None:
    listed = Path(fonts.__file__).with_name("fonts.sha256").read_bytes()
    assert fonts.fonts_fingerprint() == hashlib.sha256(listed).hexdigest()


_KNOWN = """
import os, pathlib, subprocess, sys
from pramaan.rendering import fonts
fonts._PINS = pathlib.Path(sys.argv[2])
fonts.configure_fonts(pathlib.Path(sys.argv[1]))
fonts.configure_fonts(pathlib.Path(sys.argv[1]))
subprocess.run(sys.argv[3:], check=True)
"""


def _ask_fontconfig(
    folder: Path, *question: str, pins: Path = fonts._PINS, locale: str = "C.UTF-8"
) -> list[str]:
    """What a command says, line by line, of a process that configured the fonts in a machine's locale."""
    command = [sys.executable, "-c", _KNOWN, folder, pins, *question]
    own = {key: value for key, value in os.environ.items() if not key.startswith(("FONTCONFIG", "FC_"))}
    answer = subprocess.run(
        command, capture_output=True, text=True, check=True, env=own | {"LC_ALL": locale, "LANGUAGE": locale}
    )
    assert not answer.stderr
    return answer.stdout.splitlines()


def test_fontconfig_knows_the_bundled_fonts_only(tmp_path: Path) -> None:
    known = _ask_fontconfig(tmp_path, "fc-list", "--format", "%{file}\\n")
    assert sorted(Path(file).resolve() for file in known) == list(fonts.bundled_font_files())


def test_other_pins_leave_the_cache_of_these_alone(tmp_path: Path) -> None:
    listed = fonts._PINS.read_text().splitlines(keepends=True)
    (fewer := tmp_path / "fewer.sha256").write_text("".join(listed[:3]))
    names = [name for name, _ in _pins()]
    question = ("fc-list", "--format", "%{file|basename}\\n")
    assert sorted(_ask_fontconfig(tmp_path / "fonts", *question)) == names
    assert sorted(_ask_fontconfig(tmp_path / "fonts", *question, pins=fewer)) == names[:3]
    assert sorted(_ask_fontconfig(tmp_path / "fonts", *question)) == names


def test_the_locale_of_the_machine_chooses_no_font(tmp_path: Path) -> None:
    question = ("fc-match", "--sort", "Noto Serif", "--format", "%{file|basename}\\n")
    orders = {
        tuple(_ask_fontconfig(tmp_path, *question, locale=locale))
        for locale in ("C", "en_IN.UTF-8", "ta_IN.UTF-8", "ur_PK.UTF-8")
    }
    assert len(orders) == 1


@pytest.fixture
def copied_fonts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder that holds the pinned fonts, to be spoilt."""
    for file in fonts.bundled_font_files():
        (tmp_path / file.name).symlink_to(file)
    fonts.bundled_font_files.cache_clear()
    monkeypatch.setattr(fonts, "FONT_FOLDER", tmp_path)
    yield tmp_path
    fonts.bundled_font_files.cache_clear()


def test_the_same_bytes_elsewhere_will_do(copied_fonts: Path) -> None:
    assert [file.parent for file in fonts.bundled_font_files()] == [copied_fonts] * len(_pins())


def test_a_changed_font_is_named_and_refused(copied_fonts: Path, tmp_path: Path) -> None:
    changed = bytearray((font := copied_fonts / "NotoSansTamil-Bold.ttf").read_bytes())
    changed[-1] ^= 1
    font.unlink()
    font.write_bytes(changed)
    with pytest.raises(HostError) as refused:
        fonts.configure_fonts(tmp_path / "home")
    assert str(refused.value) == (
        f"the fonts in {copied_fonts} are not those that certificates are printed with (not the pinned file: "
        "NotoSansTamil-Bold.ttf); install release 20201225 of their package: "
        "apt-get install --reinstall fonts-noto-core"
    )
    assert not (tmp_path / "home").exists()


def test_a_missing_font_is_named_apart_from_a_changed_one(copied_fonts: Path) -> None:
    (copied_fonts / "NotoSerif-Regular.ttf").unlink()
    (changed := copied_fonts / "NotoSans-Bold.ttf").unlink()
    changed.write_bytes(b"")
    with pytest.raises(
        HostError, match=r"\(missing: NotoSerif-Regular\.ttf; not the pinned file: NotoSans-Bold\.ttf\)"
    ):
        fonts.bundled_font_files()


def test_a_refusal_ends_with_the_right_font(copied_fonts: Path) -> None:
    pinned = (font := copied_fonts / "NotoSerif-Bold.ttf").readlink()
    font.unlink()
    with pytest.raises(HostError, match="apt-get install --reinstall fonts-noto-core"):
        fonts.bundled_font_files()
    font.symlink_to(pinned)
    assert font in fonts.bundled_font_files()


def test_missing_subset_library_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_LIBRARIES", {"libnowhere.so.0": "libharfbuzz-subset0"})
    with pytest.raises(HostError, match="apt-get install libharfbuzz-subset0"):
        fonts.require_libraries()


def test_a_renderer_needs_configured_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "FONTCONFIG_FILE", "/etc/fonts/fonts.conf")
    with pytest.raises(HostError, match="configure_fonts"):
        fonts.require_configured_fonts()
