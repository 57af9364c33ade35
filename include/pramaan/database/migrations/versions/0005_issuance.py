"""Holds of the gate, verdicts on loads, mail, and what the steps of a run share (contract parts 3 and 4)."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    alter table ops.changed_keys add since timestamptz;
    comment on column ops.changed_keys.since is
        'Of an attachment: only completions from then on are touched; null: all of the course.';

    alter table ops.runs
        add scheduler_run_id text unique,
        add history boolean not null default false;
    comment on column ops.runs.scheduler_run_id is 'The run of Airflow that this is, if it is one.';
    comment on column ops.runs.history is 'An import of history: its candidates pass the gate.';
    create index on ops.runs (started_at);
    create index on ops.outcomes (run_id);

    create sequence ops.gate_hold_ids;
    create table ops.gate_holds (
        hold_id bigint not null,
        course_id text not null,
        tenant_id text not null,
        rule text not null check (rule in ('volume', 'age', 'quality')),
        why text not null,
        load_ids bigint[] not null default '{}',
        candidates integer not null check (candidates >= 0),
        state text not null default 'waiting' check (state in ('waiting', 'approved', 'rejected')),
        run_id uuid references ops.runs,
        held_at timestamptz not null default now(),
        asked_at timestamptz,
        asked_by text,
        decided_by text,
        decided_at timestamptz,
        remark text,
        primary key (hold_id, course_id),
        constraint decided_says_who check (
            case state when 'waiting' then decided_by is null and decided_at is null
                else (decided_by, decided_at) is not null end
        )
    );
    create unique index one_waiting_hold on ops.gate_holds (course_id, rule) where state = 'waiting';
    create index gate_holds_by_quality on ops.gate_holds (course_id) where rule = 'quality';
    comment on table ops.gate_holds is
        'One row per course that a batch held back, until a person decides; candidates: how many were held.';

    alter table registry.certificates
        add hold_id bigint,
        add foreign key (hold_id, course_id) references ops.gate_holds (hold_id, course_id),
        add constraint held_by_a_hold check (status <> 'held' or hold_id is not null);
    create index certificates_held on registry.certificates (hold_id, course_id) where status = 'held';

    create table ops.candidate_days (
        course_id text not null,
        completed_on date not null,
        arrived bigint not null,
        passed bigint not null,
        is_approved boolean not null default false,
        primary key (course_id, completed_on)
    );
    comment on table ops.candidate_days is
        'How many certificates of a course there are by day of completion: arrived at the gate, let pass.';
    comment on column ops.candidate_days.is_approved is
        'A person has approved what the gate held of that day: what comes late passes.';

    -- What was issued so far is the history that the gate begins with.
    insert into ops.candidate_days (course_id, completed_on, arrived, passed)
    select course_id, (completed_at at time zone 'Asia/Kolkata')::date as completed_on, count(*), count(*)
    from registry.certificates
    where sequence = 1 and completed_at > now() - interval '1 year'
    group by course_id, completed_on;

    create table ops.held_keys (
        user_id text not null,
        course_id text not null,
        batch_id text not null,
        hold_id bigint not null,
        primary key (user_id, course_id, batch_id),
        foreign key (hold_id, course_id) references ops.gate_holds (hold_id, course_id)
    );
    create index on ops.held_keys (hold_id, course_id);
    comment on table ops.held_keys is
        'Whose certificate a hold is on for its volume or age: facts that come and go do not shake it off.';

    create table ops.load_verdicts (
        load_id bigint primary key references ops.loads,
        passed boolean not null,
        findings jsonb not null,
        checked_at timestamptz not null default now()
    );
    create index load_verdicts_failed on ops.load_verdicts (load_id) where not passed;
    comment on table ops.load_verdicts is
        'What the quality suite of its feed says of a load; findings: the expectations that failed.';

    create table ops.mails (
        mail_id bigint generated always as identity primary key,
        kind text not null,
        subject_key text not null,
        recipients text[] not null check (cardinality(recipients) > 0),
        language text not null,
        content jsonb not null,
        status text not null default 'queued' check (status in ('queued', 'sent', 'failed')),
        attempts integer not null default 0,
        queued_at timestamptz not null default now(),
        next_attempt_at timestamptz not null default now(),
        attempted_at timestamptz,
        lease_expires_at timestamptz,
        handed_over_at timestamptz,
        handed_over_to text[] not null default '{}',
        message_id text not null unique,
        error_class text,
        error text,
        unique (kind, subject_key),
        constraint failed_says_why check (status <> 'failed' or error_class is not null),
        constraint sent_says_when check (status <> 'sent' or handed_over_at is not null)
    );
    create index mails_waiting on ops.mails (next_attempt_at, mail_id) where status = 'queued';
    create index mails_attempted on ops.mails (attempted_at);
    comment on table ops.mails is
        'One row per message, by what it is about; sent means that the mail server took it over whole.';
    comment on column ops.mails.recipients is
        'Who is still to get it; once it is sent, addresses are masked and the content is empty.';
    comment on column ops.mails.handed_over_to is 'Masked addresses for which the mail server took it over.';

    alter table registry.attachments add notify_recipients boolean not null default false;
    comment on column registry.attachments.notify_recipients is 'Send each recipient a short mail on issue.';
    create index loads_to_check on ops.loads (loaded_at) where status = 'loaded';

    -- The rows of one load, for its check. Newest loads stand in few places of a table, so that some
    -- kilobytes of summary find them; an index proper would make each update write to every index.
    create index on raw.users using brin (load_id) with (pages_per_range = 16, autosummarize = on);
    create index on raw.enrolments using brin (load_id) with (pages_per_range = 16, autosummarize = on);
    create index on raw.progress using brin (load_id) with (pages_per_range = 16, autosummarize = on);
    create index on raw.telemetry using brin (load_id) with (pages_per_range = 16, autosummarize = on);
    """)


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
