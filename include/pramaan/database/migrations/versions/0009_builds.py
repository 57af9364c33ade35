"""Builds of the keyed tables, and what batches note for them (dbt/macros/keyed_table.sql)."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    create table ops.builds (
        build_id bigint generated always as identity primary key,
        model text not null,
        started_at timestamptz not null default now(),
        built_at timestamptz,
        finished_at timestamptz,
        outcome text check (outcome in ('unchanged', 'swapped', 'died')),
        rows bigint,
        rows_unlike bigint,
        is_same_rule boolean,
        attempts integer not null default 1,
        pause_seconds double precision,
        constraint finished_says_how check ((finished_at is null) = (outcome is null))
    );
    create index builds_of_model on ops.builds (model, build_id);
    create index builds_under_way on ops.builds (started_at) where finished_at is null;
    comment on table ops.builds is
        'One row per build of a keyed table, beside the one in use; swapped: it took its place.';
    comment on column ops.builds.rows_unlike is
        'Keys whose rows were not what the table in use had; under the same rule, a fault of ours.';
    comment on column ops.builds.pause_seconds is 'How long batches had to wait for it at its end.';

    create table ops.build_keys (
        build_id bigint not null,
        user_id text not null,
        batch_id text not null
    );
    create index on ops.build_keys (build_id);
    comment on table ops.build_keys is
        'Keys that batches worked out while a build was under way, which it has to work out once more.';
    """)


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
