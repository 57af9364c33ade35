"""One life of a certificate: who made it, what it supersedes, what it froze; its transitions, guarded by the
database; leases of one form in every queue.
"""

import hashlib
from urllib.parse import quote

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_AT_ONCE = 20_000

_CERTIFICATES = """
    alter table registry.certificates rename pdf_uri to pdf_path;
    -- The last part of an address is the object's name, and names begin with the certificate's id.
    update registry.certificates
    set pdf_path = concat_ws(
        '/', 'certificates', left(certificate_id, 2), regexp_replace(pdf_path, '^.*/', '')
    )
    where pdf_path is not null;

    alter table registry.certificates
        add origin text not null default 'rules' check (origin in ('rules', 'person', 'reissue')),
        add created_by text,
        add supersedes text references registry.certificates,
        add signature_sha256 text references registry.images,
        add badge_recipient jsonb,
        add constraint pdf_path_is_relative check (pdf_path !~ '^(/|[a-z0-9+]+:)');
    update registry.certificates as certificates
    set signature_sha256 = issuers.signature_sha256
    from registry.attachments as attachments, registry.issuer_versions as issuers
    where certificates.attachment_id = attachments.attachment_id
        and attachments.issuer_id = issuers.issuer_id and attachments.issuer_version = issuers.version
        and issuers.signature_sha256 is not null;
    alter table registry.certificates
        add constraint person_is_named check (origin = 'rules' or created_by is not null),
        add constraint reissue_supersedes check ((origin = 'reissue') = (supersedes is not null));

    -- One in force, and at most one that is to come: a successor waits beside what it will supersede.
    drop index registry.one_live_certificate;
    drop index registry.certificates_not_issued;
    create unique index one_issued_certificate on registry.certificates (user_id, course_id, batch_id)
        where status = 'issued';
    create unique index one_certificate_to_come on registry.certificates (user_id, batch_id, course_id)
        where status in ('pending', 'held', 'failed');
    create index certificates_superseding on registry.certificates (supersedes)
        where supersedes is not null;

    comment on column registry.certificates.origin is
        'rules: by a decision, and withdrawn with it until issued; person, reissue: by created_by, who alone '
        'may end it.';
    comment on column registry.certificates.pdf_path is 'In the store, relative to its root.';
    comment on column registry.certificates.signature_sha256 is
        'The signature that is printed, as it stood at creation.';
    comment on column registry.certificates.badge_recipient is
        'The recipient of the Open Badges assertion, hashed, as it stands in the PDF.';
"""

_OUTCOMES = """
    alter table ops.outcomes drop constraint outcomes_status_check;
    alter table ops.outcomes add constraint outcomes_status_check check (
        status in ('created', 'held', 'released', 'issued', 'failed', 'retried', 'withdrawn', 'superseded',
            'revoked')
    );
    comment on table ops.outcomes is
        'One row per transition of a certificate, but for claims, which attempt counts.';
"""

# The same table stands in pramaan.lifecycle.transitions; a test walks every pair through both.
_GUARDS = """
    create function registry.guard_certificate_status() returns trigger language plpgsql as $$
    begin
        if tg_op = 'INSERT' then
            if new.status in ('pending', 'held') then return new; end if;
            raise exception 'a certificate is created pending or held, not %', new.status
                using errcode = 'integrity_constraint_violation';
        elsif tg_op = 'DELETE' then
            if old.status in ('pending', 'held', 'failed') and old.origin = 'rules' then return old; end if;
            raise exception 'certificate % is % by %, and cannot be withdrawn',
                old.certificate_id, old.status, old.origin using errcode = 'integrity_constraint_violation';
        end if;
        if (old.status, new.status) in (
            ('pending', 'held'), ('held', 'pending'), ('pending', 'issued'), ('pending', 'failed'),
            ('failed', 'pending'), ('issued', 'superseded'), ('revoked', 'superseded'), ('issued', 'revoked')
        ) then
            return new;
        end if;
        raise exception 'certificate % cannot go from % to %', old.certificate_id, old.status, new.status
            using errcode = 'integrity_constraint_violation';
    end
    $$;
    create trigger status_guarded_on_insert before insert on registry.certificates
        for each row when (new.status not in ('pending', 'held'))
        execute function registry.guard_certificate_status();
    create trigger status_guarded_on_update before update of status on registry.certificates
        for each row when (old.status <> new.status)
        execute function registry.guard_certificate_status();
    create trigger status_guarded_on_delete before delete on registry.certificates
        for each row execute function registry.guard_certificate_status();

    create function registry.refuse_to_change_what_is_frozen() returns trigger language plpgsql as $$
    begin
        raise exception 'what certificate % prints was frozen when it was created', old.certificate_id
            using errcode = 'integrity_constraint_violation';
    end
    $$;
    create trigger frozen_at_creation before update of
        certificate_id, user_id, course_id, batch_id, sequence, attachment_id, recipient_name, completed_at,
        render_input, signature_sha256, badge_recipient, origin, created_by, supersedes
        on registry.certificates
        for each row execute function registry.refuse_to_change_what_is_frozen();
"""

_LEASES = """
    alter table ops.report_requests rename builder to lease_id;
    alter table ops.report_requests add lease_expires_at timestamptz;
    update ops.report_requests set lease_id = null where status <> 'building' or built_at is not null;
    comment on column ops.report_requests.lease_id is
        'The builder at work on it; it holds an advisory lock of this number for as long as it lives.';
    alter table ops.mails add lease_id integer;
    comment on column ops.mails.lease_id is
        'The sender that has it; it holds an advisory lock of this number for as long as it lives.';
"""


def upgrade() -> None:
    op.execute(_CERTIFICATES)
    _freeze_recipients()
    op.execute("alter table registry.certificates alter badge_recipient set not null")
    op.execute(_OUTCOMES)
    op.execute(_GUARDS)
    op.execute(_LEASES)


def _freeze_recipients() -> None:
    """Write down who each PDF's assertion names, as it was worked out until now: from the address of the
    profile beside the verification page, salted with the certificate's id.
    """
    connection = op.get_bind()
    after = ""
    while rows := connection.execute(
        sa.text(
            "select certificate_id, user_id, coalesce(render_input ->> 'verify_url', '') "
            "from registry.certificates where certificate_id > :after "
            "order by certificate_id limit :limit"
        ),
        {"after": after, "limit": _AT_ONCE},
    ).fetchall():
        connection.execute(
            sa.text(
                "update registry.certificates as certificates set badge_recipient = jsonb_build_object("
                "'type', 'url', 'hashed', true, 'salt', known.certificate_id, 'identity', known.identity) "
                "from unnest(cast(:ids as text[]), cast(:identities as text[])) "
                "as known (certificate_id, identity) "
                "where certificates.certificate_id = known.certificate_id"
            ),
            {
                "ids": [row[0] for row in rows],
                "identities": [_identity(row[0], row[1], row[2]) for row in rows],
            },
        )
        after = rows[-1][0]


def _identity(certificate_id: str, user_id: str, verify_url: str) -> str:
    base, _, salt = verify_url.rpartition("/verify/")
    profile = f"{base}/users/{quote(user_id, safe='')}"
    return f"sha256${hashlib.sha256((profile + (salt or certificate_id)).encode()).hexdigest()}"


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
