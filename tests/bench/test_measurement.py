"""A figure that does not reach its target is marked in BENCHMARKS.md."""

from pathlib import Path

import pytest

from pramaan.bench.measurement import Measurement
from pramaan.bench.sections import write_section


@pytest.mark.parametrize(
    ("value", "target", "is_missed"),
    [
        (999.0, "at least 1,000", True),
        (1000.0, "at least 1,000", False),
        (2.01, "at most 2", True),
        (2.0, "at most 2", False),
        (2.0, "under 2", True),
        (0.5, "flat: below 1", False),
        (19.9, "under 20 s", False),
        (5.0, None, False),
    ],
)
def test_a_target_is_missed_or_reached(value: float, target: str | None, is_missed: bool) -> None:
    assert Measurement("figure", value, "s", target, "").is_missed is is_missed


def test_a_target_without_a_bound_is_an_error() -> None:
    with pytest.raises(ValueError, match="figure: the target 'quick'"):
        assert Measurement("figure", 1.0, "s", "quick", "").is_missed


def test_a_missed_target_is_marked_in_the_table(tmp_path: Path) -> None:
    file = tmp_path / "BENCHMARKS.md"
    write_section(
        file,
        "render",
        [
            Measurement("slow", 1.0, "/s", "at least 2", "r"),
            Measurement("quick", 3.0, "/s", "at least 2", ""),
        ],
    )
    rows = file.read_text().splitlines()
    assert "| slow | 1 | /s | at least 2 **missed** | r |" in rows
    assert "| quick | 3 | /s | at least 2 |  |" in rows
