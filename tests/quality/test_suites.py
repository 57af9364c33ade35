"""Each rule of each suite: the smallest load that breaks it, and the largest that may."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from loads import NOW, Loads, good_rows

from pramaan.feeds.landing import Landing
from pramaan.feeds.spec import FEEDS
from pramaan.pipeline import Pipeline
from pramaan.quality.check import Finding
from pramaan.quality.limits import Limit
from pramaan.quality.suites import FILE_SUITE, SUITES
from pramaan.sample import write_sample

OLD = (NOW - timedelta(days=500)).isoformat()
NEVER_SET = "1970-01-01T00:00:00Z"
STRANGE: dict[tuple[str, str], dict[str, Any]] = {
    ("users", "name_is_given"): {"name": "undefined undefined"},
    ("users", "name_is_not_one_letter"): {"name": "xxx"},
    ("users", "name_is_not_a_number"): {"name": "98765 43210"},
    ("users", "name_is_not_the_commonest"): {"name": "School Admin"},
    ("courses", "status_is_in_the_contract"): {"status": "Gone"},
    ("courses", "leaf_count_is_in_the_contract"): {"leaf_count": 0},
    ("courses", "leaf_count_is_plausible"): {"leaf_count": 1001},
    ("batches", "enrolment_type_is_in_the_contract"): {"enrolment_type": "closed"},
    ("batches", "course_is_known"): {"course_id": "x"},
    ("enrolments", "user_is_known"): {"user_id": "x{}"},
    ("enrolments", "course_is_known"): {"course_id": "x"},
    ("enrolments", "batch_is_known"): {"batch_id": "x"},
    ("progress", "status_is_in_the_contract"): {"status": 3},
    ("progress", "score_is_in_the_contract"): {"score": 100.5},
    ("progress", "score_is_no_fraction"): {"score": 0.5},
    ("progress", "enrolment_is_known"): {"user_id": "x{}"},
}
STRUCTURAL = ("required_columns_are_given", "key_is_given", "key_is_unique")
"""What the loader and the tables keep."""

for _feed, _spec in FEEDS.items():
    for _rule, _instant in (("dates_are_plausible", NEVER_SET), ("row_is_recent", OLD)):
        STRANGE[_feed, _rule] = {_spec.version: _instant}

CASES = [(feed, rule.name, rule.limit) for feed, suite in SUITES.items() for rule in suite
         if (feed, rule.name) in STRANGE]  # fmt: skip


@pytest.fixture
def known(loads: Loads) -> Loads:
    """Everything that good rows refer to is known, and each feed was loaded a week ago."""
    for feed in FEEDS:
        loads.add(feed, changed=1, days_ago=7)
    loads.keep("users", good_rows("users", 250))
    loads.keep("courses", good_rows("courses", 1, course_id="c"))
    loads.keep("batches", good_rows("batches", 1, batch_id="b"))
    loads.keep("enrolments", good_rows("enrolments", 250))
    return loads


def broken(known: Loads, feed: str, rows: list[dict[str, object]]) -> dict[str, Finding]:
    """What a load of these rows breaks, once the rows of the feed before it are gone."""
    if feed not in ("courses", "batches"):
        known.connection.execute(f"delete from raw.{feed}")  # type: ignore[arg-type]
    load_id = known.add(feed, rows)
    verdict = known.check()[load_id]
    assert verdict.passed == (not verdict.findings)
    return {one.rule: one for one in verdict.findings}


def test_every_rule_has_a_case() -> None:
    every = {(feed, rule.name) for feed, suite in SUITES.items() for rule in suite}
    structural = {(feed, rule) for feed in SUITES for rule in STRUCTURAL}
    assert every == set(STRANGE) | structural
    assert set(SUITES) == set(FEEDS)


@pytest.mark.parametrize(("feed", "rule", "limit"), CASES)
def test_a_rule_breaks_with_one_row_more_than_it_lets_pass(
    feed: str, rule: str, limit: Limit, known: Loads
) -> None:
    strange = good_rows(feed, limit.rows + 1, **STRANGE[feed, rule])
    good = good_rows(feed, limit.rows + 2)[-1]
    assert rule not in broken(known, feed, [*strange[1:], good])
    known.connection.execute(f"delete from raw.{feed} where load_id > 0")  # type: ignore[arg-type]
    finding = broken(known, feed, strange)[rule]
    rows = limit.rows + 1
    assert (finding.checked, finding.unexpected, finding.allowed) == (rows, rows, limit.rows)
    assert finding.evaluated
    assert finding.why == limit.why


@pytest.mark.parametrize("feed", FEEDS)
def test_good_rows_break_nothing(feed: str, known: Loads) -> None:
    assert broken(known, feed, good_rows(feed, 300 if feed in ("users", "telemetry") else 240)) == {}


@pytest.mark.parametrize("feed", FEEDS)
def test_a_table_without_its_constraints_is_found_out(feed: str, known: Loads) -> None:
    required = [one.name for one in FEEDS[feed].columns if one.required and one.name not in FEEDS[feed].key]
    known.connection.execute(f"alter table raw.{feed} drop constraint {feed}_pkey")  # type: ignore[arg-type]
    for name in (*FEEDS[feed].key, *required):
        known.connection.execute(f"alter table raw.{feed} alter {name} drop not null")  # type: ignore[arg-type]
    (row,) = good_rows(feed, 1)
    assert {"key_is_unique"} == set(broken(known, feed, [row, row]))
    known.connection.execute(f"delete from raw.{feed} where load_id > 0")  # type: ignore[arg-type]
    assert {"key_is_given"} <= set(broken(known, feed, [row | {FEEDS[feed].key[0]: ""}]))
    known.connection.execute(f"delete from raw.{feed} where load_id > 0")  # type: ignore[arg-type]
    assert {"required_columns_are_given"} <= set(broken(known, feed, [row | {required[0]: None}]))


def test_a_completion_without_its_instant_is_found_out(known: Loads) -> None:
    rows = good_rows("progress", 1, completed_at=None)
    assert set(broken(known, "progress", rows)) == {"required_columns_are_given"}


@pytest.mark.parametrize(("rows", "quarantined", "passes"), [(20, 10, True), (20, 11, False), (0, 11, False),
                                                           (950, 50, True), (949, 51, False)])  # fmt: skip
def test_a_file_of_which_too_much_was_refused_fails(
    rows: int, quarantined: int, passes: bool, known: Loads
) -> None:
    known.connection.execute("delete from raw.users")
    load_id = known.add("users", good_rows("users", rows), quarantined=quarantined)
    verdict = known.check()[load_id]
    assert verdict.passed is passes
    if not passes:
        (finding,) = verdict.findings
        assert (finding.rule, finding.suite) == (FILE_SUITE[0].name, "file")
        assert (finding.checked, finding.unexpected) == (rows + quarantined, quarantined)


def test_a_share_counts_where_it_lets_more_pass_than_the_rows(known: Loads) -> None:
    named = good_rows("users", 1000)
    nameless = [row | {"name": None} for row in named]
    assert broken(known, "users", [*nameless[:100], *named[100:]]) == {}
    finding = broken(known, "users", [*nameless[:101], *named[101:]])["name_is_given"]
    assert (finding.checked, finding.unexpected, finding.allowed) == (1000, 101, 100)


@pytest.mark.parametrize("days_ago", [(), (0.5, 1.9), (29, 300)])
def test_an_import_of_history_is_not_too_old(days_ago: tuple[float, ...], loads: Loads) -> None:
    for days in days_ago:
        loads.add("progress", changed=1, days_ago=days)
    rows = good_rows("progress", 300, updated_at=OLD, completed_at=OLD)
    assert loads.check_one(loads.add("progress", rows)) == set()


def test_what_refers_to_a_feed_that_never_came_waits(loads: Loads) -> None:
    for feed in ("progress", "enrolments", "batches"):
        assert loads.check_one(loads.add(feed, good_rows(feed, 200))) == set()


def test_the_sample_passes(loads: Loads, pipeline: Pipeline, tmp_path: Path) -> None:
    write_sample(tmp_path / "sample")
    assert_passes(loads, pipeline, tmp_path / "sample", feeds={"users", "courses", "batches", "enrolments",
                                                              "progress"})  # fmt: skip


def test_real_enrolments_of_years_ago_pass(
    loads: Loads, pipeline: Pipeline, oulad_feeds: Callable[..., Path]
) -> None:
    assert_passes(loads, pipeline, oulad_feeds(modules="AAA,BBB"), feeds=set(FEEDS) - {"telemetry"})


def assert_passes(loads: Loads, pipeline: Pipeline, folder: Path, *, feeds: set[str]) -> None:
    """The feeds of a folder pass when they are the first to come."""
    landing = Landing(loads.settings.landing_url)
    for path in sorted(folder.glob("*/*")):
        if path.parent.name in FEEDS:
            landing.add(path.parent.name, path)
    loaded = pipeline.load(loads.connection)
    verdicts = loads.check().values()
    assert len(verdicts) == len(loaded)
    assert {one.feed for one in verdicts} == feeds
    assert [one for one in verdicts if not one.passed] == []
