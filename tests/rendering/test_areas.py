"""Nothing moves and nothing runs over: what a value changes on the page lies in its own area."""

import numpy as np
import pytest
from pictures import difference, picture_of
from renderers import BUNDLED, RendererOf

from pramaan.rendering.samples import LONGEST_NAMES, NAMES
from pramaan.rendering.template import list_templates

DPI = 50
INK_OVERHANG_PX = 15
"""Pixels at 50 dpi: letters of Nastaliq reach that far beyond their line's box."""


@pytest.mark.parametrize("template_id", list_templates(BUNDLED))
@pytest.mark.parametrize("language", NAMES)
def test_a_name_changes_nothing_but_its_area(
    renderer_of: RendererOf, template_id: str, language: str
) -> None:
    renderer = renderer_of(template_id, "compiled")
    fields = renderer.template.sample_fields() | {"language": language}
    blank = picture_of(renderer.render(fields | {"recipient_name": "."}), dpi=DPI)
    page = renderer.page_for(fields)
    block = next(block for block in page.layout.blocks if block.name == "recipient_name")
    scale = DPI / 96
    box = block.box
    for name in (NAMES[language], LONGEST_NAMES[language]):
        changed = (
            difference(blank, picture_of(renderer.render(fields | {"recipient_name": name}), dpi=DPI)) > 16
        )
        ys, xs = np.nonzero(changed)
        assert xs.min() >= box.x * scale - 2
        assert xs.max() <= (box.x + box.width) * scale + 2
        assert ys.min() >= box.y * scale - INK_OVERHANG_PX
        assert ys.max() <= (box.y + box.height) * scale + INK_OVERHANG_PX
        assert xs.max() - xs.min() > 25
