"""Verdicts that settle, holds that heal, and no whole address in the record of changes (contract part 4)."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    alter table ops.load_verdicts add settled_at timestamptz;
    comment on column ops.load_verdicts.settled_at is
        'Of a failed one: since when no fact of the load can hold a certificate any more.';
    drop index ops.load_verdicts_failed;
    create index load_verdicts_open on ops.load_verdicts (load_id) where not passed and settled_at is null;
    create index on ops.load_verdicts (checked_at);

    alter table ops.gate_holds
        drop constraint gate_holds_state_check,
        add constraint gate_holds_state_check check (state in ('waiting', 'approved', 'rejected', 'healed'));
    comment on column ops.gate_holds.state is
        'healed: the reason of the hold is gone before a person decided, and so is all that it held.';

    -- Two letters of an address were kept, which may be all before its @, and nobody can tell of which. The
    -- one time that a line is changed: what is personal may not stand where nothing is ever taken out.
    alter table registry.changes disable trigger only_added_to;
    update registry.changes set
        before = case when before ->> 'email' is not null
            then jsonb_set(before, '{email}', to_jsonb('***@' || split_part(before ->> 'email', '***@', 2)))
            else before end,
        after = case when after ->> 'email' is not null
            then jsonb_set(after, '{email}', to_jsonb('***@' || split_part(after ->> 'email', '***@', 2)))
            else after end
    where subject_kind = 'grant' and (before ->> 'email' is not null or after ->> 'email' is not null);
    alter table registry.changes enable trigger only_added_to;
    """)


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
