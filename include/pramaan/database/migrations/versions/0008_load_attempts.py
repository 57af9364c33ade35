"""Which files are being read, so that one on which readers die is known, and which came again."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    create table ops.load_attempts (
        feed text not null,
        sha256 text not null,
        uri text not null,
        attempts integer not null default 1,
        started_at timestamptz not null default now(),
        primary key (feed, sha256)
    );
    comment on table ops.load_attempts is
        'One row per file under way, and per file on which a reader died: written before it is read.';
    alter table ops.loads add last_seen_at timestamptz;
    comment on column ops.loads.last_seen_at is
        'When the same bytes last came again, and were not loaded again.';
    """)


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
