"""Records that break the contract on purpose, by file, each with the rule that sends it to quarantine.

They would matter if they were loaded: a course would grow, a name would vanish, a completion would appear.
"""

from dataclasses import asdict
from typing import Any

from pramaan.sample.catalogue import BATCHES, COURSES
from pramaan.sample.files import cells, json_line
from pramaan.sample.people import enrol, person, study, user_id_of
from pramaan.sample.rows import at

__all__ = ["broken_csv", "broken_json", "broken_parquet"]

_UNFINISHED = ("last_content_is_quarantined", "not_enough_contents")
_FUTURE = at("06-01").replace(year=2099)
_STRANGER = person("broken-row", number=999, language="en", name="Nobody Atall")
_DAYS = tuple(at(day) for day in ("02-20", "02-27", "03-06", "03-13"))


def broken_csv() -> dict[str, list[tuple[str, list[str]]]]:
    """Rule and cells of the broken lines of each CSV file."""
    last_of = {label: study(user_id_of(label), batch="reading-a", days=_DAYS)[-1] for label in _UNFINISHED}
    return {
        "users/learners.csv": [
            ("missing_value", cells(_STRANGER, user_id=None)),
            ("wrong_column_count", cells(_STRANGER)[:-2]),
        ],
        "batches/batches.csv": [
            ("unknown_value", cells(BATCHES["reading-b"], enrolment_type="closed", updated_at=at("08-01"))),
        ],
        "progress/late.csv.gz": [
            ("not_a_number", cells(last_of["last_content_is_quarantined"], score="abc")),
            ("wrong_column_count", [*cells(last_of["not_enough_contents"]), "x"]),
            ("out_of_range", cells(last_of["not_enough_contents"], score=101)),
        ],
    }


def broken_json() -> dict[str, list[tuple[str, str]]]:
    """Rule and line of the broken lines of each file of JSON lines."""
    entitled = person("entitled", number=1, language="hi", name="null null")
    grown = {"leaf_count": "abc", "updated_at": "2026-02-01T06:00:00Z"}
    return {
        "courses/courses.jsonl": [
            ("not_an_integer", json_line(COURSES["reading"][-1], **grown)),
            ("invalid_json", json_line(COURSES["maths"][-1])[:-9]),
        ],
        "users/more_learners.jsonl.gz": [
            ("invalid_json", json_line(_STRANGER)[:40]),
            ("instant_in_future", json_line(entitled, updated_at="2099-06-01T10:00:00Z")),
        ],
    }


def broken_parquet() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Rule and record of the broken rows of each Parquet file."""
    label = "not_enough_contents"
    enrolment = asdict(enrol(user_id_of(label), batch="reading-b"))
    last = asdict(study(user_id_of(label), batch="reading-a", days=_DAYS)[-1])
    return {
        "enrolments/enrolments.parquet": [
            ("missing_value", enrolment | {"user_id": None}),
            ("instant_in_future", enrolment | {"enrolled_at": _FUTURE}),
        ],
        "progress/progress.parquet": [
            ("unknown_value", last | {"status": 7}),
            ("missing_value", last | {"completed_at": None}),
        ],
    }
