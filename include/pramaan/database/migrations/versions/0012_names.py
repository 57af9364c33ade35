"""Mails that go before all others have a column, so that the ledger knows no kind of mail; plainer names."""

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
    update ops.mails
    set subject_key = regexp_replace(subject_key, ' broken$', ' breached'),
        content = case when content ? 'stage' then content || '{"stage": "breached"}' else content end
    where kind = 'report_late' and subject_key like '% broken';
    comment on column ops.mails.is_urgent is 'Whether the mail goes before all others that are due.';
    drop index ops.mails_urgent;
    alter table ops.report_requests rename column sealed_password to encrypted_password;
    create index mails_urgent on ops.mails (next_attempt_at, mail_id) where status = 'queued' and is_urgent;
    """)


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
