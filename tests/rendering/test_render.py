"""What a certificate says and refuses to say, by either engine: every script legible, nothing unchecked."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from zoneinfo import ZoneInfo

import pikepdf
import pypdfium2
import pytest
import zxingcpp
from archival import texts_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import text_of
from renderers import BUNDLED, INDIA, RendererOf

from pramaan.errors import RenderError, TemplateError
from pramaan.rendering.fonts import printable_code_points
from pramaan.rendering.renderer import ENGINES, Engine, Renderer
from pramaan.rendering.samples import NAMES, sample_signature
from pramaan.rendering.template import Template, list_templates

SIGNATURE = sample_signature()
LONG_TEXTS = {
    "recipient_name": "Venkatanarasimharajuvaripeta Srinivasaraghavan Lakshminarayanan",
    "course_name": "Strengthening Literacy and Numeracy in Multilingual and Multigrade Rural Classrooms",
    "issuer_name": "Directorate of School Education and State Council of Educational Research and Training",
    "signatory_name": "Prof. (Dr.) Venkatanarasimharajuvaripeta S. Lakshminarayanan",
    "signatory_designation": "Additional Director and Head of Department, Teacher Education and Extension",
    "verify_url": "https://certificates.a-long-department.example.gov.in/pramaan/verify/" + "7q" * 16,
}
Fields = dict[str, str | None]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    chosen: Engine = request.param
    return chosen


@pytest.fixture
def classic(bundled: Callable[[str], Template]) -> Template:
    return bundled("classic")


@pytest.fixture
def renderer(renderer_of: RendererOf, engine: Engine) -> Renderer:
    return renderer_of("classic", engine)


@pytest.fixture
def fields(classic: Template) -> Fields:
    return dict(classic.sample_fields())


@pytest.fixture(autouse=True)
def no_warning_from_weasyprint(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("template_id", list_templates(BUNDLED))
@pytest.mark.parametrize(
    "absent", [(), ("signatory_designation",), ("signatory_name", "signatory_designation")]
)
def test_long_and_absent_texts_keep_to_their_places(
    renderer_of: RendererOf, template_id: str, absent: tuple[str, ...]
) -> None:
    renderer = renderer_of(template_id, "compiled")
    fields = renderer.template.sample_fields() | LONG_TEXTS | dict.fromkeys(absent)
    pdf = renderer.render(fields, signature=None if absent else SIGNATURE)
    text = text_of(pdf)
    printed = {name: text for name, text in LONG_TEXTS.items() if name not in {"verify_url", *absent}}
    assert all(value in text for value in printed.values())
    assert overlapping_texts(pdf) == []


def overlapping_texts(pdf: bytes) -> list[tuple[str, str]]:
    """Lines whose boxes, as drawn, cover each other by more than a sliver."""
    with pypdfium2.PdfDocument(pdf) as document:
        page = document[0].get_textpage()
        boxes = [page.get_rect(i) for i in range(page.count_rects())]
        texts = [page.get_text_bounded(*box) for box in boxes]
    found = []
    for i, (left, bottom, right, top) in enumerate(boxes):
        for j, (left2, bottom2, right2, top2) in enumerate(boxes[:i]):
            across, up = min(right, right2) - max(left, left2), min(top, top2) - max(bottom, bottom2)
            if across > 3 and up > 3:
                found.append((texts[j], texts[i]))
    return found


@pytest.mark.parametrize("name", ["W" * 120, "Venkatanarasimharajuvaripeta " * 9, "क्ष" * 120])
def test_a_name_that_fits_no_way_is_refused_never_clipped(
    renderer: Renderer, fields: Fields, name: str
) -> None:
    with pytest.raises(RenderError) as rejection:
        renderer.render(fields | {"recipient_name": name})
    assert rejection.value.error_class == "name_does_not_fit"
    assert name not in str(rejection.value)


def test_one_word_too_long_for_a_line_is_broken_as_the_last_resort(
    renderer_of: RendererOf, fields: Fields
) -> None:
    word = "Venkatanarasimharajuvaripetasrinivasaraghavanlakshminarayanankrishnamurthy"
    by_engine = [
        renderer_of("classic", engine).render(fields | {"recipient_name": word}) for engine in ENGINES
    ]
    assert by_engine[0] == by_engine[1], "the compiled engine leaves it to WeasyPrint"
    assert word in text_of(by_engine[0]).replace(" ", "").replace("\ufffe", "")


def test_markup_in_values_is_printed_as_it_stands(renderer: Renderer, fields: Fields) -> None:
    name, course = "<b>Asha</b> &amp; {{ 7*7 }}", '"><img src="https://example.com/x.png">'
    text = text_of(renderer.render(fields | {"recipient_name": name, "course_name": course}))
    assert name in text
    assert course in text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_printable_name_is_rendered_or_refused_as_too_long(
    renderer_of: RendererOf, fields: Fields, data: st.DataObject
) -> None:
    letters = st.sampled_from(sorted(printable_code_points())).map(chr)
    name = data.draw(st.text(letters, min_size=1, max_size=12).filter(str.strip))
    try:
        pdf = renderer_of("classic", "compiled").render(fields | {"recipient_name": name})
    except RenderError as rejection:
        assert rejection.error_class in {"name_does_not_fit", "name_unprintable"}  # noqa: PT017
    else:
        assert any(" ".join(name.split()) == " ".join(text.split()) for text in texts_of(pdf))


@pytest.mark.parametrize(
    ("changes", "error_class"),
    [
        ({"recipient_name": None}, "missing_field"),
        ({"course_name": ""}, "missing_field"),
        ({"colour": "red"}, "unknown_field"),
        ({"recipient_name": "   "}, "name_unprintable"),
        ({"recipient_name": "Asha 😀"}, "name_unprintable"),
        ({"recipient_name": "Asha \u202eahsA"}, "name_unprintable"),
        ({"course_name": "Maths\x07"}, "text_unprintable"),
        ({"completed_at": "last July"}, "invalid_field"),
        ({"completed_at": "2026-07-14T09:30:00"}, "invalid_field"),
        ({"verify_url": "javascript:alert(1)"}, "invalid_field"),
        ({"language": "hi' onload='"}, "invalid_field"),
        ({"course_name": "A course with no end " * 40}, "text_does_not_fit"),
    ],
)
def test_what_cannot_be_printed_is_refused_by_class(
    renderer: Renderer, fields: Fields, changes: Fields, error_class: str
) -> None:
    with pytest.raises(RenderError) as rejection:
        renderer.render(fields | changes)
    assert rejection.value.error_class == error_class


def test_the_month_is_the_platforms(renderer: Renderer, fields: Fields) -> None:
    late_evening_utc = fields | {"completed_at": "2026-06-30T19:00:00Z"}
    assert "July 2026" in text_of(renderer.render(late_evening_utc))


@pytest.mark.parametrize(
    ("language", "month"), [("hi", "जुलाई 2026"), ("ta", "ஜூலை 2026"), ("bn", "জুলাই 2026")]
)
def test_the_month_is_named_in_the_certificates_language(
    renderer_of: RendererOf, fields: Fields, language: str, month: str
) -> None:
    assert month in texts_of(renderer_of("classic", "compiled").render(fields | {"language": language}))


def test_a_language_without_texts_of_its_own_gets_the_english_page_but_its_own_shaping(
    renderer_of: RendererOf, fields: Fields
) -> None:
    pdf = renderer_of("classic", "compiled").render(
        fields | {"language": "ne-NP", "recipient_name": NAMES["mr"]}
    )
    assert "Certificate of Completion" in texts_of(pdf)
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert str(document.Root.Lang) == "en"
        assert b"/Lang(ne)" in b"".join(stream.read_bytes() for stream in document.pages[0].Contents)


def test_title_author_and_language_are_in_the_metadata(renderer: Renderer, fields: Fields) -> None:
    pdf = renderer.render(fields | {"language": "hi", "course_name": "संख्या ज्ञान"})
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert str(document.docinfo["/Title"]).endswith(": संख्या ज्ञान")
        assert str(document.docinfo["/Author"]) == fields["issuer_name"]
        assert str(document.Root.Lang) == "hi"
        assert not {"/CreationDate", "/ModDate"} & set(document.docinfo.keys())


def test_the_assertion_is_attached_as_it_was_given(renderer: Renderer, fields: Fields) -> None:
    pdf = renderer.render(fields, assertion=b'{"type":"Assertion"}')
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert document.attachments["assertion.json"].get_file().read_bytes() == b'{"type":"Assertion"}'


def test_a_sample_has_an_assertion_too(renderer: Renderer, fields: Fields) -> None:
    with pikepdf.open(io.BytesIO(renderer.render(fields))) as document:
        assertion = json.loads(document.attachments["assertion.json"].get_file().read_bytes())
    assert assertion["id"] == str(fields["verify_url"]).replace("/verify/", "/badges/assertions/")
    assert assertion["issuedOn"] == "2026-07-14T09:30:00Z"
    assert str(fields["recipient_name"]) not in json.dumps(assertion)


@pytest.mark.parametrize("signature", [b"no image at all", b"\x89PNG broken", b"<svg"])
def test_an_unreadable_signature_is_refused_not_left_out(
    renderer: Renderer, fields: Fields, signature: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(RenderError) as rejection:
        renderer.render(fields, signature=signature)
    assert rejection.value.error_class == "signature_unreadable"
    caplog.clear()


def with_file(template: Template, name: str, *, old: str, new: str) -> Template:
    text = template.files[name].decode()
    assert old in text
    return replace(template, files=dict(template.files) | {name: text.replace(old, new, 1).encode()})


@pytest.mark.parametrize(
    "source",
    ["https://example.com/logo.png", "file:///etc/passwd", "missing.png", "../classic/background.svg"],
)
def test_only_the_templates_own_files_are_served(classic: Template, fields: Fields, source: str) -> None:
    template = with_file(classic, "certificate.html", old="<h1", new=f'<img alt="" src="{source}"><h1')
    with pytest.raises(TemplateError, match=r"certificate\.html, line \d+"):
        Renderer(template, zone=INDIA).render(fields)


@pytest.mark.parametrize("template_id", list_templates(BUNDLED))
@pytest.mark.parametrize("language", ["en", "ur"])
def test_a_scanner_reads_the_address_from_the_printed_code(
    renderer_of: RendererOf, template_id: str, language: str
) -> None:
    renderer = renderer_of(template_id, "compiled")
    fields = renderer.template.sample_fields() | {"language": language}
    with pypdfium2.PdfDocument(renderer.render(fields)) as document:
        found = zxingcpp.read_barcodes(document[0].render(scale=2).to_pil())
    assert [code.text for code in found] == [fields["verify_url"]]


def test_a_link_leads_to_the_address(renderer: Renderer, fields: Fields) -> None:
    address = "https://certificates.example.gov.in/verify/a(b)c"
    with pikepdf.open(io.BytesIO(renderer.render(fields | {"verify_url": address}))) as document:
        links = [annotation for annotation in document.pages[0].Annots if annotation.Subtype == "/Link"]
        assert [str(link.A.URI) for link in links] == [address]


def test_times_of_day_follow_the_zone(classic: Template, fields: Fields) -> None:
    renderer = Renderer(classic, zone=ZoneInfo("UTC"))
    assert "June 2026" in text_of(renderer.render(fields | {"completed_at": "2026-06-30T19:00:00Z"}))
