"""The reference engine: the same bytes everywhere, every script legible, nothing unchecked on the page."""

import io
import logging
import re
import unicodedata
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pikepdf
import pypdfium2
import pytest
import segno
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pramaan
from pramaan.certificates.fonts import configure_fonts, printable_code_points
from pramaan.certificates.render import Renderer
from pramaan.certificates.template import Template, load_template
from pramaan.errors import RenderError, TemplateError

CLASSIC = Path(__file__).parents[2] / "templates" / "certificates" / "classic"
SIGNATURE = (Path(pramaan.__file__).parent / "sample_signature.png").read_bytes()
INDIA = ZoneInfo("Asia/Kolkata")

NAMES = {
    "en": "Ananya Bhattacharya",
    "fr": "Zoë Ñáñez-Śrīvāstava",
    "hi": "अनन्या क्षत्रिय श्रीवास्तव",
    "mr": "ज्ञानेश्वर कुलकर्णी",
    "bn": "সৌমিত্র চট্টোপাধ্যায়",
    "as": "ৰূপজ্যোতি শৰ্মা বৰুৱা",
    "gu": "જ્યોત્સના મહેન્દ્રભાઈ ત્રિવેદી",
    "pa": "ਗੁਰਪ੍ਰੀਤ ਕੌਰ ਸਿੱਧੂ",
    "or": "ଶୁଭଶ୍ରୀ ମହାପାତ୍ର",
    "ta": "முத்துலட்சுமி சுப்பிரமணியன்",
    "te": "శ్రీనివాస రామకృష్ణ వేంకటేశ్వర్లు",
    "kn": "ಲಕ್ಷ್ಮೀನಾರಾಯಣ ಕೃಷ್ಣಮೂರ್ತಿ",
    "ml": "ശ്രീലക്ഷ്മി രാധാകൃഷ്ണൻ നമ്പൂതിരി",
    "ur": "محمد عبدالرحمٰن خان صدیقی",
    "sat": "ᱨᱟᱢ ᱢᱩᱨᱢᱩ",
    "mixed": "Ravi रवि కుమార్ Kumar",
}
LONGEST = "Venkatanarasimharajuvaripeta Srinivasaraghavan Lakshminarayanan"
LONG_TEXTS = {
    "recipient_name": LONGEST,
    "course_name": "Strengthening Literacy and Numeracy in Multilingual and Multigrade Rural Classrooms",
    "issuer_name": "Directorate of School Education and State Council of Educational Research and Training",
    "signatory_name": "Prof. (Dr.) Venkatanarasimharajuvaripeta S. Lakshminarayanan",
    "signatory_designation": "Additional Director and Head of Department, Teacher Education and Extension",
    "verify_url": "https://certificates.a-long-department.example.gov.in/pramaan/verify/" + "7q" * 16,
}
LONG_NAMES = {
    "hi": "वेंकटनरसिंहराजुवारिपेट श्रीनिवासराघवन लक्ष्मीनारायणन् कृष्णमूर्ति",
    "ur": "سید محمد عبدالرحمٰن خان صدیقی ابن مولانا حافظ غلام مصطفیٰ قادری",
}
Fields = dict[str, str | None]


@pytest.fixture(scope="module")
def classic() -> Template:
    return load_template(CLASSIC)


@pytest.fixture(scope="module")
def renderer(classic: Template, tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    configure_fonts(tmp_path_factory.mktemp("fonts"))
    return Renderer(classic, zone=INDIA)


@pytest.fixture
def fields(classic: Template) -> Fields:
    return dict(classic.sample_fields())


@pytest.fixture(autouse=True)
def no_warning_from_weasyprint(caplog: pytest.LogCaptureFixture) -> object:
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def text_of(pdf: bytes) -> str:
    with pypdfium2.PdfDocument(pdf) as document:
        assert len(document) == 1
        page = document[0].get_textpage().get_text_range()
    return " ".join(unicodedata.normalize("NFC", page).split())


@pytest.mark.parametrize("language", NAMES)
def test_every_script_is_laid_out_and_can_be_copied(
    renderer: Renderer, fields: Fields, language: str
) -> None:
    name, tag = NAMES[language], language if language != "mixed" else "en"
    pdf = renderer.render(fields | {"recipient_name": name, "language": tag}, signature=SIGNATURE)
    assert name.isascii() or name in actual_texts(pdf)
    # PDFium and poppler turn right-to-left text around although it is given in reading order.
    assert language == "ur" or unicodedata.normalize("NFC", name) in text_of(pdf)
    assert used_glyphs(pdf).isdisjoint({"0000"})
    assert len(pdf) < 100_000


def content_of(pdf: bytes) -> bytes:
    with pikepdf.open(io.BytesIO(pdf)) as document:
        return document.pages[0].Contents.read_bytes()


def actual_texts(pdf: bytes) -> list[str]:
    texts = re.findall(rb"/ActualText <feff([0-9a-f]+)>", content_of(pdf))
    return [bytes.fromhex(text.decode()).decode("utf-16-be") for text in texts]


def used_glyphs(pdf: bytes) -> set[str]:
    shown = re.findall(rb"\[([^\]]*)\] ?TJ|(<[0-9a-f]+>) ?Tj", content_of(pdf))
    runs = [run for pair in shown for part in pair for run in re.findall(rb"<([0-9a-f]*)>", part)]
    return {run[i : i + 4].decode() for run in runs for i in range(0, len(run), 4)}


@pytest.mark.parametrize(
    "absent", [(), ("signatory_designation",), ("signatory_name", "signatory_designation")]
)
@pytest.mark.parametrize("language", ["en", *LONG_NAMES])
def test_long_and_absent_texts_keep_to_their_places(
    renderer: Renderer, fields: Fields, absent: tuple[str, ...], language: str
) -> None:
    changes = LONG_TEXTS | {"recipient_name": LONG_NAMES.get(language, LONGEST), "language": language}
    pdf = renderer.render(fields | changes | dict.fromkeys(absent), signature=None if absent else SIGNATURE)
    text = text_of(pdf)
    assert all(
        LONG_TEXTS[name] in text for name in set(LONG_TEXTS) - {"recipient_name", "verify_url", *absent}
    )
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


@pytest.mark.parametrize("name", ["W" * 80, "Venkatanarasimharajuvaripeta " * 9, "क्ष" * 120])
def test_a_name_that_fits_no_way_is_refused_never_clipped(
    renderer: Renderer, fields: Fields, name: str
) -> None:
    with pytest.raises(RenderError) as refusal:
        renderer.render(fields | {"recipient_name": name})
    assert refusal.value.error_class == "name_does_not_fit"
    assert name not in str(refusal.value)


def test_markup_in_values_is_printed_as_it_stands(renderer: Renderer, fields: Fields) -> None:
    name, course = "<b>Asha</b> &amp; {{ 7*7 }}", '"><img src="https://example.com/x.png">'
    text = text_of(renderer.render(fields | {"recipient_name": name, "course_name": course}))
    assert name in text
    assert course in text


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_printable_name_is_rendered_or_refused_as_too_long(
    renderer: Renderer, fields: Fields, data: st.DataObject
) -> None:
    letters = st.sampled_from(sorted(printable_code_points())).map(chr)
    name = data.draw(st.text(letters, min_size=1, max_size=12).filter(str.strip))
    try:
        pdf = renderer.render(fields | {"recipient_name": name})
    except RenderError as refusal:
        too_long = refusal.error_class == "name_does_not_fit"
        assert too_long
    else:
        assert used_glyphs(pdf).isdisjoint({"0000"})


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
    with pytest.raises(RenderError) as refusal:
        renderer.render(fields | changes)
    assert refusal.value.error_class == error_class


def test_the_month_is_the_platforms(renderer: Renderer, fields: Fields) -> None:
    late_evening_utc = fields | {"completed_at": "2026-06-30T19:00:00Z"}
    assert "July 2026" in text_of(renderer.render(late_evening_utc))


def test_title_author_and_language_are_in_the_metadata(renderer: Renderer, fields: Fields) -> None:
    pdf = renderer.render(fields | {"language": "hi", "course_name": "संख्या ज्ञान"})
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert str(document.docinfo["/Title"]) == "Certificate of Completion: संख्या ज्ञान"
        assert str(document.docinfo["/Author"]) == fields["issuer_name"]
        assert str(document.Root.Lang) == "hi"
        assert not {"/CreationDate", "/ModDate"} & set(document.docinfo.keys())


@pytest.mark.parametrize("signature", [b"no image at all", b"\x89PNG broken", b"<svg"])
def test_an_unreadable_signature_is_refused_not_left_out(
    renderer: Renderer, fields: Fields, signature: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(RenderError) as refusal:
        renderer.render(fields, signature=signature)
    assert refusal.value.error_class == "signature_unreadable"
    caplog.clear()


def with_file(template: Template, name: str, *, old: str, new: str) -> Template:
    text = template.files[name].decode()
    assert old in text
    return replace(template, files=dict(template.files) | {name: text.replace(old, new).encode()})


@pytest.mark.parametrize(
    "source",
    ["https://example.com/logo.png", "file:///etc/passwd", "missing.png", "data:image/png;base64,AAAA"],
)
def test_only_the_templates_own_files_are_served(
    renderer: Renderer, classic: Template, fields: Fields, source: str
) -> None:
    assert renderer.engine_version.startswith("weasyprint-")
    template = with_file(classic, "certificate.html", old="<h1>", new=f'<img src="{source}"><h1>')
    with pytest.raises(TemplateError, match="is no file of the template"):
        Renderer(template, zone=INDIA).render(fields)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("certificate.css", "text-align: center", "text-allign: center", "text-allign"),
        (
            "certificate.css",
            "@page {",
            '@import "https://example.com/a.css"; @page {',
            "no file of the template",
        ),
        ("certificate.html", "{{ completed_month }}", "{{ completed_moth }}", "completed_moth"),
        ("certificate.html", "{{ completed_month }}", "{{ ''.__class__.__mro__ }}", "unsafe"),
        ("certificate.html", "{{ completed_month }}", "{% if %}", "line"),
        ("certificate.html", 'id="qr_code"', 'id="qr"', "qr_code"),
        ("certificate.html", 'id="course_name"', 'id="course"', "course_name"),
        ("background.svg", "</svg>", "<text>Hello</text></svg>", "no text"),
    ],
)
def test_a_wrong_template_is_refused_with_what_is_wrong(  # noqa: PLR0917
    renderer: Renderer,
    classic: Template,
    fields: Fields,
    caplog: pytest.LogCaptureFixture,
    name: str,
    old: str,
    new: str,
    said: str,
) -> None:
    assert renderer.engine_version
    with pytest.raises(TemplateError, match=re.escape(said)):
        Renderer(with_file(classic, name, old=old, new=new), zone=INDIA).render(fields)
    caplog.clear()


def test_the_printed_qr_code_is_the_address(renderer: Renderer, fields: Fields) -> None:
    pdf = renderer.render(fields)
    match = re.search(rb"q ([\d.]+) 0 0 -([\d.]+) ([\d.]+) ([\d.]+) cm 1 g", content_of(pdf))
    assert match is not None
    module_pt, _, left_pt, top_pt = map(float, match.groups())
    with pypdfium2.PdfDocument(pdf) as document:
        image = document[0].render(scale=4).to_pil().convert("L")
    expected = segno.make_qr(str(fields["verify_url"]), error="m").matrix
    for y, row in enumerate(expected):
        for x, dark in enumerate(row):
            across = int((left_pt + (x + 0.5) * module_pt) * 4)
            down = int(image.height - (top_pt - (y + 0.5) * module_pt) * 4)
            assert (image.getpixel((across, down)) < 128) == bool(dark)
