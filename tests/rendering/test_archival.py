"""Every certificate is a file for the archive and for screen readers; and the checks that say so can fail."""

import io
import re
from collections.abc import Callable
from statistics import median
from typing import Any

import pikepdf
import pytest
from archival import problems_of, texts_of, verapdf_problems_of
from pikepdf import Array, Dictionary, Name, Pdf
from renderers import BUNDLED, RendererOf

from pramaan.rendering.renderer import Engine
from pramaan.rendering.samples import NAMES, sample_signature
from pramaan.rendering.template import list_templates

MOST_BYTES_IN_THE_MEDIAN = 40_000
TEMPLATES = list_templates(BUNDLED)
Edit = Callable[[Pdf], Any]


def certificate(
    renderer_of: RendererOf,
    template_id: str,
    language: str,
    *,
    engine: Engine = "compiled",
    signed: bool = True,
) -> bytes:
    renderer = renderer_of(template_id, engine)
    fields = renderer.template.sample_fields() | {"recipient_name": NAMES[language], "language": language}
    if not signed:
        fields |= {"signatory_name": None, "signatory_designation": None}
    return renderer.render(fields, signature=sample_signature() if signed else None)


@pytest.fixture(scope="module")
def certificates(renderer_of: RendererOf) -> dict[str, bytes]:
    """Of every template in every language, with a signature and without a signatory. To lay out all the pages
    takes a minute.
    """
    return {
        f"{template_id} {language} {'signed' if signed else 'unsigned'}": certificate(
            renderer_of, template_id, language, signed=signed
        )
        for template_id in TEMPLATES
        for language in NAMES
        for signed in (True, False)
    }


@pytest.fixture(scope="module")
def one_of_each(renderer_of: RendererOf) -> dict[str, bytes]:
    """A certificate by template, in Urdu."""
    return {template_id: certificate(renderer_of, template_id, "ur") for template_id in TEMPLATES}


@pytest.fixture(scope="module")
def good(renderer_of: RendererOf) -> bytes:
    """A good file to break."""
    return certificate(renderer_of, TEMPLATES[0], "en")


@pytest.mark.parametrize("template_id", TEMPLATES)
def test_a_certificate_of_each_template_is_sound(one_of_each: dict[str, bytes], template_id: str) -> None:
    assert problems_of(one_of_each[template_id]) == []


@pytest.mark.long
def test_every_certificate_is_sound(certificates: dict[str, bytes]) -> None:
    assert {name: found for name, pdf in certificates.items() if (found := problems_of(pdf))} == {}


@pytest.mark.long
def test_every_certificate_is_pdf_a_and_pdf_ua(certificates: dict[str, bytes]) -> None:
    validated = verapdf_problems_of(certificates)
    assert {name: found for name, found in validated.items() if found} == {}


@pytest.mark.long
def test_certificates_are_small(certificates: dict[str, bytes]) -> None:
    assert median(map(len, certificates.values())) <= MOST_BYTES_IN_THE_MEDIAN


# ---------------------------------------------------------------- files that are broken


def edited(pdf: bytes, edit: Edit) -> bytes:
    """The file after an edit, written without what qpdf would mend by itself."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        edit(document)
        document.save(
            out,
            fix_metadata_version=False,
            stream_decode_level=pikepdf.StreamDecodeLevel.none,
            compress_streams=False,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
        )
    return out.getvalue()


def elements(document: Pdf, kind: str) -> list[Any]:
    return [thing for thing in document.objects if isinstance(thing, Dictionary) and thing.get("/S") == kind]


def texts(document: Pdf) -> list[Any]:
    """The structure elements of texts."""
    return [element for element in elements(document, "/P") if own_mark(element) is not None]


def own_mark(element: Any) -> int | None:
    """The MCID of an element with nothing else below it."""
    kids = element.get("/K")
    if isinstance(kids, Array) and len(kids) == 1:
        (kids,) = kids
    return kids if isinstance(kids, int) else None


def in_content(old: bytes, new: bytes) -> Edit:
    """Replace the first match of a pattern in the content of the page."""

    def edit(document: Pdf) -> None:
        page = document.pages[0]
        page.contents_coalesce()
        data = page.Contents.read_bytes()
        changed = re.sub(old, new, data, count=1, flags=re.DOTALL)
        assert changed != data
        page.Contents = document.make_stream(changed)

    return edit


def drop_unicode(document: Pdf) -> None:
    del next(iter(document.pages[0].Resources.Font.values())).ToUnicode


def empty_unicode(document: Pdf) -> None:
    cmap = next(iter(document.pages[0].Resources.Font.values())).ToUnicode
    cmap.write(re.sub(rb"(<[^>]+>\s*)<[^>]+>(?=\s*\n)", rb"\1<>", cmap.read_bytes()))


def drop_alternative(document: Pdf) -> None:
    del elements(document, "/Figure")[0].Alt


def drop_claim(document: Pdf) -> None:
    data = document.Root.Metadata.read_bytes()
    assert b'pdfuaid:part="1"' in data
    document.Root.Metadata.write(data.replace(b'pdfuaid:part="1"', b'pdfuaid:part="7"'))


def break_attachment(document: Pdf) -> None:
    document.Root.AF[0].EF.F.write(b"something else")


def drop_date(document: Pdf) -> None:
    del document.Root.AF[0].EF.F.Params.ModDate


def list_attachment_twice(document: Pdf) -> None:
    document.Root.AF.append(document.Root.AF[0])


def drop_name(document: Pdf) -> None:
    del document.Root.Names


def drop_attachment(document: Pdf) -> None:
    del document.Root.AF, document.Root.Names


def disown_mark(document: Pdf) -> None:
    texts(document)[0].K = Array([])


def own_more_than_is_drawn(document: Pdf) -> None:
    texts(document)[0].K = Array([own_mark(texts(document)[0]), 99])


def own_mark_twice(document: Pdf) -> None:
    one, other = texts(document)[:2]
    other.K = Array([own_mark(one), own_mark(other)])


def swap_parents(document: Pdf) -> None:
    (parents,) = (entry for entry in document.Root.StructTreeRoot.ParentTree.Nums if isinstance(entry, Array))
    parents[0], parents[1] = parents[1], parents[0]


def use_codes_of_another_kind(document: Pdf) -> None:
    next(iter(document.pages[0].Resources.Font.values())).Encoding = Name("/Identity-V")


def make_large(document: Pdf) -> None:
    document.Root.Spare = document.make_stream(bytes(200_000))


def add_spare(document: Pdf) -> None:
    document.Root.Spare = document.make_indirect(Dictionary())


BROKEN_FOR_VERAPDF: dict[str, Edit] = {
    "6.2.11.7.2-": drop_unicode,
    "(ua1, 7.3-": drop_alternative,
    "(ua1, 5-": drop_claim,
}
BROKEN: dict[str, Edit] = {
    "The Size of the attachment 'assertion.json' is wrong": break_attachment,
    "The CheckSum of the attachment": break_attachment,
    "has no ModDate": drop_date,
    "is not once in AF and once in EmbeddedFiles": list_attachment_twice,
    "'assertion.json' is not once in AF": drop_name,
    "There is no attachment": drop_attachment,
    "is drawn 1 times, and 0 elements have it": disown_mark,
    "MCID 99 is drawn 0 times, and 1 elements have it": own_more_than_is_drawn,
    "is drawn 1 times, and 2 elements have it": own_mark_twice,
    "MCID 1 is drawn 2 times": in_content(rb"/MCID 2\b", b"/MCID 1"),
    "The parent tree does not lead from MCID": swap_parents,
    "shows .notdef": in_content(rb"\[<\w{4}", b"[<0000"),
    "has no text in ToUnicode": empty_unicode,
    "are not the numbers of its glyphs": use_codes_of_another_kind,
    "bytes, more than 200000": make_large,
}
BROKEN_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "Nothing refers to object": lambda pdf: re.sub(
        rb"/Spare \d+ 0 R", lambda found: b" " * len(found[0]), edited(pdf, add_spare)
    ),
    "qpdf complains": lambda pdf: re.sub(rb"startxref\n\d+", b"startxref\n7", pdf),
    "qpdf cannot read": lambda pdf: pdf[:100],
    "PDFium cannot show": lambda pdf: pdf[:100],
}


@pytest.mark.parametrize("problem", BROKEN)
def test_an_edit_is_named(good: bytes, problem: str) -> None:
    found = problems_of(edited(good, BROKEN[problem]))
    assert any(problem in sentence for sentence in found), found


@pytest.mark.parametrize("problem", BROKEN_BYTES)
def test_a_change_of_bytes_is_named(good: bytes, problem: str) -> None:
    changed = BROKEN_BYTES[problem](good)
    assert changed != good
    found = problems_of(changed)
    assert any(problem in sentence for sentence in found), found


def test_an_edit_that_breaks_nothing_is_no_problem(good: bytes) -> None:
    assert problems_of(edited(good, texts)) == []


# ---------------------------------------------------------------- one run of veraPDF


@pytest.fixture(scope="module")
def fallback(renderer_of: RendererOf) -> bytes:
    """What the other engine makes where the compiled one cannot lay out a text."""
    return certificate(renderer_of, TEMPLATES[0], "hi", engine="weasyprint")


@pytest.fixture(scope="module")
def validated(one_of_each: dict[str, bytes], good: bytes, fallback: bytes) -> dict[str, list[str]]:
    """What veraPDF says of a file of each template, of the broken ones, and of the other engine's."""
    broken = {clause: edited(good, edit) for clause, edit in BROKEN_FOR_VERAPDF.items()}
    return verapdf_problems_of(one_of_each | broken | {"fallback": fallback})


@pytest.mark.parametrize("template_id", TEMPLATES)
def test_a_certificate_of_each_template_is_pdf_a_and_pdf_ua(
    validated: dict[str, list[str]], template_id: str
) -> None:
    assert validated[template_id] == []


@pytest.mark.parametrize("clause", BROKEN_FOR_VERAPDF)
def test_verapdf_names_what_is_broken(validated: dict[str, list[str]], clause: str) -> None:
    assert any(clause in sentence for sentence in validated[clause]), validated[clause]


def test_the_fallback_has_known_problems_only(validated: dict[str, list[str]], fallback: bytes) -> None:
    """WeasyPrint claims no PDF/UA, which is all that veraPDF misses; it associates the attachment twice, and
    leaves some glyphs of Indic scripts without a text.
    """
    assert [sentence for sentence in validated["fallback"] if not sentence.endswith("(ua1, 5-1).")] == []
    assert all(
        "is not once in AF" in sentence or "has no text in ToUnicode" in sentence
        for sentence in problems_of(fallback)
    )


def test_without_java_verapdf_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match=r"tool-packages\.txt"):
        verapdf_problems_of({})


def test_the_texts_come_in_the_order_of_the_structure_tree(good: bytes) -> None:
    def reverse(document: Pdf) -> None:
        body = elements(document, "/H1")[0].P
        body.K = Array(list(reversed(list(body.K))))

    read = texts_of(good)
    assert NAMES["en"] in read
    assert texts_of(edited(good, reverse)) == read[::-1]


def test_a_text_of_its_own_stands_for_its_glyphs(good: bytes) -> None:
    say = in_content(rb"/MCID (\d+)", rb"/MCID \1/ActualText(Praman)")
    assert "Praman" in texts_of(edited(good, say))
