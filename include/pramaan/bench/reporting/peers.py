"""The same workbook by other writers: the cells of the large report, already read, to a finished file."""

import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from pramaan.bench.measurement import Measurement
from pramaan.bench.reporting.synthetic_people import LARGE
from pramaan.database.connect import connect
from pramaan.pipeline import Pipeline
from pramaan.reports.columns import COLUMNS, headers
from pramaan.reports.files import write_report
from pramaan.reports.rows import Report, open_report

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["measure_peers"]

_TIMES: Final = 3
_FORMATS: Final = {"text": "@", "date": "dd/mm/yyyy", "integer": "0", "score": "0.0"}
_REMARKS: Final = {
    "xlsxwriter": "constant_memory; every feature of ours, but takes one Python value at a time",
    "xlsxturbo": "constant_memory; needs the whole table as a data frame in memory, and lacks sheets from "
    "right to left and leave for ids that look like numbers",
}


def measure_peers(
    pipeline: Pipeline, *, people: int, report: Callable[[str], None] = lambda _: None
) -> list[Measurement]:
    """Write the large report's workbook with each writer in turn, the median of three, and compare.

    The peers write the sheet of people with its formats, frozen header, filter and widths; ours also makes
    cells inert and writes the totals.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        taken = pool.submit(
            _write_all, pipeline.worker_config.database_url, pipeline.worker_config.timezone
        ).result()
    found = []
    for name, seconds in taken.items():
        report(f"{people:,} rows by {name}: {seconds:.2f} s")
        what = f"{people:,} rows, read before, to xlsx by {name}"
        remark = _REMARKS.get(name, "makes cells inert and writes the totals, too")
        found.append(Measurement(what, seconds, "s", None, f"{remark}; median of {_TIMES}"))
    ours = taken["ours"]
    return found + [
        Measurement(f"{name} to ours", taken[name] / ours, "times as long", None, "the same cells")
        for name in _REMARKS
    ]


def _write_all(database_url: str, timezone: str) -> dict[str, float]:
    """The seconds that each takes."""
    import pyarrow as pa

    zone = ZoneInfo(timezone)
    with (
        tempfile.TemporaryDirectory() as folder,
        connect(database_url) as connection,
        open_report(connection, LARGE, tenants=None, zone=zone, folder=Path(folder)) as report,
    ):
        names = headers(report.scored_contents, language="en")
        cells = report.batches.read_all()
        named = pa.Table.from_arrays(cells.columns, names)
        file = Path(folder) / "report.xlsx"
        writers: dict[str, Callable[[], None]] = {
            "ours": partial(_write_ours, report, cells, file, zone),
            "xlsxwriter": partial(_write_with_xlsxwriter, named, file),
            "xlsxturbo": partial(_write_with_xlsxturbo, named, file),
        }
        took: dict[str, list[float]] = {name: [] for name in writers}
        for _ in range(_TIMES):
            for name, write in writers.items():
                began = perf_counter()
                write()
                took[name].append(perf_counter() - began)
    return {name: median(seconds) for name, seconds in took.items()}


def _write_ours(report: Report, cells: "pa.Table", file: Path, zone: ZoneInfo) -> None:
    again = replace(report, batches=cells.to_reader())
    write_report(again, file, format="xlsx", language="en", zone=zone, password=None)


def _write_with_xlsxwriter(cells: "pa.Table", file: Path) -> None:
    import xlsxwriter  # type: ignore[import-untyped]

    with xlsxwriter.Workbook(str(file), {"constant_memory": True}) as workbook:
        formats = {kind: workbook.add_format({"num_format": shown}) for kind, shown in _FORMATS.items()}
        sheet = workbook.add_worksheet("Progress")
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, cells.num_rows, cells.num_columns - 1)
        sheet.ignore_errors({"number_stored_as_text": f"A1:R{cells.num_rows + 1}"})
        writes = [
            {"text": sheet.write_string, "date": sheet.write_datetime}.get(column.kind, sheet.write_number)
            for column in COLUMNS
        ]
        writes += [sheet.write_number] * (cells.num_columns - len(COLUMNS))
        styles = [formats[column.kind] for column in COLUMNS]
        styles += [None] * (cells.num_columns - len(COLUMNS))
        for n, column in enumerate(COLUMNS):
            sheet.set_column(n, n, column.width)
        sheet.write_row(0, 0, cells.column_names, workbook.add_format({"bold": True}))
        row = 0
        for batch in cells.to_batches():
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                row += 1
                for n, value in enumerate(values):
                    if value is not None:
                        writes[n](row, n, value, styles[n])


def _write_with_xlsxturbo(cells: "pa.Table", file: Path) -> None:
    xlsxturbo = import_module("xlsxturbo")  # its types are written in a syntax that mypy does not read
    named = list(zip(cells.column_names, COLUMNS, strict=False))
    with warnings.catch_warnings():
        # It warns of what its constant memory leaves out, whether or not that was asked for.
        warnings.simplefilter("ignore", RuntimeWarning)
        xlsxturbo.df_to_xlsx(
            cells.to_pandas(),
            file,
            sheet_name="Progress",
            freeze_panes=True,
            autofilter=True,
            constant_memory=True,
            header_format={"bold": True},
            column_widths={n: column.width for n, column in enumerate(COLUMNS)},
            column_formats={name: {"num_format": _FORMATS[column.kind]} for name, column in named},
        )
