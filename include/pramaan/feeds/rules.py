"""The contract as SQL for DuckDB, generated from a feed's specification: typed values, and rules in order.

Nothing is repaired: a value that would have to be guessed is a broken row.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from pramaan.feeds.chunks import LINE_COLUMN, ROW_NUMBER
from pramaan.feeds.spec import Column, FeedSpec, Kind
from pramaan.feeds.spreadsheets import MESSAGE, ruined
from pramaan.feeds.typing_sql import given_columns, quoted, typed_value

__all__ = ["BROKEN", "DEEPEST_JSON", "Rule", "checking_sql", "json_depth", "rules_of"]

_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]')

DEEPEST_JSON = 100
"""Postgres parses JSON by recursion: what one statement could still store, another can no longer read."""

BROKEN = "_pramaan_broken"
"""The column with the number of the first rule that a row breaks, null for a good row."""

_NOT_OF_TYPE = {
    Kind.INTEGER: ("not_an_integer", "is no whole number"),
    Kind.NUMBER: ("not_a_number", "is no number"),
    Kind.BOOLEAN: ("not_a_boolean", "is neither true nor false"),
    Kind.INSTANT: ("not_an_instant", "is no instant with a time zone, such as 2026-01-31T09:30:00Z"),
    Kind.DATE: ("not_a_date", "is no date, such as 2026-01-31"),
    Kind.EPOCH_MS: ("not_an_instant", "is no number of milliseconds since 1970"),
    Kind.TEXT: ("not_text", "is no text"),
    Kind.LIST: ("not_a_list", "is no list of texts"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A row breaks it where `condition`, in SQL, is true. `column_name` None: it is about the whole row."""

    name: str
    message: str
    condition: str
    column_name: str | None = None


def rules_of(spec: FeedSpec, *, is_json: bool, keys_repeat: bool, latest: datetime) -> tuple[Rule, ...]:
    """The rules of a feed, in the order in which they are validated."""
    whole = [Rule("invalid_json", "the line is no JSON object", "raw_line is null")] if is_json else []
    if keys_repeat:
        repeats = "len(json_keys(raw_line)) <> len(list_distinct(json_keys(raw_line)))"
        whole.append(Rule("repeated_key", "the line has a key twice", repeats))
    return (*whole, *(rule for column in spec.columns for rule in _column_rules(column, latest=latest)))


def checking_sql(spec: FeedSpec, schema: pa.Schema, *, rules: Sequence[Rule]) -> str:
    """The query over `chunk`: row number, the typed columns and BROKEN, in the chunk's order."""
    types = {c.name: _arrow_type(schema, c) for c in spec.columns}
    is_json = LINE_COLUMN in schema.names
    values = ", ".join(
        f"{typed_value(c, types[c.name], is_json=is_json)} as {quoted(c.name)}" for c in spec.columns
    )
    broken = " ".join(f"when {rule.condition} then {number}" for number, rule in enumerate(rules))
    final = ", ".join(quoted(c.name) for c in spec.columns)
    return f"""
        with given as ({given_columns(spec.columns, schema, is_json=is_json)}),
        typed as (select *, {values} from given)
        select {ROW_NUMBER}, {final}, case {broken} end as {BROKEN} from typed
    """  # noqa: S608 - generated from the feed's specification and quoted names only


def _arrow_type(schema: pa.Schema, column: Column) -> pa.DataType:
    index = schema.get_field_index(column.name)
    return schema.field(index).type if index >= 0 else pa.string()


def _column_rules(column: Column, *, latest: datetime) -> list[Rule]:
    given, value = quoted("given_" + column.name), quoted(column.name)
    if column.kind is Kind.LINE:
        # The escape itself, and not a backslash escaped before the letters u0000.
        is_escape = f"regexp_matches({given}, '(^|[^\\\\])(\\\\\\\\)*\\\\u0000')"
        condition = f"contains({given}, '\\u0000') and {is_escape}"
        # Brackets are counted first, and only where there are many is it looked at how they are nested.
        brackets = f"length({given}) - length(translate({given}, '[{{', ''))"
        too_deep = f"{brackets} > {DEEPEST_JSON} and json_depth({given}) > {DEEPEST_JSON}"
        return [
            Rule("nul_character", "the event holds a NUL character", condition),
            Rule("too_deep", f"the event is nested deeper than {DEEPEST_JSON} levels", too_deep),
        ]

    def rule(name: str, message: str, condition: str) -> Rule:
        return Rule(name, f"{column.name} {message}", condition, column.name)

    rules = []
    if column.required:
        rules.append(rule("missing_value", "is missing", f"{given} is null"))
    if column.required_when:
        other, wanted = column.required_when
        rules.append(rule("missing_value", f"is missing, though {other} is {wanted}",
                          f"{quoted(other)}::varchar = '{wanted}' and {given} is null"))  # fmt: skip
    rules.append(rule(*_NOT_OF_TYPE[column.kind], f"{given} is not null and {value} is null"))
    if column.kind in (Kind.TEXT, Kind.LIST) and not column.values:
        rules.append(rule("nul_character", "holds a NUL character", f"contains({value}, chr(0))"))
        rules.append(rule("too_long", f"is longer than {column.longest_bytes} bytes",
                          f"strlen({value}) > {column.longest_bytes}"))  # fmt: skip
    if column.is_id:
        rules.append(rule("spreadsheet_number", MESSAGE, ruined(column)))
    if column.values:
        accepted = ", ".join(f"'{v}'" for v in column.values)
        rules.append(rule("unknown_value", f"is none of {', '.join(column.values)}",
                          f"{value}::varchar not in ({accepted})"))  # fmt: skip
    bounds = [f"{value} < {column.low!r}"] if column.low is not None else []
    bounds += [f"{value} > {column.high!r}"] if column.high is not None else []
    if bounds:
        rules.append(rule("out_of_range", _range_text(column), " or ".join(bounds)))
    if column.kind is Kind.INSTANT:
        rules.append(
            rule("out_of_range", "is before the year 1", f"{value} < timestamptz '0001-01-01 00:00:00+00'")
        )
    if column.kind in (Kind.INSTANT, Kind.EPOCH_MS):
        rules.append(rule("instant_in_future", "is more than 24 hours ahead of the load",
                          f"{value} > timestamptz '{latest.isoformat()}'"))  # fmt: skip
    return rules


def _range_text(column: Column) -> str:
    if column.low is not None and column.high is not None and column.high < 2**31 - 1:
        return f"is outside {column.low:g} to {column.high:g}"
    return f"is below {column.low:g} or too large" if column.low is not None else f"is above {column.high:g}"


def json_depth(text: str) -> int:
    """How deep objects and lists are nested in a JSON text. Brackets inside strings are none."""
    depth = deepest = 0
    for bracket in _BRACKETS.finditer(text):
        if bracket[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif bracket[0] in "]}":
            depth -= 1
    return deepest
