"""Who may do what, who changed what, and revocation (contract parts 4 and 5)."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    create table registry.grants (
        grant_id bigint generated always as identity primary key,
        username text not null check (username <> ''),
        role text not null check (role in ('viewer', 'mentor', 'badge_creator', 'portal', 'admin')),
        tenant_id text check (tenant_id <> ''),
        email text,
        granted_by text not null,
        granted_at timestamptz not null default now(),
        unique nulls not distinct (username, role, tenant_id)
    );
    comment on table registry.grants is 'Who may do what where; without a tenant: in all of them.';

    create table registry.changes (
        change_id bigint generated always as identity primary key,
        changed_at timestamptz not null default clock_timestamp(),
        username text not null,
        channel text not null,
        address text,
        action text not null,
        subject_kind text not null,
        subject_id text not null,
        tenant_id text,
        before jsonb,
        after jsonb
    );
    create index on registry.changes (subject_kind, subject_id);
    comment on table registry.changes is
        'One row per change that a person or a program made: who, when, from where, before and after.';

    create function registry.refuse_to_rewrite() returns trigger language plpgsql as $$
    begin
        raise exception 'registry.changes is only ever added to' using errcode = 'insufficient_privilege';
    end
    $$;
    create trigger only_added_to before update or delete or truncate on registry.changes
        for each statement execute function registry.refuse_to_rewrite();

    alter table registry.certificates
        add revoked_at timestamptz,
        add revoked_by text,
        add revocation_reason text;
    update registry.certificates
    set revoked_at = now(), revoked_by = 'migration', revocation_reason = 'revoked before reasons were kept'
    where status = 'revoked';
    -- A revoked certificate that a re-issue supersedes keeps when and why.
    alter table registry.certificates
        add constraint revoked_says_why check (
            case
                when revoked_at is null then status <> 'revoked'
                else status in ('revoked', 'superseded') and (revoked_by, revocation_reason) is not null
            end
        );

    alter table registry.template_versions add required_fields text[] not null default '{}';
    comment on column registry.template_versions.required_fields is
        'What it cannot be printed without; empty also for versions kept before this was known.';
    create index on registry.attachments (issuer_id);
    """)


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
