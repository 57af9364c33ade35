"""Whether a template can be trusted, and everything that is wrong with it: for whoever takes one in.

A template comes from a designer and may be broken or hostile. It is laid out by a child process within limits
(`sandbox`), in every language and with every combination of what may be absent, before anything here lays it
out: so a template that passed ends, stays small, and fetches nothing.
"""

import io
import threading
import zipfile
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from pramaan.checking.findings import Finding, error
from pramaan.errors import TemplateError
from pramaan.rendering.fonts import require_configured_fonts
from pramaan.rendering.template import Template, read_folder
from pramaan.sandbox import DEFAULT_BUDGET, CpuBudget, SandboxStopped, run_in_sandbox

__all__ = ["Finding", "check_template", "vet"]

_CHILD: Final = "pramaan.checking.child"

_one_child = threading.Lock()
"""A child may take a gigabyte; one after the other is enough."""

_vetted: set[tuple[str, str]] = set()
"""Ids and versions of templates that this process found good."""


def check_template(folder: Path, *, budget: CpuBudget = DEFAULT_BUDGET) -> list[Finding]:
    """Everything that is wrong with the template in `folder`, and what should be looked at; errors first come
    by file as they are found. Takes some seconds, more with more languages; writes nothing.

    `configure_fonts` must have been called before. Raises HostError when this machine cannot check templates.
    """
    folder = folder.absolute()
    try:
        files = read_folder(folder)
    except TemplateError as problem:
        return [error(str(problem))]
    return list(_findings(folder.name, files, depth="whole", budget=budget))


def vet(template: Template, *, budget: CpuBudget = DEFAULT_BUDGET) -> None:
    """Refuse a template that is hostile or cannot be used: to be called before a template is first rendered.

    Takes a second, four with thirteen languages; a template that this process found good before takes
    nothing. At most what the budget allows, by default 32 s of processor time, and 1 GB.

    `configure_fonts` must have been called before. Raises TemplateError naming the template, the file and the
    line, and what is wrong; HostError when this machine cannot check templates.
    """
    key = (template.template_id, template.version)
    if key in _vetted:
        return
    with closing(_findings(template.template_id, template.files, depth="short", budget=budget)) as findings:
        for finding in findings:
            if finding.severity == "error":
                raise TemplateError(f"{finding.where(template.template_id)}: {finding.message}")
    _vetted.add(key)


def _findings(
    template_id: str, files: Mapping[str, bytes], *, depth: str, budget: CpuBudget
) -> Generator[Finding, None, None]:
    require_configured_fonts()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name), files[name])
    with (
        _one_child,
        closing(run_in_sandbox(_CHILD, [depth, template_id], data=buffer.getvalue(), budget=budget)) as said,
    ):
        try:
            for answer in said:
                yield Finding(**answer["finding"])
        except SandboxStopped as stopped:
            why = "takes too long" if stopped.by_time else "takes too much memory, or breaks the renderer"
            yield error(f"{stopped.step} {why}: simplify it")
