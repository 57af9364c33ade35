"""Which files are being read, so that one on which readers die is known (contract part 2)."""

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
    """)


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
