"""An SVG signature drawn as a PNG, in a child process that can be stopped.

WeasyPrint lays it out and PDFium draws it. The child (`python -m pramaan.signatures.svg_rasterizer`) fetches
nothing, knows no font and none of our settings. It has 4 s of processor time, 8 s by the clock and 500 MB of
address space, so that whatever `clean_svg` lets through ends; a plain signature takes about 0.7 s, most of it
to start.
"""

import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast
from xml.etree import ElementTree

from pramaan.errors import BusyError, HostError, RegistryError
from pramaan.signatures.svg import clean_svg, not_an_image, size_px

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["drawn_svg"]

_CPU_SECONDS: Final = 4
_CLOCK_SECONDS: Final = 8
_TIMEOUT_SECONDS: Final = 2
_MEMORY_BYTES: Final = 500_000_000
_MAX_MAGNIFICATION: Final = 8
"""How much a small drawing on a large empty page is drawn larger."""

_BLANK, _UNDRAWABLE, _TOO_COSTLY = 10, 11, 12
"""The child's exit codes, none of which Python uses."""

_ADDRESS: Final = "signature:svg"

_children = threading.BoundedSemaphore(2)
"""However many hand drawings in at once, their children together stay within a gigabyte."""


def drawn_svg(content: bytes, *, max_width_px: int, max_height_px: int) -> bytes:
    """A PNG of the drawing without its empty borders, as large as the limits let it be; the same each time.

    Starts a child process and waits for it, at most 8 s; leaves nothing behind.

    Raises RegistryError: `signature_unsafe` naming the element or attribute, `signature_not_an_image`,
    `signature_too_large` when drawing costs too much. Raises HostError when this machine cannot draw,
    BusyError while it draws others.
    """
    root = clean_svg(content)
    width, height = size_px(root)
    scale = min(max_width_px / width, max_height_px / height)
    page = (max(1, round(width * scale)), max(1, round(height * scale)))
    root.set("width", str(page[0]))
    root.set("height", str(page[1]))
    sizes = (*page, max_width_px, max_height_px)
    with _place(), tempfile.TemporaryDirectory(prefix="pramaan-svg-") as folder:
        (Path(folder) / "fonts.conf").write_text('<?xml version="1.0"?><fontconfig/>')
        try:
            child = subprocess.run(  # noqa: S603 - our own module; the drawing comes by standard input
                [sys.executable, "-P", "-W", "ignore", "-m", __name__, *map(str, sizes)],
                input=ElementTree.tostring(root, encoding="utf-8"),
                capture_output=True,
                timeout=_CLOCK_SECONDS,
                check=False,
                cwd=folder,
                env=_child_environment(folder),
            )
        except subprocess.TimeoutExpired as error:
            raise _too_costly() from error
    return _answer(child)


@contextmanager
def _place() -> Iterator[None]:
    if not _children.acquire(timeout=_TIMEOUT_SECONDS):
        raise BusyError("other SVG signatures are being drawn; try again in a moment")
    try:
        yield
    finally:
        _children.release()


def _child_environment(folder: str) -> dict[str, str]:
    """Nothing of ours but where the libraries are."""
    libraries = {name: os.environ[name] for name in ("PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ}
    own = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), folder)
    return libraries | own | {"FONTCONFIG_FILE": f"{folder}/fonts.conf", "LC_ALL": "C.UTF-8"}


def _answer(child: "subprocess.CompletedProcess[bytes]") -> bytes:
    if child.returncode == 0:
        return child.stdout
    if child.returncode == _BLANK:
        raise not_an_image("shows nothing")
    if child.returncode == _UNDRAWABLE:
        raise not_an_image("cannot be drawn; hand in the picture itself as PNG")
    if child.returncode < 0 or child.returncode == _TOO_COSTLY:
        raise _too_costly()
    last_line = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    raise HostError(f"this machine cannot draw SVG signatures: {last_line}")


def _too_costly() -> RegistryError:
    return RegistryError(
        "signature_too_large", "the SVG signature takes too much to draw; simplify it, or hand it in as PNG"
    )


def _draw_and_exit(page_px: tuple[int, int], max_px: tuple[int, int]) -> NoReturn:
    """The child: standard input's clean SVG to standard output's PNG, within the limits."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import pypdfium2
    import weasyprint  # noqa: F401 - a machine without its libraries shows here

    try:
        with pypdfium2.PdfDocument(_pdf(sys.stdin.buffer.read(), page_px)) as document:
            picture = _picture(document[0], max_px)
        if picture is None:
            sys.exit(_BLANK)
        picture.save(sys.stdout.buffer, "PNG", compress_level=1)
    except MemoryError:
        sys.exit(_TOO_COSTLY)
    except Exception:  # noqa: BLE001 - whatever it is, the answer to the parent is the same
        sys.exit(_UNDRAWABLE)
    sys.exit(0)


def _pdf(svg: bytes, page_px: tuple[int, int]) -> bytes:
    import weasyprint
    from weasyprint.urls import URLFetcherResponse

    def fetch(url: str) -> URLFetcherResponse:
        if url != _ADDRESS:
            raise ValueError(url)
        return URLFetcherResponse(url, svg, {"Content-Type": "image/svg+xml"})

    logging.getLogger("weasyprint").handlers = [_Complaints(logging.ERROR)]
    width, height = page_px
    html = (
        f"<style>@page {{ size: {width}px {height}px; margin: 0 }} body {{ margin: 0 }} "
        f"img {{ display: block; width: {width}px; height: {height}px }}</style><img src='{_ADDRESS}'>"
    )
    return bytes(weasyprint.HTML(string=html, url_fetcher=fetch).write_pdf())


class _Complaints(logging.Handler):
    """WeasyPrint logs an error and leaves a gap; here the error ends the drawing."""

    def emit(self, record: logging.LogRecord) -> None:
        raise sys.exc_info()[1] or ValueError(record.getMessage())


def _picture(page: Any, max_px: tuple[int, int]) -> "Image.Image | None":
    """The page without its empty borders, drawn as large as fits; None when it is empty."""
    clear = (0, 0, 0, 0)
    scale = 96 / 72
    picture: Image.Image = page.render(scale=scale, fill_color=clear).to_pil()
    if (box := picture.getbbox()) is None:
        return None
    left, top, right, bottom = box
    # PDFium rounds up.
    factor = min((max_px[0] - 1) / (right - left), (max_px[1] - 1) / (bottom - top), _MAX_MAGNIFICATION)
    crop = (left, picture.height - bottom, picture.width - right, top)
    cropped = page.render(scale=scale * factor, crop=tuple(px / scale for px in crop), fill_color=clear)
    return cast("Image.Image", cropped.to_pil())


if __name__ == "__main__":
    width, height, max_width, max_height = map(int, sys.argv[1:])
    _draw_and_exit((width, height), (max_width, max_height))
