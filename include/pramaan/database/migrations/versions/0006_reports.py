"""Progress reports: requests, schedules, downloads by signed link (contract part 4)."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    create table ops.report_schedules (
        schedule_id uuid primary key default gen_random_uuid(),
        batch_id text not null,
        cadence text not null check (cadence in ('weekly', 'at_end')),
        scheduled_by text not null,
        by_operator boolean not null,
        email text not null,
        format text not null check (format in ('csv', 'xlsx')),
        language text not null,
        scheduled_at timestamptz not null default now(),
        next_due_at timestamptz not null,
        is_done boolean not null default false,
        error text
    );
    create unique index one_schedule on ops.report_schedules (scheduled_by, batch_id, email, cadence);
    create index on ops.report_schedules (next_due_at);
    comment on table ops.report_schedules is
        'Reports to be asked for again: weekly, or once when the batch has ended.';
    comment on column ops.report_schedules.next_due_at is
        'One at the end is due from then on once its batch has ended, too, and done after that.';

    create table ops.report_requests (
        request_id uuid primary key default gen_random_uuid(),
        batch_id text not null,
        requested_by text not null,
        by_operator boolean not null,
        email text not null,
        format text not null check (format in ('csv', 'xlsx')),
        language text not null,
        channel text not null check (channel in ('api', 'page', 'airflow', 'cli', 'schedule')),
        sealed_password bytea,
        expected_rows integer not null,
        status text not null default 'requested'
            check (status in ('requested', 'building', 'sent', 'failed')),
        attempts integer not null default 0,
        builder integer,
        next_attempt_at timestamptz not null default now(),
        entered_at timestamptz not null default now(),
        requested_at timestamptz not null default now(),
        building_at timestamptz,
        as_of timestamptz,
        built_at timestamptz,
        handed_over_at timestamptz,
        failed_at timestamptz,
        rows integer,
        bytes bigint,
        path text,
        file_removed_at timestamptz,
        totals jsonb,
        error_class text,
        error text,
        constraint built_is_stored check (built_at is null or (rows, bytes, path, as_of) is not null),
        constraint sent_says_when check (status <> 'sent' or handed_over_at is not null),
        constraint failed_says_why check (status <> 'failed' or (error_class, error, failed_at) is not null)
    );
    create unique index one_report_under_way on ops.report_requests (requested_by, batch_id)
        where status in ('requested', 'building');
    create index reports_under_way on ops.report_requests (requested_at)
        where status in ('requested', 'building');
    create index on ops.report_requests (requested_by, entered_at);
    create index on ops.report_requests (batch_id);
    comment on table ops.report_requests is
        'One row per request for a progress report; sent: the mail server took the whole mail over.';
    comment on column ops.report_requests.by_operator is
        'Asked for by somebody at the machine, who sees everybody; others see what their grants say by then.';
    comment on column ops.report_requests.requested_at is
        'When it was asked for: a while before entered_at, where a run of Airflow had to begin first.';
    comment on column ops.report_requests.email is 'Masked once the report is sent.';
    comment on column ops.report_requests.sealed_password is
        'Sealed with a key of the home, and forgotten once the file is built.';
    comment on column ops.report_requests.builder is
        'The builder at work on it; it holds an advisory lock of this number for as long as it lives.';

    create table ops.report_downloads (
        download_id bigint generated always as identity primary key,
        request_id uuid not null references ops.report_requests,
        at timestamptz not null default now(),
        channel text not null check (channel in ('link', 'api', 'page'))
    );
    create index on ops.report_downloads (request_id);
    create index telemetry_of_people on raw.telemetry (actor_id) where eid = 'INTERACT';
    comment on table ops.report_downloads is 'Each time that a report was fetched instead of mailed.';
    """)


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
