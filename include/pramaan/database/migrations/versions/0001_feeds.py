"""Feeds as landed: manifest, quarantine, changed keys, and one raw table per feed (contract part 2)."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    create schema raw;

    create table ops.loads (
        load_id bigint generated always as identity primary key,
        feed text not null,
        uri text not null,
        sha256 text not null,
        status text not null check (status in ('loading', 'loaded', 'quarantined')),
        bytes bigint not null,
        rows bigint not null default 0,
        rows_changed bigint not null default 0,
        rows_quarantined bigint not null default 0,
        unknown_columns text[] not null default '{}',
        loaded_at timestamptz not null,
        unique (feed, sha256)
    );
    comment on table ops.loads is
        'One row per file, by content. rows: good rows read; rows_changed: rows that changed a raw table.';

    create table ops.quarantine (
        quarantine_id bigint generated always as identity primary key,
        load_id bigint not null references ops.loads,
        row_number bigint,
        rule text not null,
        column_name text,
        message text not null,
        raw_row text
    );
    create index on ops.quarantine (load_id);
    comment on table ops.quarantine is
        'One row per rejected row (row_number counts data rows from 1) or rejected file (row_number null).';

    -- Without an index: rows are only added, and taken all at once.
    create table ops.changed_keys (
        change_id bigint generated always as identity,
        kind text not null
            check (kind in ('progress', 'enrolment', 'user', 'course', 'batch', 'attachment')),
        user_id text,
        batch_id text,
        course_id text,
        load_id bigint,
        changed_at timestamptz not null default now()
    );
    comment on table ops.changed_keys is
        'Keys that a fact touched and whose decisions are still to be made again; emptied by each batch.';

    -- load_id carries no foreign key: it is written in bulk, in the transaction that made the load's row.
    create table raw.users (
        user_id text primary key,
        name text,
        email text,
        phone text,
        tenant_id text not null,
        language text,
        state text,
        district text,
        block text,
        cluster text,
        school_id text,
        school_name text,
        org_name text,
        user_type text,
        user_sub_type text,
        declared_board text,
        external_id text,
        updated_at timestamptz not null,
        load_id bigint not null
    );

    create table raw.courses (
        course_id text not null,
        name text not null,
        tenant_id text not null,
        status text not null,
        language text,
        leaf_count integer not null,
        published_at timestamptz,
        updated_at timestamptz not null,
        load_id bigint not null,
        primary key (course_id, updated_at)
    );

    create table raw.batches (
        batch_id text primary key,
        course_id text not null,
        tenant_id text not null,
        name text not null,
        enrolment_type text not null,
        start_date date,
        end_date date,
        mentor_ids text[] not null,
        updated_at timestamptz not null,
        load_id bigint not null
    );
    create index on raw.batches (course_id);

    create table raw.enrolments (
        user_id text not null,
        batch_id text not null,
        course_id text not null,
        enrolled_at timestamptz not null,
        active boolean not null,
        updated_at timestamptz not null,
        load_id bigint not null,
        primary key (user_id, batch_id)
    );
    create index on raw.enrolments (batch_id);

    create table raw.progress (
        user_id text not null,
        batch_id text not null,
        content_id text not null,
        course_id text not null,
        status smallint not null,
        score double precision,
        completed_at timestamptz,
        updated_at timestamptz not null,
        load_id bigint not null,
        primary key (user_id, batch_id, content_id)
    );

    create table raw.telemetry (
        mid text primary key,
        eid text not null,
        ets timestamptz not null,
        actor_id text,
        pdata_id text,
        object_id text,
        object_type text,
        event json not null, -- as it was sent: jsonb would write out a number such as 1e99999
        load_id bigint not null
    );
    """)


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
