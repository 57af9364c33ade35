"""The fonts that certificates are printed with, and nothing else that stands on the machine.

The set is fixed, byte by byte: `fonts.sha256` beside this file lists every face with its hash, and a file
that differs is refused. The files come from Debian's package `fonts-noto-core`, which setup.sh installs.
Pango is given a private fontconfig file that knows only these, so that the same fields give the same bytes on
every machine. Call `configure_fonts` once per process, before the first `Renderer`.

To add a face: `sha256sum` it into the list, sorted by name, and give a new family its purpose here.
"""

import ctypes
import hashlib
import os
import tempfile
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Final

from pramaan.errors import HostError

__all__ = [
    "BUNDLED_FAMILIES",
    "FONT_FOLDER",
    "bundled_font_files",
    "configure_fonts",
    "font_files_by_sha256",
    "fonts_fingerprint",
    "printable_code_points",
    "require_configured_fonts",
    "require_libraries",
]

FONT_FOLDER: Final = Path("/usr/share/fonts/truetype/noto")

BUNDLED_FAMILIES: Final = {
    "NotoSerifDisplay": "Latin, Greek, Cyrillic: large sizes",
    "NotoSerif": "Latin, Greek, Cyrillic",
    "NotoSansDisplay": "Latin, Greek, Cyrillic: large sizes, sans-serif",
    "NotoSans": "Latin, Greek, Cyrillic: sans-serif, small print",
    "NotoSerifDevanagari": "Devanagari",
    "NotoSansDevanagari": "Devanagari: sans-serif",
    "NotoSerifBengali": "Bengali, Assamese",
    "NotoSansBengali": "Bengali, Assamese: sans-serif",
    "NotoSerifGujarati": "Gujarati",
    "NotoSansGujarati": "Gujarati: sans-serif",
    "NotoSerifGurmukhi": "Gurmukhi",
    "NotoSansGurmukhi": "Gurmukhi: sans-serif",
    "NotoSansOriya": "Odia (this release has no serif)",
    "NotoSerifTamil": "Tamil",
    "NotoSansTamil": "Tamil: sans-serif",
    "NotoSerifTelugu": "Telugu",
    "NotoSansTelugu": "Telugu: sans-serif",
    "NotoSerifKannada": "Kannada",
    "NotoSansKannada": "Kannada: sans-serif",
    "NotoSerifMalayalam": "Malayalam",
    "NotoSansMalayalam": "Malayalam: sans-serif",
    "NotoNastaliqUrdu": "Urdu and the other languages in Arabic script (its Bold calls itself regular)",
    "NotoSansOlChiki": "Santali",
    "NotoSansMeeteiMayek": "Manipuri",
}
"""Family as in the file's name, and what it is for; which faces each has is in `fonts.sha256`.

Each has Regular and Bold; Italic only where the release has one that a template wants.
"""

_PINS: Final = Path(__file__).with_name("fonts.sha256")

_RELEASE: Final = "20201225"
"""Of the package. Debian 12 (20201225-1) and 13 (20201225-2) ship the same bytes: compared, file by file."""

_LIBRARIES: Final = {
    "libpango-1.0.so.0": "libpango-1.0-0",
    "libpangoft2-1.0.so.0": "libpangoft2-1.0-0",
    "libharfbuzz-subset.so.0": "libharfbuzz-subset0",
}
"""Shared library and the Debian package that brings it."""

_FORBIDDEN_CATEGORIES: Final = frozenset({"Cc", "Co", "Cs", "Cn", "Cf", "Zl", "Zp"})
_PRINTABLE_FORMAT_CHARACTERS: Final = frozenset("\u200c\u200d\u200e\u200f")
_IGNORABLE_CHARACTERS: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"
    + "".join(map(chr, [*range(0x180B, 0x1810), *range(0xFE00, 0xFE10)]))
)
"""Letters and marks by category that print nothing (Unicode's Default_Ignorable_Code_Point)."""
_CONFIGURATION_NAME: Final = "pramaan-fonts.conf"

_CONFIGURATION: Final = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{fonts}</dir>
  <cachedir>{cache}</cachedir>
  <match target="font">
    <edit name="hinting" mode="assign"><bool>false</bool></edit>
    <edit name="autohint" mode="assign"><bool>false</bool></edit>
  </match>
</fontconfig>
"""


@lru_cache(maxsize=1)
def bundled_font_files() -> tuple[Path, ...]:
    """The font files, sorted by name, each with exactly the bytes that it is pinned to.

    They are hashed once per process (12 MB: about 10 ms, or 25 ms on a processor without SHA instructions).

    Raises HostError naming the files that are missing or differ, and the package to install.
    """
    pins = _pins()
    found = {name: _sha256_of(FONT_FOLDER / name) for name in pins}
    missing = [name for name in pins if found[name] is None]
    changed = [name for name in pins if found[name] not in {None, pins[name]}]
    if missing or changed:
        lists = {"missing": missing, "not the pinned file": changed}
        what = "; ".join(f"{problem}: {', '.join(names)}" for problem, names in lists.items() if names)
        raise HostError(
            f"the fonts in {FONT_FOLDER} are not those that certificates are printed with ({what}); install "
            f"release {_RELEASE} of their package: apt-get install --reinstall fonts-noto-core"
        )
    return tuple(FONT_FOLDER / name for name in pins)


@lru_cache(maxsize=1)
def fonts_fingerprint() -> str:
    """SHA-256, in hex, of the list of pins: other fonts print other certificates.

    Reads no font: whether this machine has them is for `bundled_font_files` to say.
    """
    return hashlib.sha256(_PINS.read_bytes()).hexdigest()


@lru_cache(maxsize=1)
def font_files_by_sha256() -> dict[str, Path]:
    """The font files by their pins, in hex. Raises HostError as `bundled_font_files`."""
    return dict(zip(_pins().values(), bundled_font_files(), strict=True))


def _pins() -> dict[str, str]:
    """File name and SHA-256 in hex, in the order of the list, which is in the format of `sha256sum`."""
    lines = (line.split() for line in _PINS.read_text(encoding="ascii").splitlines())
    return {name: digest for digest, name in lines}


def _sha256_of(file: Path) -> str | None:
    """In hex; None when it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None


@lru_cache(maxsize=1)
def printable_code_points() -> frozenset[int]:
    """Every code point that a bundled font holds and that a name may contain.

    Controls, private use, unassigned code points and line separators never count, nor do format characters,
    but for the joiners and the two direction marks, which Indic and Arabic orthography needs.

    Raises HostError as `bundled_font_files`.
    """
    # Not fontTools, which takes thirty times as long for the same.
    import uharfbuzz

    held: set[int] = set()
    for file in bundled_font_files():
        held.update(uharfbuzz.Face(uharfbuzz.Blob.from_file_path(file)).unicodes)
    return frozenset(point for point in held if _may_be_printed(chr(point)))


def _may_be_printed(character: str) -> bool:
    if character in _PRINTABLE_FORMAT_CHARACTERS:
        return True
    if character in _IGNORABLE_CHARACTERS:
        return False
    return unicodedata.category(character) not in _FORBIDDEN_CATEGORIES


def configure_fonts(folder: Path) -> Path:
    """Make Pango in this process, and in those it starts, know the bundled fonts only.

    Writes a fontconfig file, links to the fonts and fontconfig's cache under `folder`, which must be
    writable; safe to repeat, also from several processes at once. Sets `FONTCONFIG_FILE`, `FC_LANG` and
    `PANGO_LANGUAGE`, so it must come before the first `Renderer`. Returns the fontconfig file.

    Raises HostError naming what is missing or differs, a font or a library, and the package to install.
    """
    require_libraries()
    files = bundled_font_files()
    # A new set gets a new folder: fontconfig trusts its cache while the folder's own time is unchanged,
    # whatever happened to the files that the links lead to.
    root = folder.absolute() / fonts_fingerprint()[:16]
    (links := root / "fonts").mkdir(parents=True, exist_ok=True)
    for file in files:
        _link(links / file.name, target=file)
    text = _CONFIGURATION.format(fonts=_escaped(links), cache=_escaped(root / "cache"))
    _write_whole(configuration := root / _CONFIGURATION_NAME, text)
    os.environ["FONTCONFIG_FILE"] = str(configuration)
    # Without it fontconfig prefers, among fonts that match alike, those of the machine's locale.
    os.environ["FC_LANG"] = "en"
    # Without it Pango looks at LANGUAGE when it shapes text whose script is not that of its language.
    os.environ["PANGO_LANGUAGE"] = "en"
    return configuration


def require_configured_fonts() -> None:
    """Raise HostError unless `configure_fonts` was called here or in the process that started this one."""
    configuration = Path(os.environ.get("FONTCONFIG_FILE", ""))
    if configuration.name != _CONFIGURATION_NAME or not configuration.is_file():
        raise HostError("no fonts are configured: call configure_fonts(folder) before the first Renderer")


def require_libraries() -> None:
    """Raise HostError naming the packages of the shared libraries that WeasyPrint needs and that are missing.

    WeasyPrint does without libharfbuzz-subset, silently, and then takes more than ten times as long.
    """
    if missing := [package for library, package in _LIBRARIES.items() if not _loads(library)]:
        raise HostError(
            f"shared libraries are missing: install them with: apt-get install {' '.join(missing)}"
        )


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _link(link: Path, *, target: Path) -> None:
    try:
        link.symlink_to(target)
    except FileExistsError:
        if link.readlink() != target:
            raise HostError(
                f"{link} should be a link to {target}: remove its folder and start again"
            ) from None


def _write_whole(path: Path, text: str) -> None:
    """Write so that a process that reads at the same time sees the old file or the new one."""
    if path.is_file() and path.read_text() == text:
        return
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
    Path(file.name).replace(path)


def _escaped(path: Path) -> str:
    from xml.sax.saxutils import escape

    return escape(str(path))
