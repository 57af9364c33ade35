"""What runs leave behind: run and outcome ledgers, and the definitions that dbt deployed."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    create table ops.deployments (
        name text primary key,
        fingerprint text not null,
        deployed_at timestamptz not null default now()
    );
    comment on table ops.deployments is
        'What this database was last given: the dbt project and the fonts, by content hash.';

    create table ops.rule_statements (
        model text primary key,
        statement text not null,
        deployed_at timestamptz not null default now()
    );
    comment on table ops.rule_statements is
        'The compiled select of each rule model, written by dbt itself when it builds the model.';

    create table ops.runs (
        run_id uuid primary key default gen_random_uuid(),
        trigger text not null check (trigger in ('foreground', 'airflow')),
        started_at timestamptz not null default now(),
        finished_at timestamptz,
        counts jsonb not null default '{}'
    );

    create table ops.outcomes (
        outcome_id bigint generated always as identity primary key,
        run_id uuid references ops.runs,
        certificate_id text not null,
        status text not null check (status in ('issued', 'failed', 'retried')),
        error_class text,
        attempt integer not null,
        at timestamptz not null default now()
    );
    create index on ops.outcomes (certificate_id);
    comment on table ops.outcomes is 'One row per attempt to issue a certificate.';
    """)


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
