"""What a check of a template finds, and where."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from pramaan.errors import TemplateError

__all__ = ["Finding", "Severity", "error", "finding_of", "note", "warning"]

Severity = Literal["error", "warning", "note"]

_LONGEST_MESSAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a template: an `error` keeps it from being used, a `note` is for information."""

    severity: Severity
    message: str
    file: str = ""
    """Its path in the template; nothing when it is about the template as a whole."""
    line: int | None = None

    def where(self, template_id: str) -> str:
        """Template, file and line, as far as they are known."""
        file = f"{template_id}/{self.file}" if self.file else template_id
        return f"{file}, line {self.line}" if self.line else file


def error(message: str, file: str = "", line: int | None = None) -> Finding:
    """What must be put right."""
    return Finding("error", message[:_LONGEST_MESSAGE], file, line)


def warning(message: str, file: str = "", line: int | None = None) -> Finding:
    """What should be looked at."""
    return Finding("warning", message[:_LONGEST_MESSAGE], file, line)


def note(message: str, file: str = "", line: int | None = None) -> Finding:
    """What is good to know."""
    return Finding("note", message[:_LONGEST_MESSAGE], file, line)


def finding_of(problem: TemplateError, template_id: str) -> Finding:
    """The finding that a problem is; its file and line stand at the start of its message."""
    told = re.fullmatch(
        re.escape(template_id)
        + r"(?:/(?P<file>[\w.@ /-]+?))?(?:, line (?P<line>\d+)(?: or [\d or]+)?)?: (?P<what>.*)",
        str(problem),
        re.DOTALL,
    )
    if told is None:
        return error(str(problem))
    return error(told["what"], told["file"] or "", int(told["line"]) if told["line"] else None)
