"""How far two certificates are from the same picture."""

import numpy as np
import pypdfium2

__all__ = ["unlike_pct"]

_PIXELS_PER_PT = 1.5
_CLEARLY_UNLIKE = 64
"""Of 255: more than two ways to smooth the same outline make."""


def unlike_pct(one: bytes, other: bytes) -> float:
    """The share of pixels that are clearly another grey, at 108 dpi.

    Raises ValueError when the pages differ in size.
    """
    first, second = _picture(one), _picture(other)
    if first.shape != second.shape:
        raise ValueError(f"pages of {first.shape} and {second.shape} pixels")
    return float(np.mean(np.abs(first - second) > _CLEARLY_UNLIKE)) * 100


def _picture(pdf: bytes) -> "np.ndarray[tuple[int, ...], np.dtype[np.int16]]":
    document = pypdfium2.PdfDocument(pdf)
    try:
        bitmap = document[0].render(scale=_PIXELS_PER_PT, grayscale=True)
        return np.asarray(bitmap.to_numpy(), np.int16).reshape(bitmap.height, bitmap.width)
    finally:
        document.close()
