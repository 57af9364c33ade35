"""The child of `check`: looks at a template that nobody vouches for, within the limits of `sandbox`.

    python -m pramaan.checking.child short|whole TEMPLATE_ID

`short` ends at the first error. Each finding is a line of JSON; whatever goes wrong in here is one too.
"""

import io
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from types import TracebackType

from pramaan.checking.findings import Finding, error
from pramaan.rendering.markup import HTML_FILE
from pramaan.sandbox import MEMORY_BYTES, OutOfCpuTime, SandboxOutput, enter_sandbox

_MOST_FINDINGS = 200


def _findings(
    template_id: str, files: Mapping[str, bytes], say: SandboxOutput, *, whole: bool
) -> Iterator[Finding]:
    from pramaan.checking.files import html_source_findings, read_template, source_findings
    from pramaan.checking.pages import laid_out, made_pages
    from pramaan.checking.sample_runs import (
        font_findings,
        language_findings,
        sample_findings,
        unprintable_findings,
    )

    wrong = False

    def passing(some: Iterator[Finding]) -> Iterator[Finding]:
        nonlocal wrong
        for finding in some:
            wrong = wrong or finding.severity == "error"
            yield finding

    yield from passing(source_findings(files, say.step))
    template = read_template(template_id, files)
    if template is None:
        if not wrong:
            yield error("this is no template")
        return
    html = list(html_source_findings(template, say.step))
    yield from passing(iter(html))
    if whole:
        yield from passing(language_findings(template))
        yield from passing(unprintable_findings(template))
        yield from passing(font_findings(template))
    told = {(finding.file, finding.line) for finding in html if finding.severity == "error"}
    # What only running the HTML shows; of what reading it has shown already, nothing again.
    yield from passing(f for f in made_pages(template, say.step) if (f.file, f.line) not in told)
    if not wrong:
        yield from passing(laid_out(template, say.step))
    if whole and not wrong:
        say.limit_all = False
        yield from sample_findings(template, say.step)


def _main(depth: str, template_id: str) -> None:
    say, data = enter_sandbox()
    import weasyprint  # noqa: F401 - heavy, and no part of any step

    say.step("reading the files")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    count = 0
    try:
        for finding in _findings(template_id, files, say, whole=depth == "whole"):
            count += 1
            told = _too_long(say, None) if say.ran_out else finding
            say({"finding": asdict(told)})
            if say.ran_out or count == _MOST_FINDINGS or (depth == "short" and finding.severity == "error"):
                break
    except OutOfCpuTime as stop:
        say({"finding": asdict(_too_long(say, stop.__traceback__))})
    except MemoryError:
        say({"finding": asdict(error(f"{say.doing} takes more memory than {MEMORY_BYTES // 10**6} MB"))})
    except Exception as broken:  # noqa: BLE001 - whatever breaks the renderer is the template's mistake
        reason = str(broken).partition("\n")[0][:200]
        say({"finding": asdict(error(f"{say.doing} fails: {type(broken).__name__}: {reason}"))})
    say.done()


def _too_long(say: SandboxOutput, traceback: TracebackType | None) -> Finding:
    file, line = _template_line(traceback)
    return error(
        f"{say.doing} takes too much processor time ({say.budget.step_seconds:g} s at most): simplify it",
        file,
        line,
    )


def _template_line(traceback: TracebackType | None) -> tuple[str, int | None]:
    """The line of a template that was being run, the innermost one."""
    found: tuple[str, int | None] = ("", None)
    while traceback is not None:
        template = traceback.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            found = template.name or HTML_FILE, template.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


if __name__ == "__main__":
    _main(*sys.argv[1:])
