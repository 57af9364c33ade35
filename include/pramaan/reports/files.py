"""A report as a file: CSV in a zip, or an Excel workbook; with a password, either of them in an encrypted
zip.

No cell is executable: an apostrophe precedes a text that a spreadsheet would take for a formula. Ids stay
unchanged, letter for letter. However many rows a report has, writing it takes no more memory than a few
thousand of them.
"""

import codecs
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile
from zoneinfo import ZoneInfo

from pramaan.errors import ReportError
from pramaan.localisation import LANGUAGES, gettext_in, gettext_noop
from pramaan.reports.columns import COLUMNS, Column, headers
from pramaan.reports.ledger import Format
from pramaan.reports.rows import Report

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MEDIA_TYPES", "MOST_SHEET_ROWS", "file_name", "file_suffix", "write_report"]

MEDIA_TYPES: Final = {
    "zip": "application/zip",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Media type by file suffix."""

MOST_SHEET_ROWS: Final = 1_048_576
"""Rows of a sheet, including the header (ECMA-376 has no limit; Excel has this one)."""

_FIRST_SHEET_YEAR: Final = 1900
_LONGEST_CELL: Final = 16_383
"""Characters: even if each takes two UTF-16 units, the cell stays within Excel's limit of 32,767."""

_FORMULA_STARTS: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""The last four are full-width forms of the first four, which some spreadsheets read as those."""
_LONGEST_ID_IN_NAME: Final = 60
_COMPRESSION: Final = 1
"""Of 9: the fastest; the usual 6 takes twice as long for a quarter fewer bytes."""

_DATE: Final = "%d/%m/%Y"
_INSTANT: Final = "%d/%m/%Y %H:%M:%S"

_STYLES: Final = {"text": "@", "date": "dd/mm/yyyy", "integer": "0", "score": "0.0"}
_HEAD_COLOUR: Final = "#D9E2F3"
_SCORE_WIDTH: Final = 16.0
_TOTALS_WIDTHS: Final = (34.0, 44.0)

# Translators: The names of the two sheets of a workbook; at most 31 letters, and none of []:*?/\
_SHEETS: Final = (gettext_noop("Progress"), gettext_noop("Totals"))


def file_name(batch_id: str, *, as_of: datetime, zone: ZoneInfo, suffix: str) -> str:
    """Returns the file's name for the recipient: ASCII letters, whatever the batch's id; with the day of the
    report.
    """
    batch = re.sub(r"[^A-Za-z0-9_]+", "-", batch_id)[:_LONGEST_ID_IN_NAME].strip("-")
    stem = "-".join(["progress", *([batch] if batch else []), f"{as_of.astimezone(zone):%Y%m%d}"])
    return f"{stem}.{suffix}"


def file_suffix(format: Format, *, is_encrypted: bool) -> str:  # noqa: A002 - the ledger's word
    """Returns the suffix of a report's file name."""
    return "zip" if format == "csv" or is_encrypted else "xlsx"


def write_report(
    report: Report,
    target: Path,
    *,
    format: Format,  # noqa: A002 - the ledger's word
    language: str,
    zone: ZoneInfo,
    password: str | None,
) -> None:
    """Write the file `target`; after a failure, what was written is unusable. Consumes the report's rows.

    The zip of a CSV has a second file, `totals.txt`; a workbook has a second sheet. Encryption is AES-256
    (AE-2 of WinZip), which leaves the names of the files readable.

    A workbook has its dates as text when one of them is earlier than Excel supports.

    Raises ReportError `too_many_rows` for more rows than a workbook can hold, and UnknownLanguageError.
    """
    name = file_name(report.batch_id, as_of=report.as_of, zone=zone, suffix=format)
    if format == "csv":
        with _open_zip(target, password) as archive:
            with archive.open(name, "w", force_zip64=True) as file:
                _write_csv(report, file, language=language)
            with archive.open("totals.txt", "w") as file:
                file.write(codecs.BOM_UTF8 + _totals_text(report, language=language, zone=zone).encode())
    elif password is None:
        _write_workbook(report, target, language=language, zone=zone)
    else:
        with tempfile.NamedTemporaryFile(dir=target.parent) as workbook:
            _write_workbook(report, Path(workbook.name), language=language, zone=zone)
            with _open_zip(target, password) as archive:
                archive.write(workbook.name, name, compress_type=ZIP_STORED)


@contextmanager
def _open_zip(target: Path, password: str | None) -> Iterator[ZipFile]:
    if password is None:
        with ZipFile(target, "w", ZIP_DEFLATED, compresslevel=_COMPRESSION) as archive:
            yield archive
        return
    import pyzipper

    with pyzipper.AESZipFile(
        target, "w", ZIP_DEFLATED, compresslevel=_COMPRESSION, encryption=pyzipper.WZ_AES
    ) as archive:
        archive.setpassword(password.encode())
        yield archive


def _write_csv(report: Report, file: IO[bytes], *, language: str) -> None:
    """Write RFC 4180 CSV, after the byte order mark by which Excel recognises UTF-8."""
    import pyarrow.csv as pa_csv

    cells = _cells(report, _csv_column, language=language)
    file.write(codecs.BOM_UTF8)
    with pa_csv.CSVWriter(file, cells.schema, write_options=pa_csv.WriteOptions(eol="\r\n")) as writer:
        for batch in cells:
            writer.write_batch(batch)


def _csv_column(values: "pa.Array", column: Column | None) -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    if column is None or column.kind == "integer":
        return values
    if column.kind == "date":
        return _date_text(values)
    if column.kind == "score":
        return values.cast(pa.decimal128(4, 1))
    if column.name == "batch_id":
        return pc.binary_join_element_wise("BatchId_", values, "")
    return _escape_formulas(values)


def _write_workbook(report: Report, target: Path, *, language: str, zone: ZoneInfo) -> None:
    from rustpy_xlsxwriter import Format as Style
    from rustpy_xlsxwriter import write_worksheets

    _check_fits_sheet(report)
    _ = gettext_in(language)
    progress, totals = (_(sheet) for sheet in _SHEETS)
    has_early_date = report.earliest_date is not None and report.earliest_date.year < _FIRST_SHEET_YEAR
    cells = _cells(report, partial(_sheet_column, dates_as_text=has_early_date), language=language)
    contents = len(report.scored_contents)
    styles = [Style().set_num_format(_STYLES[column.kind]) for column in COLUMNS]
    head = Style().set_bold().set_background_color(_HEAD_COLOUR).set_border_bottom("thin")
    write_worksheets(
        [(progress, cells), (totals, _totals_rows(report, language=language, zone=zone))],
        str(target),
        autofit=False,
        freeze_panes={progress: {"row": 1, "col": 0}},
        autofilter={progress: True},
        header_format={"general": head},
        column_widths={
            progress: [float(column.width) for column in COLUMNS] + [_SCORE_WIDTH] * contents,
            totals: list(_TOTALS_WIDTHS),
        },
        column_formats={progress: styles + [Style()] * contents},
        # Numeric ids are text on purpose.
        ignore_errors={
            progress: [cells.schema.names[n] for n, column in enumerate(COLUMNS) if column.kind == "text"]
        },
        sheet_view={"general": {"right_to_left": LANGUAGES[language].direction == "rtl"}},
    )


def _sheet_column(values: "pa.Array", column: Column | None, *, dates_as_text: bool) -> "pa.Array":
    import pyarrow.compute as pc

    if dates_as_text and column is not None and column.kind == "date":
        return _date_text(values)
    if column is None or column.kind != "text":
        return values
    is_too_long = pc.greater(pc.utf8_length(values), _LONGEST_CELL)
    cut = pc.binary_join_element_wise(pc.utf8_slice_codeunits(values, 0, _LONGEST_CELL - 1), "…", "")
    return _escape_formulas(pc.if_else(is_too_long, cut, values))


def _check_fits_sheet(report: Report) -> None:
    if report.totals.enrolled >= MOST_SHEET_ROWS:
        raise ReportError(
            "too_many_rows",
            f"batch {report.batch_id} has {report.totals.enrolled:,} people, more than a sheet has rows; ask "
            "for csv",
        )


def _cells(
    report: Report, shown: Callable[["pa.Array", Column | None], "pa.Array"], *, language: str
) -> "pa.RecordBatchReader":
    """Returns the rows under the printed headers. `shown` converts a column (None: the scores in one content)
    to what is printed.
    """
    import pyarrow as pa

    columns = [*COLUMNS, *([None] * len(report.scored_contents))]
    # Readers that detect the line ending of a CSV take it from the first line.
    lines = (re.sub(r"[\r\n]+", " ", name) for name in headers(report.scored_contents, language=language))
    names = [_escape_formula(line) for line in lines]

    def printed(batch: "pa.RecordBatch") -> "pa.RecordBatch":
        return pa.RecordBatch.from_arrays(
            [shown(values, column) for values, column in zip(batch.columns, columns, strict=True)], names
        )

    schema = printed(pa.RecordBatch.from_pylist([], report.batches.schema)).schema
    return pa.RecordBatchReader.from_batches(schema, map(printed, report.batches))


def _date_text(values: "pa.Array") -> "pa.Array":
    """Returns dates as text for people; formats each distinct day once."""
    import pyarrow.compute as pc

    days = values.dictionary_encode()
    return pc.strftime(days.dictionary, format=_DATE).take(days.indices)


def _escape_formulas(values: "pa.Array") -> "pa.Array":
    """Returns text that no spreadsheet takes for a formula."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first = pc.utf8_slice_codeunits(values, 0, 1)
    is_formula = pc.is_in(first, value_set=pa.array(_FORMULA_STARTS))
    if not pc.any(is_formula).as_py():
        return values
    return pc.if_else(is_formula, pc.binary_join_element_wise("'", values, ""), values)


def _escape_formula(text: str) -> str:
    fitting = text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"
    return f"'{fitting}" if fitting.startswith(_FORMULA_STARTS) else fitting


def _totals_text(report: Report, *, language: str, zone: ZoneInfo) -> str:
    rows = (tuple(row.values()) for row in _totals_rows(report, language=language, zone=zone))
    return "".join(f"{label}: {value}\r\n" for label, value in rows)


def _totals_rows(report: Report, *, language: str, zone: ZoneInfo) -> Iterator[dict[str, str | int]]:
    """Yields a record for each total, after records that name the course, the batch and the time of the
    snapshot.
    """
    _ = gettext_in(language)
    totals = report.totals
    as_of = report.as_of.astimezone(UTC).replace(tzinfo=None)
    rows: dict[str, str | int] = {
        _("Collection Name"): _escape_formula(report.course_name or report.course_id),
        _("Batch Name"): _escape_formula(report.batch_name),
        _("As of"): f"{report.as_of.astimezone(zone):{_INSTANT}} ({zone.key})",
        _("As of (UTC)"): f"{as_of.isoformat(timespec='milliseconds')}Z",
        # Translators: How many people are enrolled in a batch; and so on with the totals that follow.
        _("Enrolled"): totals.enrolled,
        _("In progress"): totals.in_progress,
        _("Completed"): totals.completed,
        _("Certificates issued"): totals.certificates_issued,
        # Translators: How many certificates were downloaded at least once.
        _("Certificates downloaded"): totals.downloaded,
    }
    if not totals.enrolled:
        rows[_("Nobody is enrolled in this batch.")] = ""
    for label, value in rows.items():
        yield {_("Totals"): label, _("Value"): value}
