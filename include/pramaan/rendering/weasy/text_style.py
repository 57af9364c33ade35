"""What Pango is told of a text's style: plain values, which can be kept in a file.

WeasyPrint's own styles hang on the document that they were computed for. Its text layer asks them for few
properties, which are these; `tests/rendering/test_weasyprint_inside.py` notices when it asks for others.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from pramaan.rendering.weasy.pango import font_configuration

__all__ = ["TextStyle", "text_style"]

_PROPERTIES: Final = (
    "direction", "font_family", "font_feature_settings", "font_kerning", "font_language_override",
    "font_size", "font_stretch", "font_style", "font_variant_alternates", "font_variant_caps",
    "font_variant_east_asian",
    "font_variant_ligatures", "font_variant_numeric", "font_variant_position", "font_variation_settings",
    "font_weight", "hyphenate_character", "hyphenate_limit_chars", "hyphens", "lang", "letter_spacing",
    "overflow_wrap", "white_space", "word_break", "word_spacing",
)  # fmt: skip


class TextStyle(dict[str, Any]):
    """Stands for a style of WeasyPrint's where texts are broken and shaped."""

    @property
    def font_config(self) -> Any:
        """Pango's font map, as WeasyPrint asks its styles for it."""
        return font_configuration()


def text_style(style: Mapping[str, Any]) -> TextStyle:
    """What WeasyPrint's text layer asks of a style; without decorations, which areas cannot have."""
    # As JSON gives them back: a style is the same whether it comes from a file or not.
    plain = json.loads(json.dumps({name: style[name] for name in _PROPERTIES}))
    return TextStyle(plain, text_decoration_line="none")
