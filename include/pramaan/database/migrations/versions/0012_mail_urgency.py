"""Which mails go before all others, as a column: the ledger of mails need not know any kind of mail."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    alter table ops.mails add is_urgent boolean not null default false;
    update ops.mails set is_urgent = true
    where status = 'queued' and kind in ('hold_notice', 'report_late');
    comment on column ops.mails.is_urgent is 'Whether the mail goes before all others that are due.';
    drop index ops.mails_urgent;
    create index mails_urgent on ops.mails (next_attempt_at, mail_id) where status = 'queued' and is_urgent;
    """)


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
