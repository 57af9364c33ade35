"""`pramaan template check` and `preview`: what a designer calls while a template takes shape."""

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import click

from pramaan.cli.console import json_option, print_json, step

__all__ = ["template"]

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def template() -> None:
    """Certificate templates: check one, look at one (templates/certificates/README.md)."""


@template.command()
@click.argument("folder", type=_FOLDER)
@json_option
def check(folder: Path, *, as_json: bool) -> int:
    """Tell everything that is wrong with the template in FOLDER, by file and line.

    Fails when there is an error; a warning is for you to judge.
    """
    from pramaan.checking.check import check_template
    from pramaan.cli.render import configured_fonts
    from pramaan.settings import load_settings

    with ExitStack() as stack:
        configured_fonts(load_settings(), stack)
        findings = check_template(folder)
    name = folder.absolute().name
    counts = {kind: sum(f.severity == kind for f in findings) for kind in ("error", "warning", "note")}
    if as_json:
        print_json({"template": name, "errors": counts["error"], "warnings": counts["warning"],
                    "findings": [asdict(finding) for finding in findings]})  # fmt: skip
        return int(counts["error"] > 0)
    for finding in findings:
        colour = {"error": "red", "warning": "yellow", "note": None}[finding.severity]
        click.echo(f"{finding.where(name)}: {click.style(finding.severity, fg=colour)}: {finding.message}")
    click.echo(f"{name}: {counts['error']} errors, {counts['warning']} warnings")
    return int(counts["error"] > 0)


@template.command()
@click.argument("folder", type=_FOLDER)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the files; by default <template>-preview, here.",
)
@click.option(
    "--language", "languages", multiple=True, help="Only this language; may be given more than once."
)
def preview(folder: Path, *, out: Path | None, languages: tuple[str, ...]) -> None:
    """Make samples of the template in FOLDER, and print their paths.

    A PDF and a PNG in each language, of the longest name, and without a signatory.
    """
    from pramaan.checking.check import vet
    from pramaan.checking.previews import preview_files
    from pramaan.cli.render import configured_fonts
    from pramaan.rendering.template import load_template
    from pramaan.settings import load_settings

    settings = load_settings()
    loaded = load_template(folder)
    if unknown := sorted(set(languages) - set(loaded.languages)):
        raise click.UsageError(
            f"the template is not complete in {', '.join(unknown)}; it is in {', '.join(loaded.languages)}"
        )
    with ExitStack() as stack:
        configured_fonts(settings, stack)
        vet(loaded)
        target = out or Path(f"{loaded.template_id}-preview")
        for path in preview_files(loaded, target, zone=settings.zone, languages=languages or loaded.languages,
                                  report=step):  # fmt: skip
            click.echo(path)
