"""A report's files, opened with other programs than those that wrote them."""

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import duckdb
import openpyxl
import pytest
import pyzipper
from python_calamine import CalamineWorkbook
from report_people import (
    INDIA,
    NASTY,
    Cell,
    add_batch,
    add_nasty_people,
    add_people,
    add_person,
    add_scored_contents,
    as_told,
    opened,
)

from pramaan.database.connect import Connection
from pramaan.errors import ReportError
from pramaan.localisation import LANGUAGES
from pramaan.reports.columns import COLUMNS, headers
from pramaan.reports.files import MOST_SHEET_ROWS, file_name, file_suffix, write_report
from pramaan.reports.ledger import Format
from pramaan.reports.rows import MOST_SCORED_CONTENTS

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
PASSWORD = "पासवर्ड 123"

Write = Callable[..., Path]


@pytest.fixture
def write(connection: Connection, tmp_path: Path) -> Write:
    """Writes the file of batch `b`."""

    def to_file(format: Format, *, language: str = "en", password: str | None = None) -> Path:  # noqa: A002
        target = tmp_path / "report"
        with opened(connection) as report:
            write_report(report, target, format=format, language=language, zone=INDIA, password=password)
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["report"]
        return target

    return to_file


def inert(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def csv_text(cell: Cell, n: int) -> str:
    """A cell as CSV has it."""
    if cell is None:
        return ""
    if isinstance(cell, date):
        return f"{cell:%d/%m/%Y}"
    if n == [column.name for column in COLUMNS].index("total_score"):
        return f"{cell:.1f}"
    if isinstance(cell, float):
        return f"{cell:.17g}"
    return inert(f"BatchId_{cell}" if COLUMNS[n].name == "batch_id" else str(cell))


def read_csv(file: Path, folder: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    """The header, and the rows by DuckDB, all as text."""
    with ZipFile(file) as archive:
        name = archive.namelist()[0]
        archive.extract(name, folder)
    with (folder / name).open(encoding="utf-8", newline="") as stream:
        assert stream.read(1) == "\ufeff"
        header = next(csv.reader(stream))
    with duckdb.connect() as con:
        rows = con.execute(
            "select * from read_csv(?, header = true, all_varchar = true)", [str(folder / name)]
        ).fetchall()
    return header, [tuple(cell or "" for cell in row) for row in rows]


def read_sheets(file: Path) -> dict[str, list[list[Cell]]]:
    with file.open("rb") as stream:
        workbook = CalamineWorkbook.from_filelike(stream)
        return {name: workbook.get_sheet_by_name(name).to_python() for name in workbook.sheet_names}  # type: ignore[misc]


def load_workbook(file: Path) -> openpyxl.Workbook:
    with file.open("rb") as stream:
        return openpyxl.load_workbook(stream)


def assert_csv_is_as_told(file: Path, folder: Path, told: dict[str, list[Cell]]) -> None:
    header, rows = read_csv(file, folder)
    assert len(header) == len(next(iter(told.values())))
    expected = {
        inert(user_id): [csv_text(cell, n) for n, cell in enumerate(cells)] for user_id, cells in told.items()
    }
    assert len(rows) == len(expected)
    for row in rows:
        found = [f"{float(cell):.17g}" if cell and n >= len(COLUMNS) else cell for n, cell in enumerate(row)]
        assert found == expected[row[4]]


def assert_sheet_is_as_told(rows: list[list[Cell]], told: dict[str, list[Cell]]) -> None:
    assert len(rows) == len(told) + 1
    expected = {
        inert(user_id): [
            inert(cell) if isinstance(cell, str) else "" if cell is None else cell for cell in cells
        ]
        for user_id, cells in told.items()
    }
    for row in rows[1:]:
        assert row == expected[str(row[4])]


def test_every_nasty_cell_survives_in_csv(connection: Connection, write: Write, tmp_path: Path) -> None:
    add_nasty_people(connection)
    assert_csv_is_as_told(write("csv"), tmp_path / "out", as_told(connection))


def test_every_nasty_cell_survives_in_a_workbook(connection: Connection, write: Write) -> None:
    add_nasty_people(connection)
    sheets = read_sheets(write("xlsx"))
    # This reader leaves escaped what is no character at all.
    rows = [
        [cell.replace("_xFFFE_", "\ufffe") if isinstance(cell, str) else cell for cell in row]
        for row in sheets["Progress"]
    ]
    assert_sheet_is_as_told(rows, as_told(connection))
    assert dict(sheets["Totals"])["Batch Name"] == "'=1+1"  # type: ignore[arg-type]


def test_headers_are_inert_too_and_of_one_line(connection: Connection, write: Write, tmp_path: Path) -> None:
    add_nasty_people(connection)
    contents = sorted([*NASTY, "{} %s %(x)s"])
    plain = [re.sub("[\r\n]+", " ", header) for header in headers(tuple(contents), language="en")]
    expected = [inert(header) for header in plain]
    assert read_csv(write("csv"), tmp_path / "out")[0] == expected
    found = [str(cell).replace("_xFFFE_", "\ufffe") for cell in read_sheets(write("xlsx"))["Progress"][0]]
    assert found == expected


def test_lines_of_csv_end_as_the_standard_has_it(connection: Connection, write: Write) -> None:
    add_batch(connection)
    add_person(connection, "u1")
    with ZipFile(write("csv")) as archive:
        assert archive.namelist()[1:] == ["totals.txt"]
        report = archive.read(archive.namelist()[0])
    assert report.count(b"\r\n") == report.count(b"\n") == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_files_are_in_the_language(
    connection: Connection, write: Write, tmp_path: Path, language: str
) -> None:
    add_batch(connection)
    add_person(connection, "u1")
    assert read_csv(write("csv", language=language), tmp_path / "out")[0] == headers((), language=language)
    workbook = load_workbook(write("xlsx", language=language))
    progress, totals = workbook.worksheets
    assert [cell.value for cell in progress[1]] == headers((), language=language)
    assert totals.max_row == 10
    assert bool(progress.sheet_view.rightToLeft) == (language == "ur")


def test_a_workbook_is_typed_and_ready_to_be_read(connection: Connection, write: Write) -> None:
    add_batch(connection)
    add_person(connection, "00123", completed_at="2026-02-01T00:00:00Z")
    progress = load_workbook(write("xlsx"))["Progress"]
    assert (progress.freeze_panes, progress.auto_filter.ref) == ("A2", "A1:W2")
    assert all(cell.font.b for cell in progress[1])
    assert [progress.column_dimensions[one].width > 10 for one in "AEW"] == [True] * 3
    cells = {str(head.value): cell for head, cell in zip(progress[1], progress[2], strict=True)}
    assert (cells["User UUID"].value, cells["User UUID"].data_type) == ("00123", "s")
    assert cells["User UUID"].number_format == "@"
    assert (cells["Enrolment Date"].value, cells["Enrolment Date"].number_format) == (
        datetime(2026, 1, 5),  # noqa: DTZ001 - a day in a sheet
        "dd/mm/yyyy",
    )
    assert (cells["Progress"].value, cells["Progress"].number_format) == (100, "0")
    assert cells["Total Score"].value is None


@pytest.mark.parametrize("people", [0, 2])
def test_totals_and_the_instant_stand_in_both(connection: Connection, write: Write, people: int) -> None:
    add_batch(connection)
    for n in range(people):
        add_person(connection, f"u{n}", completed_at="2026-02-01T00:00:00Z")
    before = datetime.now(UTC)
    sheets = read_sheets(write("xlsx"))
    assert len(sheets["Progress"]) == 1 + people
    totals = dict(sheets["Totals"][1:])  # type: ignore[arg-type]
    assert before <= datetime.fromisoformat(str(totals["As of (UTC)"])).replace(microsecond=999_999)
    assert str(totals["As of"]).endswith("(Asia/Kolkata)")
    assert (totals["Collection Name"], totals["Batch Name"]) == ("Reading", "January")
    labels = ("Enrolled", "In progress", "Completed", "Certificates issued", "Certificates downloaded")
    assert [totals[label] for label in labels] == [people, 0, people, 0, 0]
    with ZipFile(write("csv")) as archive:
        text = archive.read("totals.txt").decode("utf-8-sig")
    assert f"Enrolled: {people}\r\n" in text
    assert "Certificates downloaded: 0\r\n" in text
    is_said = "Nobody is enrolled in this batch." in text
    assert is_said == ("Nobody is enrolled in this batch." in totals) == (people == 0)


@pytest.mark.parametrize("format_", ["csv", "xlsx"])
def test_a_password_is_needed_to_read_an_encrypted_report(
    connection: Connection, write: Write, tmp_path: Path, format_: Format
) -> None:
    add_batch(connection)
    add_person(connection, "u1")
    file = write(format_, password=PASSWORD)
    assert b"Asha Rao" not in file.read_bytes()
    with pyzipper.AESZipFile(file) as archive:
        name = archive.namelist()[0]
        assert name.endswith(f".{format_}")
        assert {(entry.wz_aes_version, entry.wz_aes_strength) for entry in archive.infolist()} <= {
            (1, 3),
            (2, 3),
        }
        with pytest.raises(RuntimeError):
            archive.read(name)
        with pytest.raises((RuntimeError, BadZipFile)):
            archive.read(name, pwd=b"wrong password")
        content = archive.read(name, pwd=PASSWORD.encode())
    (tmp_path / "plain").write_bytes(content)
    if format_ == "xlsx":
        assert read_sheets(tmp_path / "plain")["Progress"][1][5] == "Asha Rao"
    else:
        assert "Asha Rao" in content.decode()


def test_text_that_no_cell_holds_is_visibly_cut(connection: Connection, write: Write) -> None:
    add_batch(connection)
    add_person(connection, "u1", name="😀" * 16_383)
    add_person(connection, "u2", name="=" + "😀" * 40_000)
    names = [row[5] for row in read_sheets(write("xlsx"))["Progress"][1:]]
    assert sorted(map(str, names)) == sorted(["😀" * 16_383, "'=" + "😀" * 16_381 + "…"])


def test_with_a_date_before_excel_dates_are_text(
    connection: Connection, write: Write, tmp_path: Path
) -> None:
    add_batch(connection)
    add_person(connection, "u1", enrolled_at="0999-12-31T00:00:00Z")
    add_person(connection, "u2", enrolled_at="2026-01-31T00:00:00Z")
    enrolled = [row[18] for row in read_sheets(write("xlsx"))["Progress"][1:]]
    assert enrolled == ["31/12/0999", "31/01/2026"]
    assert read_csv(write("csv"), tmp_path / "out")[1][0][18] == "31/12/0999"


def test_more_people_than_a_sheet_has_rows_ask_for_csv(connection: Connection, tmp_path: Path) -> None:
    add_batch(connection)
    with opened(connection) as report:
        crowded = replace(report, totals=replace(report.totals, enrolled=MOST_SHEET_ROWS))
        with pytest.raises(ReportError, match="ask for csv") as caught:
            write_report(crowded, tmp_path / "r", format="xlsx", language="en", zone=INDIA, password=None)
    assert caught.value.code == "too_many_rows"


def test_names_longer_than_a_cell_are_cut(connection: Connection, write: Write) -> None:
    add_batch(connection)
    connection.execute("update raw.batches set name = repeat('b', 40000)")
    connection.execute("update raw.courses set name = repeat('c', 40000)")
    write("xlsx")
    write("csv")


@pytest.mark.parametrize(
    ("batch_id", "format_", "is_encrypted", "name"),
    [
        ("01301", "csv", False, "progress-01301-20260201.zip"),
        ("01301", "xlsx", False, "progress-01301-20260201.xlsx"),
        ("01301", "xlsx", True, "progress-01301-20260201.zip"),
        ("../a\r\nb: c\u202e", "csv", False, "progress-a-b-c-20260201.zip"),
        ("अ", "csv", False, "progress-20260201.zip"),
        ("x" * 500, "csv", True, f"progress-{'x' * 60}-20260201.zip"),
    ],
)
def test_a_file_is_named_in_plain_letters(
    batch_id: str, format_: Format, is_encrypted: bool, name: str
) -> None:
    evening = datetime(2026, 1, 31, 19, tzinfo=UTC)
    suffix = file_suffix(format_, is_encrypted=is_encrypted)
    assert file_name(batch_id, as_of=evening, zone=INDIA, suffix=suffix) == name


def test_a_thousand_scored_contents_are_all_there(
    connection: Connection, write: Write, tmp_path: Path
) -> None:
    add_people(connection, 3_000)
    add_scored_contents(connection, MOST_SCORED_CONTENTS - 5)
    told = as_told(connection)
    assert_csv_is_as_told(write("csv"), tmp_path / "out", told)
    assert_sheet_is_as_told(read_sheets(write("xlsx"))["Progress"], told)


@pytest.mark.long
def test_a_quarter_of_a_million_people_are_all_there(
    connection: Connection, write: Write, tmp_path: Path
) -> None:
    add_people(connection, 250_000)
    told = as_told(connection)
    assert_csv_is_as_told(write("csv"), tmp_path / "out", told)
    assert_sheet_is_as_told(read_sheets(write("xlsx"))["Progress"], told)
