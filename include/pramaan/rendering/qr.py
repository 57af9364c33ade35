"""The QR code: the verification address at error correction level M, drawn as one path.

libqrencode makes the code (ISO/IEC 18004); in C, since the code is the one thing that no two certificates
share, and took half the time of all the rest.
"""

import ctypes
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pramaan.errors import HostError, RenderError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["QUIET_MODULES", "qr_code", "qr_code_path"]

QUIET_MODULES: Final = 4
"""The quiet zone on each side (ISO/IEC 18004, 6.3.8)."""

_ANY_VERSION, _LEVEL_M, _BYTES = 0, 1, 2
_MASK: Final = 2
"""The pattern that breaks up large areas. To weigh all eight, as the standard asks, takes ten times
as long as all the rest of the code, and for three of four addresses of ours this one comes out best; a reader
takes its number from the code itself."""

_MOST_EIGHTHS: Final = 23
"""Eight modules each, on a side of the largest code, which has 177."""


class _QRcode(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_int),
        ("width", ctypes.c_int),
        ("data", ctypes.POINTER(ctypes.c_ubyte)),
    )


@lru_cache(maxsize=1)
def _library() -> Any:
    try:
        library = ctypes.CDLL("libqrencode.so.4")
    except OSError as error:
        raise HostError("libqrencode is missing: install it with: apt-get install libqrencode4") from error
    library.QRinput_new2.restype = ctypes.c_void_p
    library.QRinput_new2.argtypes = [ctypes.c_int, ctypes.c_int]
    library.QRinput_append.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_char_p]
    library.QRinput_free.argtypes = [ctypes.c_void_p]
    library.QRinput_free.restype = None
    library.QRcode_encodeMask.restype = ctypes.POINTER(_QRcode)
    library.QRcode_encodeMask.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.QRcode_free.argtypes = [ctypes.POINTER(_QRcode)]
    library.QRcode_free.restype = None
    return library


def qr_code(text: str) -> "npt.NDArray[np.uint8]":
    """The code as a square of modules, 1 for a dark one.

    Raises HostError without the library, RenderError `invalid_field` when the text is too long for any code.
    """
    library = _library()
    data = text.encode()
    message = library.QRinput_new2(_ANY_VERSION, _LEVEL_M)
    try:
        library.QRinput_append(message, _BYTES, len(data), data)
        code = library.QRcode_encodeMask(message, _MASK)
    finally:
        library.QRinput_free(message)
    if not code:
        raise RenderError("invalid_field", "verify_url: too long for a QR code")
    try:
        side = code.contents.width
        modules = ctypes.string_at(code.contents.data, side * side)
    finally:
        library.QRcode_free(code)
    # The lowest bit says whether a module is dark; the others what it is for.
    return np.frombuffer(modules, np.uint8).reshape(side, side) & np.uint8(1)


def qr_code_path(text: str, *, x_pt: float, y_pt: float, side_pt: float) -> bytes:
    """Content stream operators that draw the code, quiet zone included, black on white.

    `x_pt` and `y_pt` are the square's lower left corner on the page. Dark modules that touch in a row are one
    rectangle, and all are filled as one path, so that no seam shows between them.

    Raises as `qr_code`.
    """
    modules = qr_code(text)
    side = len(modules) + 2 * QUIET_MODULES
    module_pt = side_pt / side
    matrix = b"%.4f 0 0 %.4f %.4f %.4f cm" % (
        module_pt,
        -module_pt,
        x_pt + QUIET_MODULES * module_pt,
        y_pt + side_pt - QUIET_MODULES * module_pt,
    )
    ground = b"%d %d %d %d re f" % (-QUIET_MODULES, -QUIET_MODULES, side, side)
    return b"q %s 1 g %s 0 g\n%sf Q" % (matrix, ground, _dark_modules(modules))


class _Rectangles(dict[int, bytes]):
    """The dark ones of eight modules in a row as rectangles, by position and bits; made when first needed."""

    def __missing__(self, key: int) -> bytes:
        place, bits = divmod(key, 256)
        y, eighth = divmod(place, _MOST_EIGHTHS)
        runs, x = [], 8 * eighth
        for is_dark, modules in groupby(f"{bits:08b}"):
            width = len(tuple(modules))
            if is_dark == "1":
                runs.append(b"%d %d %d 1 re\n" % (x, y, width))
            x += width
        self[key] = b"".join(runs)
        return self[key]


_rectangles: Final = _Rectangles()


def _dark_modules(modules: "npt.NDArray[np.uint8]") -> bytes:
    """The path of all dark modules, eight at a time: a longer run is two rectangles that touch."""
    eighths = np.packbits(modules, axis=1).astype(np.int32)
    rows, columns = np.nonzero(eighths)
    keys = (rows * _MOST_EIGHTHS + columns) * 256 + eighths[rows, columns]
    return b"".join([_rectangles[key] for key in keys.tolist()])
