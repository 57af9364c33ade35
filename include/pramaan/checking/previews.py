"""Samples of a template as files, for people to look at."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from pramaan.checking.pages import sample_texts
from pramaan.errors import RenderError
from pramaan.rendering.renderer import Renderer
from pramaan.rendering.samples import LONGEST_NAMES, NAMES, sample_signature
from pramaan.rendering.template import Template

__all__ = ["preview_files"]

_DPI: Final = 150


def preview_files(
    template: Template,
    out: Path,
    *,
    zone: ZoneInfo,
    languages: Sequence[str],
    report: Callable[[str], None] = lambda _: None,
) -> Iterator[Path]:
    """The paths of samples as they are written to `out`: a PDF and a PNG at 150 dpi each.

    In each of `languages` its own name and its longest; in the first, also without signatory and signature.
    A sample whose text does not fit is left out, which `report` hears. `vet` must have been called before.

    Raises TemplateError.
    """
    out.mkdir(parents=True, exist_ok=True)
    renderer = Renderer(template, zone=zone)
    for name, texts, signature in _samples(template, languages):
        try:
            pdf = renderer.render(texts, signature=signature)
        except RenderError as error:
            report(f"{name} is left out: {error}")
            continue
        (path := out / f"{name}.pdf").write_bytes(pdf)
        yield path
        _picture(pdf).save(path := out / f"{name}.png", dpi=(_DPI, _DPI))
        yield path


def _samples(
    template: Template, languages: Sequence[str]
) -> Iterator[tuple[str, dict[str, str | None], bytes | None]]:
    for language in languages:
        texts = sample_texts(template, language=language, recipient_name=NAMES[language])
        yield language, texts, sample_signature()
    for language in languages:
        texts = sample_texts(template, language=language, recipient_name=LONGEST_NAMES[language])
        yield f"{language}-longest-name", texts, sample_signature()
    absent = {
        name: None
        for name in ("signatory_name", "signatory_designation")
        if name in template.fields and template.fields[name].optional
    }
    language = languages[0]
    yield f"{language}-no-signatory", sample_texts(template, language=language, **absent), None


def _picture(pdf: bytes) -> Any:
    import pypdfium2

    with pypdfium2.PdfDocument(pdf) as document:
        return document[0].render(scale=_DPI / 72).to_pil()
