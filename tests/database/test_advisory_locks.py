"""Advisory locks: different packages never lock the same number."""

import re
from collections import Counter

from pramaan.settings import PROJECT_ROOT


def test_no_two_advisory_locks_are_the_same_number() -> None:
    # The classes by which queues know their holders are numbers of locks, too.
    named = re.compile(r"^\s*(_?[A-Z_]+LOCK|holders)\b[^=\n]*= ?(0x[0-9A-F]+),?$", re.MULTILINE)
    found = [
        (name, number)
        for path in (PROJECT_ROOT / "include" / "pramaan").rglob("*.py")
        for name, number in named.findall(path.read_text())
    ]
    assert len(found) >= 13
    assert [number for number, times in Counter(number for _, number in found).items() if times > 1] == []


def test_no_two_queues_know_their_holders_by_the_same_number() -> None:
    holders = [
        number
        for path in (PROJECT_ROOT / "include" / "pramaan").rglob("*.py")
        for number in re.findall(r"holders=(0x[0-9A-F]+)", path.read_text())
    ]
    assert len(holders) == len(set(holders)) == 3
