"""Signature images: what an uploader hands in, and the small clean picture that is kept of it.

The uploader's own bytes are never kept. A PNG, a JPEG or an SVG is known by what it is, decoded within
limits, turned upright, and drawn again at print size with at most 30,000 bytes, without metadata and without
whatever stood behind the picture. The colours are taken as sRGB; a colour profile is dropped.

What bounds the cost: 200,000 bytes handed in; 4,000,000 pixels by the header, which is read before anything
is decoded; 100 scans of a JPEG; one picture decoded at a time. For an SVG see
`pramaan.signatures.svg` and `pramaan.signatures.svg_rasterizer`.
"""

import hashlib
import io
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pramaan.errors import RegistryError
from pramaan.signatures.svg_rasterizer import drawn_svg

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["MAX_SIGNATURE_BYTES", "Signature", "check_signature", "image_type"]

MAX_SIGNATURE_BYTES: Final = 200_000
"""What may be handed in."""

_MAX_KEPT_BYTES: Final = 30_000
_MAX_PIXELS: Final = 4_000_000
_MAX_WIDTH_PX: Final = 1_000
_MAX_HEIGHT_PX: Final = 400

_MAX_JPEG_SCANS: Final = 100
"""A progressive JPEG of a camera has about ten; each costs a pass over the whole picture."""

_OPAQUE_COLOURS: Final = (256, 64)
_TRANSPARENT_COLOURS: Final = (256,)
"""Fewer lose the ink's shades of transparency: a smaller picture shows more."""
_JPEG_QUALITIES: Final = (90, 80, 70)
_SHRINKING: Final = 0.85

_SVG_START: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?"
    rb"(?>\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>)*+"
    rb"<(?:[\w.-]+:)?svg[\s/>]",
    re.DOTALL,
)
_decoding = threading.Lock()
"""Python's warning filters are the whole process's: two threads that change them at once leave a mess."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature image as it is kept: `image/png` or `image/jpeg`, at most 30,000 bytes."""

    media_type: str
    content: bytes = field(repr=False)
    width_px: int
    height_px: int

    @property
    def sha256(self) -> str:
        """The content hash under which it is kept."""
        return hashlib.sha256(self.content).hexdigest()


def image_type(content: bytes) -> str | None:
    """`image/png`, `image/jpeg` or `image/svg+xml`, by the first bytes alone; None when it is none of them.

    The JPEG with further pictures behind it that telephones make (MPO) is a JPEG.
    """
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "image/svg+xml" if _SVG_START.match(content) else None


def check_signature(content: bytes) -> Signature:
    """The picture that is kept of a PNG, a JPEG or an SVG; the same bytes in give the same bytes out.

    At most 1,000 by 400 pixels; transparency stays, wholly transparent borders go. Writes nothing.

    Raises RegistryError: `signature_too_large` (bytes, pixels, or an SVG that costs too much to draw),
    `signature_not_an_image`, `signature_unsafe` (an SVG with more than shapes). Raises HostError when this
    machine cannot draw an SVG at all.
    """
    if len(content) > MAX_SIGNATURE_BYTES:
        raise RegistryError(
            "signature_too_large",
            f"the signature has {len(content)} bytes; {MAX_SIGNATURE_BYTES} are accepted",
        )
    media_type = image_type(content)
    if media_type is None:
        raise _not_an_image()
    if media_type == "image/svg+xml":
        content = drawn_svg(content, max_width_px=_MAX_WIDTH_PX, max_height_px=_MAX_HEIGHT_PX)
    elif media_type == "image/jpeg" and content.count(b"\xff\xda") > _MAX_JPEG_SCANS:
        raise RegistryError(
            "signature_too_large", "the signature is a JPEG of too many scans; save it again as a plain JPEG"
        )
    return _kept(_fitted(_decoded(content)), as_jpeg=media_type == "image/jpeg")


def _decoded(content: bytes) -> "Image.Image":
    """The first picture, upright, as `L`, `RGB` or `RGBA`, with nothing but its pixels."""
    from PIL import Image, ImageOps

    try:
        with _decoding, _whole_pictures_only(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
                _require_few_pixels(image)
                image.load()
                return _plain(ImageOps.exif_transpose(image))
    except RegistryError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels() from error
    except Exception as error:  # Pillow's readers raise almost anything on bytes made to break them
        raise _not_an_image() from error


@contextmanager
def _whole_pictures_only() -> Iterator[None]:
    """WeasyPrint, once imported, has Pillow accept half a picture everywhere in the process."""
    from PIL import ImageFile

    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _require_few_pixels(image: "Image.Image") -> None:
    if image.width * image.height > _MAX_PIXELS:
        raise _too_many_pixels()


def _plain(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits of grey, which convert("L") would cut off at 255
        image = image.convert("I").point(lambda grey: grey * (1 / 256)).convert("L")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
    else:
        image = image.convert("L" if image.mode in {"1", "L"} else "RGB")
    return Image.frombytes(image.mode, image.size, image.tobytes())


def _fitted(image: "Image.Image") -> "Image.Image":
    """Without wholly transparent borders, within the kept width and height."""
    if image.mode == "RGBA":
        box = image.getbbox()
        if box is None:
            raise _blank()
        image = image.crop(box)
        if image.getchannel("A").getextrema() == (255, 255):
            image = image.convert("RGB")
    return _scaled(image, min(1.0, _MAX_WIDTH_PX / image.width, _MAX_HEIGHT_PX / image.height))


def _scaled(image: "Image.Image", factor: float) -> "Image.Image":
    from PIL import Image

    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    scaled = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if scaled.mode != "RGBA":
        return scaled
    visible = scaled.getchannel("A").point(lambda alpha: 255 if alpha else 0)
    return Image.composite(scaled, Image.new("RGBA", size), visible)


def _kept(image: "Image.Image", *, as_jpeg: bool) -> Signature:
    """The first encoding that fits, of a smaller picture when none does: one of 100 pixels always fits."""
    factor = 1.0
    while True:
        scaled = _scaled(image, factor)
        for media_type, content in _encodings(scaled, as_jpeg=as_jpeg):
            if len(content) <= _MAX_KEPT_BYTES:
                return Signature(media_type, content, scaled.width, scaled.height)
        factor *= _SHRINKING


def _encodings(image: "Image.Image", *, as_jpeg: bool) -> Iterator[tuple[str, bytes]]:
    """From the best to the smallest. A JPEG stays one; any other opaque picture may become one."""
    from PIL import Image

    transparent = image.mode == "RGBA"
    if not as_jpeg:
        yield "image/png", _encoded(image, "PNG", optimize=True)
    # The other methods cannot see transparency.
    method = Image.Quantize.FASTOCTREE if transparent else Image.Quantize.MEDIANCUT
    for colours in () if as_jpeg else _TRANSPARENT_COLOURS if transparent else _OPAQUE_COLOURS:
        quantised = image.quantize(colours, method=method)
        if transparent and quantised.convert("RGBA").getbbox() is None:
            raise _blank()
        yield "image/png", _encoded(quantised, "PNG", optimize=True)
    for quality in () if transparent else _JPEG_QUALITIES:
        yield "image/jpeg", _encoded(image, "JPEG", quality=quality, optimize=True)


def _encoded(image: "Image.Image", fmt: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()


def _not_an_image() -> RegistryError:
    return RegistryError("signature_not_an_image", "the signature is no readable PNG, JPEG or SVG (in UTF-8)")


def _blank() -> RegistryError:
    return RegistryError(
        "signature_not_an_image", "the signature is wholly transparent; hand in one that shows something"
    )


def _too_many_pixels() -> RegistryError:
    return RegistryError(
        "signature_too_large",
        f"the signature has more than {_MAX_PIXELS} pixels; hand in a smaller one",
    )
