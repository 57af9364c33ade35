"""Checks a chunk against its feed's contract and gives it the warehouse's types, by generated DuckDB SQL.

Every rule is judged for every row; a row is rejected for the first rule it breaks, in the order of the feed's columns.
Nothing is repaired: a value that would have to be guessed is a broken row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from pramaan.feeds.sources import LINE_COLUMN, ROW_NUMBER, Chunk, Reject
from pramaan.feeds.spec import Column, FeedSpec, Kind

__all__ = ["FUTURE_LIMIT", "Checked", "Validator"]

FUTURE_LIMIT = timedelta(hours=24)
"""An instant further ahead of the load than this is a clock gone wrong, not a fact."""

_INSTANT = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$"
_BROKEN_TYPE_RULES = {
    Kind.INTEGER: ("not_an_integer", "is no whole number"),
    Kind.NUMBER: ("not_a_number", "is no number"),
    Kind.BOOLEAN: ("not_a_boolean", "is neither true nor false"),
    Kind.INSTANT: ("not_an_instant", "is no instant with a time zone, such as 2026-01-31T09:30:00Z"),
    Kind.DATE: ("not_a_date", "is no date, such as 2026-01-31"),
    Kind.EPOCH_MS: ("not_an_instant", "is no number of milliseconds since 1970"),
    Kind.TEXT: ("not_text", "is an object or a list, not text"),
}


@dataclass(frozen=True, slots=True)
class Checked:
    """The good rows, typed, in the feed's column order; and the rejected ones."""

    rows: pa.Table
    rejects: tuple[Reject, ...]
    unknown_columns: frozenset[str]


class Validator:
    """Checks the chunks of one file. Not thread-safe; close it (or use `with`) to give DuckDB's memory back."""

    def __init__(self, spec: FeedSpec, *, loaded_at: datetime) -> None:
        self._spec = spec
        self._latest = (loaded_at + FUTURE_LIMIT).isoformat()
        self._con = duckdb.connect(config={"threads": 1, "memory_limit": "256MB"})
        self._con.execute("set timezone = 'UTC'")

    def __enter__(self) -> "Validator":
        return self

    def __exit__(self, *exc: object) -> None:
        self._con.close()

    def check(self, chunk: Chunk) -> Checked:
        """Split a chunk into typed good rows and rejects; changes nothing outside."""
        is_json = LINE_COLUMN in chunk.rows.column_names
        self._con.register("chunk", chunk.rows)
        try:
            unknown = self._unknown_columns(chunk.rows.column_names, is_json=is_json)
            judged = self._con.sql(self._sql(chunk.rows.schema, is_json=is_json)).to_arrow_table()
        finally:
            self._con.unregister("chunk")
        names = [c.name for c in self._spec.columns]
        broken = judged.filter(pa.compute.is_valid(judged["broken"]))
        good = judged if not broken.num_rows else judged.filter(pa.compute.is_null(judged["broken"]))
        return Checked(good.select(names), chunk.rejects + self._rejects(broken), unknown)

    def _rejects(self, broken: pa.Table) -> tuple[Reject, ...]:
        return tuple(
            Reject(
                row_number=row[ROW_NUMBER],
                rule=row["broken"]["rule"],
                message=f"{row['broken']['column_name']} {row['broken']['message']}",
                raw_row=(row["raw_row"] or "").replace("\x00", "\\u0000"),
                column_name=row["broken"]["column_name"],
            )
            for row in broken.select([ROW_NUMBER, "broken", "raw_row"]).to_pylist()
        )

    def _unknown_columns(self, present: Sequence[str], *, is_json: bool) -> frozenset[str]:
        known = {c.name for c in self._spec.columns} | {ROW_NUMBER, LINE_COLUMN}
        if self._spec.json_only:
            return frozenset()  # an envelope of its own specification: kept whole, not column by column
        if is_json:
            found = self._con.execute(
                f"select distinct unnest(json_keys({LINE_COLUMN})) from chunk "
                f"where case when json_valid({LINE_COLUMN}) then json_type({LINE_COLUMN}) = 'OBJECT' end"
            ).fetchall()
            return frozenset(row[0] for row in found) - known
        return frozenset(present) - known

    def _sql(self, schema: pa.Schema, *, is_json: bool) -> str:
        columns = self._spec.columns
        values = ", ".join(f"{_typed(c, _arrow_type(schema, c), is_json=is_json)} as {_q(c.name)}" for c in columns)
        whole_row = (
            ["case when raw_line is null then {rule: 'invalid_json', column_name: 'line', "
             "message: 'is no JSON object'} end"]
            if is_json
            else []
        )  # fmt: skip
        rules = ", ".join(whole_row + [r for c in columns for r in self._rules(c, is_json=is_json)])
        final = ", ".join(_q(c.name) for c in columns)
        return f"""
            with given as ({_given(columns, schema, is_json=is_json)}),
            typed as (select *, {values} from given)
            select {ROW_NUMBER}, {final}, coalesce({rules}) as broken,
                   case when coalesce({rules}) is not null then raw_row end as raw_row
            from typed
        """  # noqa: S608 - generated from the feed's specification and quoted names only

    def _rules(self, column: Column, *, is_json: bool) -> list[str]:
        """SQL expressions, each null or {rule, column_name, message}, in the order in which they are judged."""
        given, value = _q("given_" + column.name), _q(column.name)
        rules = []
        if column.kind is Kind.LINE:
            return [_rule(column, f"contains({given}, '\\u0000')", "nul_character", "holds a NUL character")]
        if column.required:
            rules.append(_rule(column, f"{given} is null", "missing_value", "is missing"))
        if column.required_when:
            other, wanted = column.required_when
            rules.append(_rule(column, f"{_q(other)}::varchar = '{wanted}' and {given} is null", "missing_value",
                               f"is missing, though {other} is {wanted}"))  # fmt: skip
        if column.kind in (Kind.TEXT, Kind.LIST):
            rules.append(_rule(column, f"contains({value}, chr(0))", "nul_character", "holds a NUL character"))
        if column.kind in _BROKEN_TYPE_RULES and not (column.kind is Kind.TEXT and not is_json):
            rules.append(_rule(column, f"{given} is not null and {value} is null", *_BROKEN_TYPE_RULES[column.kind]))
        if column.values:
            accepted = ", ".join(f"'{v}'" for v in column.values)
            rules.append(_rule(column, f"{value}::varchar not in ({accepted})", "unknown_value",
                               f"is none of {', '.join(column.values)}"))  # fmt: skip
        bounds = [f"{value} < {column.low!r}"] if column.low is not None else []
        bounds += [f"{value} > {column.high!r}"] if column.high is not None else []
        if bounds:
            rules.append(_rule(column, " or ".join(bounds), "out_of_range", _range_text(column)))
        if column.kind in (Kind.INSTANT, Kind.EPOCH_MS):
            rules.append(_rule(column, f"{value} > timestamptz '{self._latest}'", "instant_in_future",
                               "is more than 24 hours ahead of the load"))  # fmt: skip
        return rules


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _rule(column: Column, condition: str, rule: str, message: str) -> str:
    said = message.replace("'", "''")
    return f"case when {condition} then {{rule: '{rule}', column_name: '{column.name}', message: '{said}'}} end"


def _range_text(column: Column) -> str:
    if column.low is not None and column.high is not None and column.high < 2**31 - 1:
        return f"is outside {column.low:g} to {column.high:g}"
    return f"is below {column.low:g} or too large" if column.low is not None else f"is above {column.high:g}"


def _arrow_type(schema: pa.Schema, column: Column) -> pa.DataType:
    index = schema.get_field_index(column.name)
    return schema.field(index).type if index >= 0 else pa.string()


def _given(columns: Sequence[Column], schema: pa.Schema, *, is_json: bool) -> str:
    """The file's own values as `given_<column>`, empty text as null, beside `raw_row`."""
    if is_json:
        paths = ", ".join("'" + (c.json_path or f"$.{c.name}") + "'" for c in columns)
        picked = ", ".join(
            f"raw_line as {_q('given_' + c.name)}" if c.kind is Kind.LINE
            else f"nullif(fields[{i}], '') as {_q('given_' + c.name)}, {_json_type(c)} as {_q('type_' + c.name)}"
            for i, c in enumerate(columns, 1)
        )  # fmt: skip
        return f"""
            select {ROW_NUMBER}, raw_row, raw_line, {picked}
            from (select *, json_extract_string(raw_line, [{paths}]) as fields
                  from (select {ROW_NUMBER}, {LINE_COLUMN} as raw_row,
                               case when json_valid({LINE_COLUMN}) and json_type({LINE_COLUMN}) = 'OBJECT'
                                    then {LINE_COLUMN} end as raw_line from chunk))
        """  # noqa: S608 - as above
    present = [n for n in schema.names if n != ROW_NUMBER]
    raw = ", ".join(f"{_q(n)} := {_q(n)}" for n in present)
    picked = ", ".join(
        f"{_present(c, schema)} as {_q('given_' + c.name)}" for c in columns
    )
    return f"select {ROW_NUMBER}, to_json(struct_pack({raw}))::varchar as raw_row, {picked} from chunk"  # noqa: S608


def _json_type(column: Column) -> str:
    """The JSON type, looked up only for text that could be a container: it costs another parse."""
    path = column.json_path or f"$.{column.name}"
    field = f"json_extract_string(raw_line, '{path}')"
    return f"case when left({field}, 1) in ('{{', '[') then json_type(raw_line, '{path}') end"


def _present(column: Column, schema: pa.Schema) -> str:
    if column.name not in schema.names:
        return "null::varchar"
    is_text = pa.types.is_string(_arrow_type(schema, column)) or pa.types.is_large_string(_arrow_type(schema, column))
    return f"nullif({_q(column.name)}, '')" if is_text else _q(column.name)


def _typed(column: Column, arrow_type: pa.DataType, *, is_json: bool) -> str:
    """SQL that turns the given value into the column's type, null where it is not of that type."""
    given = _q("given_" + column.name)
    if column.kind is Kind.TEXT:
        if not is_json:
            return f"{given}::varchar"
        container = _q("type_" + column.name)
        return f"case when {container} in ('OBJECT', 'ARRAY') then null else {given} end"
    if column.kind is Kind.INTEGER:
        return f"case when regexp_full_match({given}::varchar, '[+-]?[0-9]{{1,18}}(\\.0+)?') then {given}::double::bigint end"
    if column.kind is Kind.NUMBER:
        number = f"try_cast({given} as double)"
        return f"case when isfinite({number}) then {number} end"
    if column.kind is Kind.BOOLEAN:
        return f"case lower({given}::varchar) when 'true' then true when 'false' then false end"
    if column.kind is Kind.INSTANT:
        if pa.types.is_timestamp(arrow_type):
            return f"{given}::timestamptz" if arrow_type.tz else f"case when {given} is null then null::timestamptz end"
        return f"case when regexp_matches({given}::varchar, '{_INSTANT}') then try_cast({given}::varchar as timestamptz) end"
    if column.kind is Kind.DATE:
        if pa.types.is_date(arrow_type):
            return f"{given}::date"
        return f"case when regexp_full_match({given}::varchar, '\\d{{4}}-\\d{{2}}-\\d{{2}}') then try_cast({given}::varchar as date) end"
    if column.kind is Kind.EPOCH_MS:
        return f"case when regexp_full_match({given}::varchar, '[0-9]{{1,15}}') then to_timestamp({given}::bigint / 1000.0) end"
    if column.kind is Kind.LINE:
        return given
    return _list_literal(given, arrow_type)


def _list_literal(given: str, arrow_type: pa.DataType) -> str:
    """A list of texts as Postgres writes an array, from a list, a JSON array or text separated by `;`."""
    if pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type):
        items = f"{given}::varchar[]"
    else:
        items = (
            f"case when left({given}::varchar, 1) = '[' and json_valid({given}::varchar) "
            f"then from_json({given}::varchar, '[\"VARCHAR\"]') else string_split({given}::varchar, ';') end"
        )
    kept = f"list_filter(list_transform({items}, lambda x: trim(x)), lambda x: x <> '')"
    quoted = f"""list_transform({kept}, lambda x: '"' || replace(replace(x, '\\', '\\\\'), '"', '\\"') || '"')"""
    return f"'{{' || coalesce(array_to_string({quoted}, ','), '') || '}}'"
