"""When it is time to check, asked without Great Expectations."""

import pytest
from loads import Loads, good_rows

from pramaan.quality.suites import REFERENCES
from pramaan.quality.waiting import LARGE_LOAD_ROWS, loads_to_check, loads_to_check_again, waiting_loads


def test_without_loads_there_is_nothing_to_check(loads: Loads) -> None:
    assert not loads_to_check(loads.connection)


@pytest.mark.parametrize(
    ("changed", "minutes_ago", "is_time"),
    [(LARGE_LOAD_ROWS, 0, True), (LARGE_LOAD_ROWS - 1, 0, False), (1, 4, False), (0, 6, True)],
)
def test_a_large_load_is_checked_at_once_and_a_small_one_with_others(
    changed: int, minutes_ago: int, is_time: bool, loads: Loads
) -> None:
    loads.add("users", changed=changed, days_ago=minutes_ago / 1440)
    assert loads_to_check(loads.connection) is is_time
    loads.check()
    assert not loads_to_check(loads.connection)


@pytest.mark.parametrize("status", ["loading", "quarantined"])
def test_what_is_not_loaded_is_not_checked(status: str, loads: Loads) -> None:
    loads.add("users", changed=LARGE_LOAD_ROWS, days_ago=1, status=status)
    assert not loads_to_check(loads.connection)
    assert loads.check() == {}


def test_the_oldest_load_comes_first(loads: Loads) -> None:
    young = loads.add("users", good_rows("users", 1), days_ago=1)
    old = loads.add("courses", good_rows("courses", 1), days_ago=2)
    assert [one.load_id for one in waiting_loads(loads.connection, at_most=9)] == [old, young]
    assert [one.load_id for one in waiting_loads(loads.connection, at_most=1)] == [old]


def test_what_is_bad_for_long_is_looked_at_ever_more_rarely(loads: Loads) -> None:
    loads.keep("users", good_rows("users", 1, user_id="known"))
    bad = loads.add("enrolments", good_rows("enrolments", 150, user_id="stranger{}"), days_ago=9)
    assert not loads.check()[bad].passed
    loads.add("users", good_rows("users", 1, user_id="new"))
    assert bad not in loads.check()

    def due() -> list[int]:
        found = loads_to_check_again(loads.connection, references=REFERENCES, at_most=9)
        return [one.load_id for one in found]

    assert due() == []
    loads.connection.execute(
        "update ops.load_verdicts set checked_at = checked_at - interval '2 days' where load_id = %s", (bad,)
    )
    assert due() == [bad]
