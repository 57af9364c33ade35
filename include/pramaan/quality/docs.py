"""Data Docs: a folder of pages that a browser can read by itself, `index.html` and `loads/<load id>.html`.

The results are drawn by Great Expectations' own views; the page around them is ours, since theirs takes
styles and scripts from a dozen servers and shows little without them. Pages hold counts and thresholds, no
values. Each is written whole or not at all.
"""

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pramaan.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from pramaan.quality.validate import Validated
    from pramaan.quality.waiting import WaitingLoad

__all__ = ["EMPTY_PAGE", "PAGES_KEPT", "DataDocs", "Listed", "is_page"]

PAGES_KEPT: Final = 500
"""The newest loads' pages; the verdicts themselves stay in the database."""

EMPTY_PAGE: Final = (
    "<!doctype html><title>Data quality</title><p>No load has been checked yet, or this server does not "
    "see the folder that the checks are written to."
)
"""What stands where no index has been written."""

_TEMPLATES: Final = PROJECT_ROOT / "templates" / "quality"
_STYLESHEET: Final = "quality.css"
_PAGE: Final = re.compile(r"index\.html|quality\.css|loads/[0-9]{1,19}\.html")


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the index: a load, its verdict, and what it broke in words."""

    load_id: int
    feed: str
    loaded_at: datetime
    checked_at: datetime
    rows: int
    rows_quarantined: int
    passed: bool
    findings: Sequence[Mapping[str, Any]]


def is_page(path: str) -> bool:
    """Whether a path relative to the folder is one that Data Docs may have; nothing else is in it to show."""
    return _PAGE.fullmatch(path) is not None


class DataDocs:
    """The folder. Made with its first page, for its owner alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _views(self) -> Environment:
        """Great Expectations' own, with our page around them."""
        from great_expectations.render.view.view import DefaultJinjaPageView

        views: Environment = DefaultJinjaPageView(custom_views_directory=str(_TEMPLATES)).env
        return views

    def write_load(
        self, load: "WaitingLoad", results: "Sequence[Validated]", findings: Sequence[Mapping[str, Any]]
    ) -> None:
        """Write, or overwrite, the page of a load."""
        html = self._views.get_template("load.j2").render(
            sections=[section for one in results for section in one.sections],
            load=load,
            findings=findings,
            rules=[(rule, count) for one in results for rule, count in one.checked.items()],
        )
        self._write(f"loads/{load.load_id}.html", html)

    def write_index(self, listed: Sequence[Listed]) -> None:
        """Write the index of these loads, the newest first, with links to the pages there are; remove the
        oldest pages.
        """
        self._remove_oldest_pages()
        pages = {int(path.stem) for path in self._folder.glob("loads/*.html")}
        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        html = environment.get_template("index.html").render(listed=listed, pages=pages)
        self._write(_STYLESHEET, (_TEMPLATES / _STYLESHEET).read_text())
        self._write("index.html", html)

    def _remove_oldest_pages(self) -> None:
        pages = sorted(self._folder.glob("loads/*.html"), key=lambda path: int(path.stem))
        for path in pages[:-PAGES_KEPT]:
            path.unlink(missing_ok=True)

    def _write(self, name: str, text: str) -> None:
        path = self._folder / name
        for folder in (self._folder, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(unfinished).replace(path)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
