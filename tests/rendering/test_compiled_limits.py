"""What the compiled engine cannot set is refused, never left out; and nothing depends on what came before."""

import hashlib
import io
import threading
from pathlib import Path

import pikepdf
import pytest
from renderers import INDIA

from plain_template import write_template
from pramaan.errors import RenderError, TemplateError
from pramaan.rendering.renderer import Renderer
from pramaan.rendering.samples import LONGEST_NAMES, sample_signature
from pramaan.rendering.template import load_template


def renderer_with(folder: Path, **replaced: tuple[str, str]) -> Renderer:
    return Renderer(load_template(write_template(folder / "plain", **replaced)), zone=INDIA)


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ('<h1><span style="display: inline-block">{{ text.heading }}</span></h1>', "block of its own"),
        ("<table><tr><td>{{ text.heading }}</td></tr></table>", "block of its own"),
        ('<h1 style="transform: rotate(9deg)">{{ text.heading }}</h1>', "transform"),
        ('<h1 style="opacity: .5">{{ text.heading }}</h1>', "opacity"),
        ('<div style="overflow: hidden"><h1>{{ text.heading }}</h1></div>', "overflow"),
        ('<h1 style="text-decoration: underline">{{ text.heading }}</h1>', "text-decoration"),
        ('<h1 style="color: rgb(0 0 0 / .5)">{{ text.heading }}</h1>', "translucent"),
        (
            '<h1>{{ text.heading }}</h1><svg width="9mm"><text y="9">A</text></svg>',
            "SVG drawing",
        ),
        ('<h1><a href="https://example.org">{{ text.heading }}</a></h1>', "must be an area"),
    ],
)
def test_what_cannot_be_set_is_refused(tmp_path: Path, html: str, said: str) -> None:
    renderer = renderer_with(tmp_path, html=("<h1>{{ text.heading }}</h1>", html))
    with pytest.raises(TemplateError, match=said):
        renderer.render(renderer.template.sample_fields())


def test_an_area_whose_box_follows_a_font_size_is_refused(tmp_path: Path) -> None:
    renderer = renderer_with(tmp_path, css=("#recipient_name {", "#recipient_name { margin-top: .6em;"))
    fields = renderer.template.sample_fields()
    renderer.render(fields | {"recipient_name": "Om"})
    with pytest.raises(TemplateError, match="follows a font size"):
        renderer.render(fields | {"recipient_name": LONGEST_NAMES["en"]})


@pytest.mark.parametrize(
    "instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "1899-12-31T00:00:00Z"]
)
def test_an_instant_out_of_this_age_is_refused(tmp_path: Path, instant: str) -> None:
    renderer = renderer_with(tmp_path)
    with pytest.raises(RenderError) as rejection:
        renderer.render(renderer.template.sample_fields() | {"completed_at": instant})
    assert rejection.value.error_class == "invalid_field"


@pytest.mark.parametrize("name", ["\u200d", "\u200f\u200e", "\u00a0", "\u0301"])
def test_a_name_that_cannot_be_seen_is_refused(tmp_path: Path, name: str) -> None:
    renderer = renderer_with(tmp_path)
    with pytest.raises(RenderError) as rejection:
        renderer.render(renderer.template.sample_fields() | {"recipient_name": name})
    assert rejection.value.error_class == "name_unprintable"


def test_no_number_is_written_with_an_exponent(tmp_path: Path) -> None:
    renderer = renderer_with(tmp_path, css=("color: #8a6d2f", "color: color(srgb .9 .00001 0)"))
    with pikepdf.open(io.BytesIO(renderer.render(renderer.template.sample_fields()))) as document:
        operands = [
            str(operand)
            for stream in document.pages[0].Contents
            for instruction in pikepdf.parse_content_stream(stream)
            for operand in instruction.operands
        ]
    assert not [operand for operand in operands if "e-" in operand and operand.replace("e-", "").isdigit()]
    assert any(operand.startswith("0.9") for operand in operands)


def test_each_thread_may_have_a_renderer_of_its_own(tmp_path: Path) -> None:
    folder = write_template(tmp_path / "plain")
    hashes: list[str] = []
    failures: list[str] = []

    def work(signature: bytes) -> None:
        renderer = Renderer(load_template(folder), zone=INDIA)
        for _ in range(4):
            try:
                pdf = renderer.render(renderer.template.sample_fields(), signature=signature)
                hashes.append(hashlib.sha256(pdf).hexdigest())
            except RenderError as rejection:
                failures.append(rejection.error_class)

    threads = [
        threading.Thread(target=work, args=(signature,))
        for signature in (sample_signature(), b"no image", sample_signature(), b"\x89PNG broken")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hashes) == 8
    assert len(set(hashes)) == 1
    assert failures == ["signature_unreadable"] * 8


def test_joined_letters_that_climb_over_the_page_are_refused(tmp_path: Path) -> None:
    renderer = renderer_with(tmp_path)
    with pytest.raises(RenderError) as rejection:
        renderer.render(renderer.template.sample_fields() | {"recipient_name": "سجج" * 12, "language": "ur"})
    assert rejection.value.error_class == "name_does_not_fit"
