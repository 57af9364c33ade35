"""What tests of the renderer share."""

from collections.abc import Callable
from typing import Final
from zoneinfo import ZoneInfo

from pramaan.rendering.renderer import Engine, Renderer
from pramaan.settings import PROJECT_ROOT

BUNDLED: Final = PROJECT_ROOT / "templates" / "certificates"
INDIA: Final = ZoneInfo("Asia/Kolkata")

RendererOf = Callable[[str, Engine], Renderer]
"""A renderer of a bundled template, by engine."""
