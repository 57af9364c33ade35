"""What the suites look at: a row per row of a load, read from the raw table.

Only numbers, words of the contract and answers to questions leave Postgres: no name, address or id, so that
none can stand in a finding or in Data Docs. Facts:

key              the key's hash, empty where a part of the key is
missing_columns  how many required columns are empty
..._is_known     whether what the row refers to is known by now; empty where nothing of its kind is
row_is_recent    empty where the feed has no habit to be compared with
"""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, LiteralString

import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg import sql

from pramaan.database.connect import Connection
from pramaan.feeds.spec import FEEDS, FeedSpec
from pramaan.quality.limits import EARLIEST_INSTANT, RECENT_DAYS, ROWS_AT_MOST

if TYPE_CHECKING:
    from pramaan.quality.waiting import WaitingLoad

__all__ = ["read_rows"]

_SETTINGS: Final = "set local jit = off; set local work_mem = '64MB'"


@dataclass(frozen=True, slots=True)
class _Questions:
    """What is asked of a feed's rows (`fact`): columns with their types, the tables joined for them, and
    instants that must be plausible beside the version's.
    """

    columns: tuple[tuple[str, LiteralString, str], ...] = ()
    joins: LiteralString = ""
    instants: tuple[str, ...] = ()


_NAME: Final = """
    case when fact.name ~ '[^\\s\\u00a0\\u200b-\\u200f]'
        and fact.name !~* '^\\s*((null|undefined|none|nil|nan|n/a|na|-|[.]|_)(\\s+|$))+$' then fact.name end
"""
_COMMONEST: Final = """
    left join lateral (
        select name from raw.users
        where load_id = %(load_id)s and name <> ''
        group by name order by count(*) desc, name collate "C" limit 1
    ) as commonest on true
"""

_QUESTIONS: Final = {
    "users": _Questions(
        columns=(
            ("name_is_given", f"({_NAME}) is not null", "bool"),
            ("name_is_not_one_letter", f"btrim(btrim({_NAME}), left(btrim({_NAME}), 1)) <> ''", "bool"),
            ("name_is_not_a_number", f"({_NAME}) !~ '^[\\d\\s]+$'", "bool"),
            ("name_is_not_the_commonest", f"({_NAME}) <> commonest.name", "bool"),
        ),
        joins=_COMMONEST,
    ),
    "courses": _Questions(
        columns=(("status", "fact.status", "string"), ("leaf_count", "fact.leaf_count", "int64")),
    ),
    "batches": _Questions(
        columns=(
            ("enrolment_type", "fact.enrolment_type", "string"),
            (
                "course_is_known",
                "case when exists (select from raw.courses) then courses.course_id is not null end",
                "bool",
            ),
        ),
        joins="left join (select distinct course_id from raw.courses) as courses using (course_id)",
    ),
    "enrolments": _Questions(
        columns=(
            (
                "user_is_known",
                "case when exists (select from raw.users) then users.user_id is not null end",
                "bool",
            ),
            (
                "course_is_known",
                "case when exists (select from raw.courses) then courses.course_id is not null end",
                "bool",
            ),
            (
                "batch_is_known",
                "case when exists (select from raw.batches) then batches.batch_id is not null end",
                "bool",
            ),
        ),
        joins="""
            left join raw.users on users.user_id = fact.user_id
            left join (select distinct course_id from raw.courses) as courses
                on courses.course_id = fact.course_id
            left join raw.batches on batches.batch_id = fact.batch_id
        """,
        instants=("enrolled_at",),
    ),
    "progress": _Questions(
        columns=(
            ("status", "fact.status", "int64"),
            ("score", "fact.score", "double"),
            ("score_is_no_fraction", "not (fact.score > 0 and fact.score < 1)", "bool"),
            (
                "enrolment_is_known",
                "case when exists (select from raw.enrolments) then enrolments.user_id is not null end",
                "bool",
            ),
        ),
        joins="""
            left join raw.enrolments
                on enrolments.user_id = fact.user_id and enrolments.batch_id = fact.batch_id
        """,
        instants=("completed_at",),
    ),
    "telemetry": _Questions(),
}

_READ: Final = """
    copy (
        select {columns}
        from (
            select *, hashtextextended({key}, 0) as key_hash from raw.{feed} where load_id = %(load_id)s
        ) as fact
        {joins}
        where %(every)s = 1 or fact.key_hash is null or mod(fact.key_hash, %(every)s) = 0
    ) to stdout (format csv)
"""


def read_rows(connection: Connection, load: "WaitingLoad") -> pa.Table:
    """The rows of a load that stand in its raw table now, as the suite of its feed looks at them.

    At most about ROWS_AT_MOST, of a larger load a sample. Rows that a later load has superseded are gone.
    """
    spec, asked = FEEDS[load.feed], _QUESTIONS[load.feed]
    columns = (*_columns_of_every_feed(spec, asked), *asked.columns)
    query = sql.SQL(_READ).format(
        columns=sql.SQL(", ").join(sql.SQL(text) for _, text, _ in columns),
        key=_key(spec),
        feed=sql.Identifier(spec.name),
        joins=sql.SQL(asked.joins),
    )
    parameters = {
        "load_id": load.load_id,
        "every": -(-load.rows_changed // ROWS_AT_MOST) or 1,
        "earliest": EARLIEST_INSTANT,
        "has_habit": load.has_habit,
        "loaded_at": load.loaded_at,
        "days": RECENT_DAYS[load.feed],
    }
    sink = io.BytesIO()
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_SETTINGS)
        with cursor.copy(query, parameters) as copy:
            for block in copy:
                sink.write(block)
    return _table(sink, {name: kind for name, _, kind in columns})


def _columns_of_every_feed(spec: FeedSpec, asked: _Questions) -> tuple[tuple[str, str, str], ...]:
    """What is asked of every feed. Names of columns are the specification's own."""
    version = f"fact.{spec.version}"
    instants = ", ".join((version, *(f"fact.{name}" for name in asked.instants)))
    missing = [f"(fact.{one.name} is null)::integer" for one in spec.columns if one.required]
    missing += [
        f"(fact.{one.name} is null and fact.{one.required_when[0]} = {one.required_when[1]})::integer"
        for one in spec.columns
        if one.required_when
    ]
    return (
        ("key", "fact.key_hash", "int64"),
        ("missing_columns", " + ".join(missing), "int64"),
        ("dates_are_plausible", f"least({instants}) >= %(earliest)s", "bool"),
        (
            "row_is_recent",
            f"case when %(has_habit)s then {version} >= %(loaded_at)s - make_interval(days => %(days)s) end",
            "bool",
        ),
    )


def _key(spec: FeedSpec) -> sql.Composed:
    """The key as one text, null where a part of it is empty."""
    parts = (sql.SQL("nullif({}::text, '')").format(sql.Identifier(name)) for name in spec.key)
    return sql.SQL(" || '/' || ").join(parts)


def _table(csv: io.BytesIO, types: dict[str, str]) -> pa.Table:
    """The rows of Postgres' CSV, whose booleans are t and f and whose nulls are empty."""
    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in types.items()])
    if not csv.tell():
        return schema.empty_table()
    csv.seek(0)
    return pa_csv.read_csv(
        csv,
        read_options=pa_csv.ReadOptions(column_names=schema.names),
        convert_options=pa_csv.ConvertOptions(
            column_types=schema,
            true_values=["t"],
            false_values=["f"],
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
