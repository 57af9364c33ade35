"""The registry: issuers, templates, attachments and certificates (contract parts 1, 3 and 4)."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    create extension if not exists btree_gist;
    create schema registry;

    create table registry.images (
        sha256 text primary key,
        media_type text not null check (media_type in ('image/png', 'image/jpeg')),
        content bytea not null
    );

    create table registry.issuers (
        issuer_id text primary key,
        tenant_id text not null,
        created_at timestamptz not null default now()
    );

    create table registry.issuer_versions (
        issuer_id text not null references registry.issuers,
        version integer not null check (version >= 1),
        valid_from timestamptz not null default now(),
        name text not null,
        url text,
        email text,
        signatory_name text,
        signatory_designation text,
        signature_sha256 text references registry.images,
        recorded_by text not null,
        primary key (issuer_id, version)
    );

    create table registry.template_versions (
        template_id text not null,
        version text not null,
        archive bytea not null,
        recorded_at timestamptz not null default now(),
        primary key (template_id, version)
    );
    comment on table registry.template_versions is 'Template folders, kept by content hash.';

    create table registry.attachments (
        attachment_id uuid primary key default gen_random_uuid(),
        course_id text not null,
        tenant_id text not null,
        template_id text not null,
        template_version text not null,
        issuer_id text not null,
        issuer_version integer not null,
        criteria jsonb not null default '{}',
        valid_from timestamptz not null,
        valid_to timestamptz check (valid_to >= valid_from),
        asserted_by text not null,
        asserted_at timestamptz not null default now(),
        reason text,
        foreign key (template_id, template_version) references registry.template_versions,
        foreign key (issuer_id, issuer_version) references registry.issuer_versions,
        constraint one_certificate_in_force
            exclude using gist (course_id with =, tstzrange(valid_from, valid_to) with &&)
    );

    create table registry.certificates (
        certificate_id text primary key,
        user_id text not null,
        course_id text not null,
        batch_id text not null,
        sequence integer not null default 1 check (sequence >= 1),
        attachment_id uuid not null references registry.attachments,
        recipient_name text not null,
        completed_at timestamptz not null,
        issued_at timestamptz,
        status text not null
            check (status in ('pending', 'held', 'issued', 'failed', 'superseded', 'revoked')),
        pdf_uri text,
        pdf_sha256 text,
        pdf_bytes integer,
        render_input jsonb not null,
        engine_version text,
        attempts integer not null default 0,
        error_class text,
        error text,
        lease_id integer,
        lease_expires_at timestamptz,
        next_attempt_at timestamptz not null default now(),
        created_at timestamptz not null default now(),
        unique (user_id, course_id, batch_id, sequence),
        constraint issued_means_stored check (
            status <> 'issued'
            or (issued_at, pdf_uri, pdf_sha256, pdf_bytes, engine_version) is not null
        ),
        constraint failed_says_why check (status <> 'failed' or error_class is not null)
    );
    create unique index one_live_certificate on registry.certificates (user_id, course_id, batch_id)
        where status not in ('superseded', 'revoked');
    create index certificates_waiting on registry.certificates (next_attempt_at, certificate_id)
        where status = 'pending';
    create index certificates_not_issued on registry.certificates (user_id, batch_id)
        where status in ('pending', 'failed', 'held');
    create index on registry.certificates (course_id);
    comment on column registry.certificates.lease_id is
        'The worker that renders it now; it holds an advisory lock of this number for as long as it lives.';
    comment on column registry.certificates.render_input is
        'All fields that are printed, as they stood at the decision; never read from the facts again.';

    create table registry.printable_code_points (
        code_point integer primary key
    );
    """)


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
