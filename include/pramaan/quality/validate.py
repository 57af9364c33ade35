"""A suite upon rows, by Great Expectations, which is imported when it is called and not before.

Great Expectations keeps everything in memory here: it writes no file, and speaks to nobody.
"""

import logging
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pramaan.quality.suites import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

__all__ = ["Broken", "Validated", "Validator"]

_TALKATIVE: Final = ("great_expectations", "altair", "matplotlib", "numexpr", "py4j", "asyncio")
"""Loggers that flood a task's log, at the import and later."""

_NO_VALUES: Final[Any] = {"result_format": "SUMMARY", "partial_unexpected_count": 0}
"""Counts of what is unexpected, never the values themselves."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that does not hold: of `checked` values `unexpected` break it, and `allowed` might.

    One that could not be evaluated counts as broken, and says so in `evaluated`.
    """

    rule: Rule
    checked: int
    unexpected: int
    allowed: int
    evaluated: bool = True


@dataclass(frozen=True, slots=True)
class Validated:
    """What came of a suite: the rules looked at with how many values each, those broken, and the result as
    sections of Great Expectations' Data Docs.
    """

    checked: Mapping[Rule, int]
    broken: tuple[Broken, ...]
    sections: Sequence[Mapping[str, Any]]


class Validator:
    """One context of Great Expectations for any number of loads. Making it takes seconds."""

    def __init__(self) -> None:
        with _quiet_import():
            from great_expectations import get_context
            from great_expectations.data_context.types.base import (
                DataContextConfig,
                InMemoryStoreBackendDefaults,
                ProgressBarsConfig,
            )
        self._context = get_context(
            mode="ephemeral",
            project_config=DataContextConfig(
                # Else it would make a folder of its own under /tmp.
                store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
                analytics_enabled=False,
                progress_bars=ProgressBarsConfig(globally=False),
            ),
        )

    def validate(self, name: str, rules: Sequence[Rule], rows: "pa.Table") -> Validated:
        """Look at `rows` by those of the rules that have something to look at. Keeps nothing of the rows."""
        frame = rows.to_pandas()
        counts = {
            rule: len(frame) if rule.check in ("given", "unique") else int(frame[rule.column].notna().sum())
            for rule in rules
        }
        checked = {rule: count for rule, count in counts.items() if count}
        result = self._run(name, checked, frame)
        rule_of = {rule.name: rule for rule in checked}
        broken = []
        for one in result.results:
            if not one.success:
                rule = rule_of[one.expectation_config.meta["rule"]]
                broken.append(_broken(rule, checked[rule], one))
        return Validated(checked, tuple(broken), _sections(result))

    def _run(self, name: str, checked: Mapping[Rule, int], frame: Any) -> Any:
        from great_expectations import ExpectationSuite

        source = self._context.data_sources.add_pandas(name)
        try:
            expectations = [_expectation(rule, count) for rule, count in checked.items()]
            batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
            return batch.get_batch({"dataframe": frame}).validate(
                ExpectationSuite(name, expectations=expectations), result_format=_NO_VALUES
            )
        finally:
            # Or the rows would stay in memory.
            self._context.data_sources.delete(name)


def _expectation(rule: Rule, checked: int) -> Any:
    """The rule as Great Expectations says it, for so many values."""
    from great_expectations import expectations as gxe

    common: Any = {
        "column": rule.column,
        "mostly": _mostly(checked, rule.limit.allowed(checked)),
        "meta": {"rule": rule.name},
    }
    match rule.check:
        case "given":
            return gxe.ExpectColumnValuesToNotBeNull(**common)
        case "unique":
            return gxe.ExpectColumnValuesToBeUnique(**common)
        case "true":
            return gxe.ExpectColumnValuesToBeInSet(value_set=[True], **common)
        case "in_set":
            return gxe.ExpectColumnValuesToBeInSet(value_set=list(rule.values), **common)
        case "between":
            return gxe.ExpectColumnValuesToBeBetween(min_value=rule.low, max_value=rule.high, **common)


def _mostly(checked: int, allowed: int) -> float:
    """The share that must hold, rounded down: by as little as no row of ROWS_AT_MOST weighs."""
    return int((checked - allowed) / checked * 1_000_000) / 1_000_000


def _broken(rule: Rule, checked: int, result: Any) -> Broken:
    unexpected = result.result.get("unexpected_count")
    return Broken(
        rule,
        checked=checked,
        unexpected=int(unexpected or 0),
        allowed=rule.limit.allowed(checked),
        evaluated=unexpected is not None,
    )


def _sections(result: Any) -> Sequence[Mapping[str, Any]]:
    """The result column by column, without what Great Expectations says of itself and of the run."""
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    document = ValidationResultsPageRenderer().render(result).to_json_dict()
    sections: list[Mapping[str, Any]] = document["sections"][1:]
    return sections


@contextmanager
def _quiet_import() -> "Iterator[None]":
    """For the block no warnings, which are about what is imported; talkative loggers at WARNING for good."""
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
