"""`pramaan render`: PDFs from rows of fields, without database, registry or store."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pramaan.cli.console import json_option, print_json, progress
from pramaan.errors import TemplateError

if TYPE_CHECKING:
    from pramaan.rendering.rows import Failure, Figures, Plan
    from pramaan.rendering.template import Template
    from pramaan.settings import Settings

__all__ = ["configured_fonts", "named_template", "render"]


@click.command()
@click.option(
    "--template", "template_name", required=True, help="A bundled template's id, or a template's folder."
)
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON lines: a row has `id`, and the fields of the template.",
)
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for <id>.pdf."
)
@click.option(
    "--engine",
    type=click.Choice(["compiled", "weasyprint"]),
    default="compiled",
    show_default=True,
    help="weasyprint is slow, and what the other is checked against.",
)
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Worker processes.")
@click.option(
    "--signature",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The signature on all of them: PNG, JPEG or SVG.",
)
@json_option
def render(
    template_name: str,
    *,
    data: Path,
    out: Path,
    engine: Any,
    jobs: int,
    signature: Path | None,
    as_json: bool,
) -> int:
    """Render a certificate from each row of a file.

    A row that cannot be rendered is told by its line, the others are rendered; the command fails at the end.
    The same row gives the same bytes. A file that is there already is replaced.
    """
    from pramaan.checking.check import vet
    from pramaan.rendering.rows import Plan, render_rows
    from pramaan.settings import load_settings

    settings = load_settings()
    template = named_template(template_name)
    picture = _signature(signature)
    with ExitStack() as stack:
        configured_fonts(settings, stack)
        vet(template)
        out.mkdir(parents=True, exist_ok=True)
        plan = Plan(
            template_id=template.template_id,
            archive=template.pack(),
            out=out.absolute(),
            timezone=settings.timezone,
            engine=engine,
            signature=picture,
        )
        figures = _rendered(plan, data, jobs=jobs, render_rows=render_rows)
    if as_json:
        print_json(figures.as_mapping())
    else:
        _print(figures, out)
    return int(figures.failed > 0)


def _rendered(plan: "Plan", data: Path, *, jobs: int, render_rows: Any) -> "Figures":
    with progress() as bars, data.open("rb") as rows:
        bar = bars.add_task("Certificates", total=_row_count(data))

        def tell(failure: "Failure") -> None:
            bars.console.print(f"{data}:{failure}", markup=False, highlight=False, soft_wrap=True)

        figures: Figures = render_rows(
            plan, rows, jobs=jobs, on_rows=lambda count: bars.advance(bar, count), on_failure=tell
        )
    return figures


def _row_count(data: Path) -> int | None:
    """Lines that are not empty; None of what can be read only once."""
    if not data.is_file():
        return None
    with data.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in _chunks(file))


def _chunks(file: Any) -> Iterator[bytes]:
    while chunk := file.read(1 << 20):
        yield chunk


def _print(figures: "Figures", out: Path) -> None:
    click.echo(
        f"{figures.rendered:,} certificates in {out}: {figures.seconds:,.1f} s, "
        f"{figures.rate_per_second:,.1f} a second"
    )
    if figures.rendered:
        click.echo(
            f"  bytes: median {figures.median_bytes:,}, largest {figures.max_bytes:,}, "
            f"together {figures.total_bytes:,}"
        )
    for error_class, count in sorted(Counter(figures.failures).items()):
        click.echo(f"  {count:,} not rendered: {error_class}")


def _signature(path: Path | None) -> bytes | None:
    from pramaan.signatures.images import check_signature

    return check_signature(path.read_bytes()).content if path else None


def named_template(name: str) -> "Template":
    """A bundled template by its id, or the one in a folder. Raises TemplateError."""
    from pramaan.registry.bundled_templates import TEMPLATES
    from pramaan.rendering.template import list_templates, load_template

    known = list_templates(TEMPLATES)
    if name in known:
        return load_template(TEMPLATES / name)
    if not Path(name).is_dir():
        raise TemplateError(
            f"{name} is neither a bundled template ({', '.join(known)}) nor the path of a template's folder"
        )
    return load_template(Path(name))


def configured_fonts(settings: "Settings", stack: ExitStack) -> None:
    """Configure the fonts: in this home if there is one, else in a folder that goes with `stack`."""
    import tempfile

    from pramaan.rendering.fonts import configure_fonts

    if settings.home.is_dir():
        try:
            configure_fonts(settings.home / "fonts")
        except PermissionError:
            pass
        else:
            return
    configure_fonts(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pramaan-fonts-"))))
