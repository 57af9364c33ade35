"""Since when a mail is due, whatever puts off the next attempt; and which mails go first."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    alter table ops.mails add due_at timestamptz;
    update ops.mails set due_at = next_attempt_at where status = 'queued';
    alter table ops.mails alter due_at set default now();
    comment on column ops.mails.due_at is
        'From when on the mail is to be tried; next_attempt_at is later while the mail server is away.';
    create index mails_urgent on ops.mails (next_attempt_at, mail_id)
    where status = 'queued' and kind in ('hold_notice', 'report_late');
    """)


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
