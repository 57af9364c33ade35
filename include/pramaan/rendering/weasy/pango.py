"""WeasyPrint's own libraries, found by their names alone; and Pango's font map."""

import ctypes.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from pramaan.rendering.fonts import require_configured_fonts

__all__ = ["engine_version", "font_configuration"]


@lru_cache(maxsize=1)
def engine_version() -> str:
    """Which WeasyPrint, Pango and HarfBuzz lay texts out here. WeasyPrint is not imported for it."""
    harfbuzz = ctypes.CDLL("libharfbuzz.so.0").hb_version_string
    harfbuzz.restype = ctypes.c_char_p
    number = ctypes.CDLL("libpango-1.0.so.0").pango_version()
    pango = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    return f"weasyprint-{version('weasyprint')}+pango-{pango}+harfbuzz-{harfbuzz().decode()}"


@lru_cache(maxsize=1)
def font_configuration() -> Any:
    """Pango's font map. One a process: fonts and faces are known by their address, while it lives.

    Whatever needs WeasyPrint first comes by here. Raises HostError unless fonts were configured.
    """
    require_configured_fonts()
    with _libraries_by_name_only():
        from weasyprint.text.fonts import FontConfiguration

    return FontConfiguration()


def _not_found(name: str) -> str | None:  # noqa: ARG001 - in the place of `find_library`
    return None


@contextmanager
def _libraries_by_name_only() -> Iterator[None]:
    """Meanwhile, a library that the loader does not know by its name is not searched for by other means.

    WeasyPrint tries several names of each, macOS's and Windows's too. For each that is none, cffi asks
    `ctypes.util.find_library`, which starts a compiler and a linker: fifty processes, half of the time that
    the import takes. `require_libraries` has seen that those of this system are there.
    """
    find = ctypes.util.find_library
    ctypes.util.find_library = _not_found
    try:
        yield
    finally:
        ctypes.util.find_library = find
