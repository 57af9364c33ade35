"""Certificates as pictures, and how far two of them differ."""

import unicodedata
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pypdfium2
from PIL import Image

DPI = 150

MOST_DIFFERENCE = 1
"""Out of 255. Both engines write the same numbers to the sixth decimal: nearly every pair is the same to the
last pixel, and one that is not is off by the rounding of a colour. (At the fourth decimal a glyph of small
print, which PDFium sets to whole pixels, could stand a pixel aside.)"""

Picture = npt.NDArray[np.int16]


def picture_of(pdf: bytes, *, dpi: int = DPI) -> Picture:
    """The page, red, green and blue of each pixel."""
    with pypdfium2.PdfDocument(pdf) as document:
        return np.asarray(document[0].render(scale=dpi / 72).to_pil().convert("RGB")).astype(np.int16)


def difference(one: Picture, other: Picture) -> Picture:
    """The greatest difference of each pixel's colours."""
    assert one.shape == other.shape
    return np.asarray(np.abs(one - other).max(axis=2))


def keep_difference(one: Picture, other: Picture, path: Path) -> None:
    """Write both pictures and what differs, black on white, one beneath the other."""
    differs = np.repeat(np.where(difference(one, other) > MOST_DIFFERENCE, 0, 255)[:, :, None], 3, axis=2)
    Image.fromarray(np.vstack([one, other, differs]).astype(np.uint8)).save(path)


def text_of(pdf: bytes) -> str:
    """What copying the whole page gives, one space for any white space."""
    with pypdfium2.PdfDocument(pdf) as document:
        assert len(document) == 1
        page = document[0].get_textpage().get_text_range()
    return " ".join(unicodedata.normalize("NFC", page).split())
