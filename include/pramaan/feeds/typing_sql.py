"""SQL for DuckDB that gives the values of a chunk the warehouse's types, null where they are not of them."""

from collections.abc import Sequence

import pyarrow as pa

from pramaan.feeds.chunks import LINE_COLUMN, ROW_NUMBER
from pramaan.feeds.spec import Column, Kind

__all__ = ["given_columns", "is_text_type", "quoted", "typed_value"]

_INSTANT = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-](0\d|1[0-5])(:?[0-5]\d)?)"
_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
_JSON_FRACTION = r"-?[0-9]+([.eE][0-9eE.+-]*)"


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def is_text_type(kind: pa.DataType) -> bool:
    """Whether an Arrow column holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def given_columns(columns: Sequence[Column], schema: pa.Schema, *, is_json: bool) -> str:
    """A select of the file's own values as `given_<column>`, empty text as null, from `chunk`."""
    if not is_json:
        picked = ", ".join(f"{_present(c, schema)} as {quoted('given_' + c.name)}" for c in columns)
        return f"select {ROW_NUMBER}, {picked} from chunk"  # noqa: S608 - quoted names only
    paths = ", ".join("'" + (c.json_path or f"$.{c.name}") + "'" for c in columns)
    picked = ", ".join(
        f"raw_line as {quoted('given_' + c.name)}"
        if c.kind is Kind.LINE
        else f"nullif(fields[{i}], '') as {quoted('given_' + c.name)}"
        for i, c in enumerate(columns, 1)
    )
    return f"""
        select {ROW_NUMBER}, raw_line, {picked}
        from (select *, json_extract_string(raw_line, [{paths}]) as fields
              from (select {ROW_NUMBER}, case when json_valid({LINE_COLUMN})
                                               and left(ltrim({LINE_COLUMN}, chr(32) || chr(9)), 1) = '{{'
                                         then {LINE_COLUMN} end as raw_line from chunk))
    """  # noqa: S608 - as above


def _present(column: Column, schema: pa.Schema) -> str:
    if column.name not in schema.names:
        return "null::varchar"
    name = quoted(column.name)
    return f"nullif({name}, '')" if is_text_type(schema.field(column.name).type) else name


def typed_value(column: Column, arrow_type: pa.DataType, *, is_json: bool) -> str:
    """The given value in the column's type, null where it is not of that type."""
    given = quoted("given_" + column.name)
    if column.kind is Kind.TEXT:
        return _text(column, arrow_type, is_json=is_json)
    if column.kind is Kind.LIST:
        return _list_literal(given, arrow_type)
    if column.kind is Kind.INSTANT and pa.types.is_timestamp(arrow_type):
        return f"case when {given} >= timestamptz '0001-01-01 00:00:00Z' then {given} end"
    if column.kind is Kind.NUMBER and pa.types.is_float64(arrow_type):
        return f"case when isfinite({given}) then {given} + 0.0 end"  # never minus zero
    if column.kind is Kind.BOOLEAN and pa.types.is_boolean(arrow_type):
        return given
    return _from_text(column.kind, given, text=given if is_text_type(arrow_type) else f"{given}::varchar")


def _from_text(kind: Kind, given: str, *, text: str) -> str:
    return {
        Kind.INTEGER: f"case when regexp_full_match({text}, '[+-]?[0-9]{{1,15}}(\\.0+)?') "
        f"then try_cast({text} as double)::bigint end",
        Kind.NUMBER: f"case when regexp_full_match({text}, '{_NUMBER}') "
        f"and isfinite(try_cast({text} as double)) then try_cast({text} as double) + 0.0 end",
        Kind.BOOLEAN: f"case lower({text}) when 'true' then true when 'false' then false end",
        Kind.INSTANT: f"case when regexp_full_match({text}, '{_INSTANT}') "
        f"and left({text}, 4) <> '0000' then try_cast({text} as timestamptz) end",
        Kind.DATE: f"case when regexp_full_match({text}, '\\d{{4}}-\\d{{2}}-\\d{{2}}') "
        f"and left({text}, 4) <> '0000' then try_cast({text} as date) end",
        Kind.EPOCH_MS: f"case when regexp_full_match({text}, '[0-9]{{1,15}}(\\.0+)?') "
        f"then epoch_ms(try_cast({text} as double)::bigint)::timestamptz end",
        Kind.LINE: given,
    }[kind]


def _text(column: Column, arrow_type: pa.DataType, *, is_json: bool) -> str:
    """Text, and whole numbers, as which ids may come; no fractions or truth values, of many spellings."""
    given = quoted("given_" + column.name)
    if not is_json:
        if is_text_type(arrow_type):
            return given
        return f"{given}::varchar" if pa.types.is_integer(arrow_type) else "null::varchar"
    path = column.json_path or f"$.{column.name}"
    # The JSON type costs another parse: it is asked only of what could be no text.
    doubtful = (
        f"left({given}, 1) in ('{{', '[') or {given} in ('true', 'false') "
        f"or regexp_full_match({given}, '{_JSON_FRACTION}')"
    )
    return f"case when ({doubtful}) and json_type(raw_line, '{path}') <> 'VARCHAR' then null else {given} end"


def _list_literal(given: str, arrow_type: pa.DataType) -> str:
    """A list of texts as Postgres writes an array, from a list, a JSON array or text separated by `;`."""
    if pa.types.is_list(arrow_type):
        items = f"{given}::varchar[]"
    elif is_text_type(arrow_type):
        items = (
            f"case when left({given}, 1) = '[' and json_valid({given}) "
            f"then from_json({given}, '[\"VARCHAR\"]') else string_split({given}, ';') end"
        )
    else:
        return f"case when {given} is null then '{{}}' end"
    kept = f"list_filter(list_transform({items}, lambda x: trim(x)), lambda x: x <> '')"
    escaped = (
        f"""list_transform({kept}, lambda x: '"' || replace(replace(x, '\\', '\\\\'), '"', '\\"') || '"')"""
    )
    nested = f"len(list_filter({kept}, lambda x: left(x, 1) in ('{{', '['))) > 0"
    return (
        f"case when {given} is null then '{{}}' when {nested} then null "
        f"else '{{' || coalesce(array_to_string({escaped}, ','), '') || '}}' end"
    )
