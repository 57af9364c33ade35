"""What was written, and what a correct pipeline must make of it: known from the stories, by no rule."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pramaan.sample.catalogue import SampleAttachment
from pramaan.sample.rows import Outcome, Story
from pramaan.warehouse.decisions import DECISIONS

__all__ = ["BrokenRow", "SampleSummary", "UnknownColumn", "count_decisions"]


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that breaks the contract. `row_number` counts the data rows of the file from 1."""

    feed: str
    file: str
    row_number: int
    rule: str


@dataclass(frozen=True, slots=True)
class UnknownColumn:
    """A column that the contract does not know; it is reported once, and its rows load."""

    feed: str
    file: str
    column: str


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """Expected figures of the written sample, in the order in which they are printed.

    `good_rows` and `bad_rows` count the files' rows by feed, `keys` the rows of the raw tables after merging;
    `decisions` has every reason; `outcomes` are the completions; `scenarios` the labelled cases of the rules.
    """

    learners: int
    good_rows: Mapping[str, int]
    bad_rows: Mapping[str, int]
    keys: Mapping[str, int]
    completions: int
    decisions: Mapping[str, int]
    outcomes: tuple[Outcome, ...]
    scenarios: tuple[Story, ...]
    broken_rows: tuple[BrokenRow, ...]
    unknown_columns: tuple[UnknownColumn, ...]
    issuers: tuple[Mapping[str, Any], ...]
    attachments: tuple[SampleAttachment, ...]


def count_decisions(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """The number of outcomes by decision, every decision named, in the order of the rules."""
    counts = Counter(outcome.decision for outcome in outcomes)
    return {decision: counts[decision] for decision in DECISIONS}
