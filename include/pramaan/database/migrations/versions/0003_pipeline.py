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
        certificate_id text not null references registry.certificates,
        attempt integer not null,
        run_id uuid references ops.runs,
        status text not null check (status in ('issued', 'failed', 'retried')),
        error_class text,
        at timestamptz not null default now(),
        primary key (certificate_id, attempt)
    );
    """)


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
