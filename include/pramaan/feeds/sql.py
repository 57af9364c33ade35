"""The SQL of the `raw` tables and of the load ledger: everything that `load` says to Postgres.

Statements are composed from the feeds' specification; the names in them are quoted identifiers, never data.
"""

from psycopg import sql

from pramaan.feeds.spec import Column, FeedSpec, Kind

__all__ = [
    "ADD_QUARANTINE",
    "ATTEMPTED",
    "BEGIN_ATTEMPT",
    "CLAIM_LOAD",
    "END_ATTEMPT",
    "FINISH_LOAD",
    "FORGET_QUARANTINE",
    "INCOMING",
    "NOTE_SEEN",
    "TRUNCATE_INCOMING",
    "copy_incoming",
    "create_incoming",
    "merge_incoming",
]

INCOMING = sql.Identifier("incoming")
_CHANGED = sql.Identifier("changed")
_BEFORE = sql.Identifier("before")

CLAIM_LOAD = """
    insert into ops.loads as known (feed, uri, sha256, status, bytes, loaded_at)
    values (%s, %s, %s, %s, %s, %s)
    on conflict (feed, sha256) do update set
        uri = excluded.uri, status = excluded.status, loaded_at = excluded.loaded_at
    where known.status = 'quarantined'
    returning load_id
"""
"""A quarantined file was not loaded: sent again, under a better name perhaps, it is tried again."""

NOTE_SEEN = "update ops.loads set last_seen_at = %s where feed = %s and sha256 = %s"
"""The same bytes came again: nothing to load, and yet the feed has not stopped coming."""

FORGET_QUARANTINE = "delete from ops.quarantine where load_id = %s"

BEGIN_ATTEMPT = """
    insert into ops.load_attempts as known (feed, sha256, uri) values (%s, %s, %s)
    on conflict (feed, sha256) do update
    set uri = excluded.uri, attempts = known.attempts + 1, started_at = now()
    returning attempts
"""

END_ATTEMPT = "delete from ops.load_attempts where feed = %s and sha256 = %s"

ATTEMPTED = "select uri from ops.load_attempts where uri = any(%s)"

FINISH_LOAD = """
    update ops.loads
    set status = 'loaded', rows = %s, rows_changed = %s, rows_quarantined = %s, unknown_columns = %s
    where load_id = %s
"""

TRUNCATE_INCOMING = "truncate incoming"

ADD_QUARANTINE = """
    copy ops.quarantine (load_id, row_number, rule, column_name, message, raw_row)
    from stdin (format csv)
"""


def create_incoming(spec: FeedSpec) -> sql.Composed:
    """A session table of the feed's columns, gone with the transaction: a crash leaves nothing behind."""
    return sql.SQL(
        "set local jit = off; "  # its compiling costs more than these short statements
        # A plan made while the table was small would read it through for each row, once it has grown.
        "set local enable_seqscan = off; "
        "set local work_mem = '128MB'; "  # what a merge at once sorts
        "create temp table {} on commit drop as select {} from {} with no data"
    ).format(INCOMING, _columns(spec), _table(spec))


def copy_incoming(spec: FeedSpec) -> sql.Composed:
    """COPY of one chunk into the session table."""
    return sql.SQL("copy {} ({}) from stdin (format csv)").format(INCOMING, _columns(spec))


def merge_incoming(spec: FeedSpec) -> sql.Composed:
    """Merge the session table into the raw table, note the keys that changed, return how many rows did.

    Takes the load id as the parameter `load_id`. Does not depend on the order of rows, chunks or files.
    """
    upsert = _merge_progress(spec) if spec.merges else _newest_wins(spec)
    note = _note_changed_keys(spec) if spec.touches else sql.SQL("")
    return sql.SQL("with changed as ({}) {} select count(*) from changed").format(upsert, note)


def _newest_wins(spec: FeedSpec) -> sql.Composed:
    """The greatest version wins; on a tie the row whose canonical JSON sorts greatest."""
    return sql.SQL("""
        insert into {table} as kept ({columns}, load_id)
        select distinct on ({key}) {columns}, %(load_id)s
        from (select *, count(*) over (partition by {key}, {version}) as ties from {incoming}) as {incoming}
        -- the canonical JSON is dear: it is written only for rows that need it
        order by {key}, {version} desc, case when ties > 1 then {canonical} end desc
        on conflict ({key}) do update set {assignments}, load_id = excluded.load_id
        where excluded.{version} > kept.{version}
            or (excluded.{version} = kept.{version} and {canonical_new} > {canonical_old})
        returning {returned}
    """).format(
        returned=_returned(spec),
        table=_table(spec),
        columns=_columns(spec),
        key=_identifiers(spec.key),
        incoming=INCOMING,
        version=sql.Identifier(spec.version),
        canonical=_canonical_json(spec, prefix=INCOMING),
        canonical_new=_canonical_json(spec, prefix=sql.SQL("excluded")),
        canonical_old=_canonical_json(spec, prefix=sql.SQL("kept")),
        assignments=sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(c.name))
            for c in spec.columns
            if c.name not in spec.key
        ),
    )


def _merge_progress(spec: FeedSpec) -> sql.Composed:
    """Progress only ever grows: the highest status, the earliest completion, the best score."""
    return sql.SQL("""
        insert into {table} as kept
            (user_id, batch_id, content_id, course_id, status, score, completed_at, updated_at, load_id)
        select
            user_id, batch_id, content_id,
            (array_agg(course_id order by updated_at desc, course_id collate "C" desc))[1],
            max(status), max(score), min(completed_at), max(updated_at), %(load_id)s
        from {incoming}
        group by user_id, batch_id, content_id
        order by user_id, batch_id, content_id
        on conflict (user_id, batch_id, content_id) do update set
            course_id = case
                when (excluded.updated_at, excluded.course_id collate "C") > (kept.updated_at, kept.course_id)
                    then excluded.course_id
                else kept.course_id
            end,
            status = greatest(excluded.status, kept.status),
            score = greatest(excluded.score, kept.score),
            completed_at = least(excluded.completed_at, kept.completed_at),
            updated_at = greatest(excluded.updated_at, kept.updated_at),
            -- The load that says it: one that only repeats it later does not take a bad load's place.
            load_id = case
                when excluded.status > kept.status
                    or excluded.score > kept.score
                    or (excluded.score is not null and kept.score is null)
                    or excluded.completed_at < kept.completed_at
                    or (excluded.completed_at is not null and kept.completed_at is null)
                    then excluded.load_id
                else kept.load_id
            end
        where excluded.status > kept.status
            or excluded.score > kept.score
            or (excluded.score is not null and kept.score is null)
            or excluded.completed_at < kept.completed_at
            or (excluded.completed_at is not null and kept.completed_at is null)
            or (excluded.updated_at, excluded.course_id collate "C") > (kept.updated_at, kept.course_id)
        returning {returned}
    """).format(table=_table(spec), incoming=INCOMING, returned=_returned(spec))


def _note_changed_keys(spec: FeedSpec) -> sql.Composed:
    assert spec.touches is not None  # noqa: S101 - narrows the type; the caller asked
    kind, key = spec.touches
    # A statement sees its tables as they were before it: `before` is the row that was replaced or, of a
    # course, the version that was in force at that time (for the first one the next, which extended back).
    return sql.SQL("""
        , noted as (
            insert into ops.changed_keys (kind, {key}, load_id)
            select distinct {kind}, {changed_key}, %(load_id)s::bigint
            from changed
            left join lateral (
                select true as is_known, {columns}
                from {table} as before
                where {may_be_known} and {same_row}
                order by {nearest}
                limit 1
            ) as before on true
            where case
                when before.is_known then ({decisive_before}) is distinct from ({decisive_now})
                else {decisive_when}
            end
        )
    """).format(
        kind=sql.Literal(kind),
        key=_identifiers(key),
        changed_key=_columns_of(_CHANGED, key),
        table=_table(spec),
        columns=_columns_of(_BEFORE, tuple(c.name for c in spec.columns)),
        same_row=sql.SQL(" and ").join(
            sql.SQL("before.{0} = changed.{0}").format(sql.Identifier(name))
            for name in spec.key
            if name != spec.version
        ),
        nearest=_nearest_version(spec),
        may_be_known=sql.SQL("true" if spec.version in spec.key else "changed.was_known"),
        decisive_before=_decisive(spec, _BEFORE),
        decisive_now=_decisive(spec, _CHANGED),
        decisive_when=sql.SQL(spec.decisive_when).format(row=_CHANGED),
    )


def _nearest_version(spec: FeedSpec) -> sql.Composable:
    if spec.version not in spec.key:
        return sql.SQL("before.{}").format(sql.Identifier(spec.version))
    return sql.SQL("""
        before.{0} <= changed.{0} desc,
        case when before.{0} <= changed.{0} then before.{0} end desc,
        before.{0}
    """).format(sql.Identifier(spec.version))


def _decisive(spec: FeedSpec, row: sql.Identifier) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL(expression).format(row=row) for expression in spec.decisive)


def _returned(spec: FeedSpec) -> sql.Composed:
    """What a merge tells of each row that it changed. Postgres marks a row version that replaced another."""
    return sql.SQL("{}, kept.xmax <> 0 as was_known").format(
        _columns_of(sql.Identifier("kept"), tuple(c.name for c in spec.columns))
    )


def _canonical_json(spec: FeedSpec, *, prefix: sql.Composable) -> sql.Composed:
    """The row as JSON, keys sorted, no white space, instants ISO 8601 with Z, compared by code point."""
    members = [
        sql.SQL("""{label} || coalesce({value}, 'null')""").format(
            label=sql.Literal(f'"{column.name}":'), value=_json_value(column, prefix=prefix)
        )
        for column in sorted(spec.columns, key=lambda column: column.name)
    ]
    return sql.SQL("""(({}) collate "C")""").format(sql.SQL(" || ',' || ").join(members))


def _json_value(column: Column, *, prefix: sql.Composable) -> sql.Composed:
    value = sql.SQL("{}.{}").format(prefix, sql.Identifier(column.name))
    if column.kind in (Kind.INSTANT, Kind.EPOCH_MS):
        # Six digits of a fraction or none, as ISO 8601 is written elsewhere; Postgres drops ending zeros.
        return sql.SQL(
            """'"' || to_char({0}, 'YYYY-MM-DD"T"HH24:MI:SS') """
            """|| case when date_trunc('second', {0}) = {0} then 'Z"' else to_char({0}, '.US') || 'Z"' end"""
        ).format(value)
    return sql.SQL("to_json({})::text").format(value)


def _table(spec: FeedSpec) -> sql.Identifier:
    return sql.Identifier("raw", spec.name)


def _columns(spec: FeedSpec) -> sql.Composed:
    return _identifiers(tuple(c.name for c in spec.columns))


def _columns_of(row: sql.Identifier, names: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("{}.{}").format(row, sql.Identifier(name)) for name in names)


def _identifiers(names: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
