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

# Every certificate is rewritten once, and an index that is not there is not kept up to date meanwhile.

_BEFORE = """
    alter table registry.certificates rename pdf_uri to pdf_path;
    alter table registry.certificates
        add origin text not null default 'rules',
        add created_by text,
        add supersedes text,
        add signature_sha256 text,
        add badge_recipient jsonb;
    drop index registry.one_live_certificate;
    drop index registry.certificates_not_issued;
"""

# The last part of an address is the object's name, and names begin with the certificate's id.
_REWRITE = """
    update registry.certificates as certificates
    set pdf_path = case when certificates.pdf_path is not null then concat_ws(
            '/', 'certificates', left(certificates.certificate_id, 2),
            regexp_replace(certificates.pdf_path, '^.*/', '')
        ) end,
        signature_sha256 = issuers.signature_sha256,
        badge_recipient = jsonb_build_object(
            'type', 'url', 'hashed', true, 'salt', known.certificate_id, 'identity', known.identity
        )
    from unnest(cast(:ids as text[]), cast(:identities as text[])) as known (certificate_id, identity),
        registry.attachments as attachments, registry.issuer_versions as issuers
    where certificates.certificate_id = known.certificate_id
        and certificates.attachment_id = attachments.attachment_id
        and attachments.issuer_id = issuers.issuer_id and attachments.issuer_version = issuers.version
"""

_AFTER = """
    -- One in force, and at most one that is to come: a successor waits beside what it will supersede.
    create unique index one_issued_certificate on registry.certificates (user_id, course_id, batch_id)
        where status = 'issued';
    create unique index one_certificate_to_come on registry.certificates (user_id, batch_id, course_id)
        where status in ('pending', 'held', 'failed');
    create index certificates_superseding on registry.certificates (supersedes)
        where supersedes is not null;

    alter table registry.certificates
        add constraint certificate_of_completion unique (certificate_id, user_id, course_id, batch_id);
    alter table registry.certificates
        add constraint origin_is_known check (origin in ('rules', 'person', 'reissue')) not valid,
        add constraint person_is_named check (origin = 'rules' or created_by is not null) not valid,
        add constraint reissue_supersedes
            check ((origin = 'reissue') = (supersedes is not null)) not valid,
        add constraint supersedes_of_the_same_completion
            foreign key (supersedes, user_id, course_id, batch_id)
            references registry.certificates (certificate_id, user_id, course_id, batch_id) not valid,
        add constraint signature_is_kept
            foreign key (signature_sha256) references registry.images not valid,
        add constraint recipient_is_frozen check (badge_recipient is not null) not valid,
        add constraint pdf_path_is_of_the_store
            check (pdf_path ~ '^certificates/[0-9a-z]{2}/[^/]+$') not valid;
    alter table registry.certificates
        validate constraint origin_is_known,
        validate constraint person_is_named,
        validate constraint reissue_supersedes,
        validate constraint supersedes_of_the_same_completion,
        validate constraint signature_is_kept,
        validate constraint recipient_is_frozen,
        validate constraint pdf_path_is_of_the_store;
    -- What is validated is not read again for this.
    alter table registry.certificates alter badge_recipient set not null;
    alter table registry.certificates drop constraint recipient_is_frozen;

    comment on column registry.certificates.origin is
        'rules: by a decision, and withdrawn with it until issued; person, reissue: by created_by; only a '
        'person may withdraw it.';
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
            if old.status in ('pending', 'held', 'failed') and (
                old.origin = 'rules'
                -- Named by the one statement that withdraws what a person made, and by it alone.
                or old.certificate_id = current_setting('pramaan.withdrawn_by_person', true)
            ) then return old; end if;
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

    create function registry.refuse_to_change_what_is_recorded() returns trigger language plpgsql as $$
    begin
        raise exception 'certificate % is %, and what was recorded of it is final',
            old.certificate_id, old.status using errcode = 'integrity_constraint_violation';
    end
    $$;
    create trigger final_once_issued before update of
        issued_at, pdf_path, pdf_sha256, pdf_bytes, engine_version on registry.certificates
        for each row when (
            old.status in ('issued', 'superseded', 'revoked')
            and (old.issued_at, old.pdf_path, old.pdf_sha256, old.pdf_bytes, old.engine_version)
                is distinct from
                (new.issued_at, new.pdf_path, new.pdf_sha256, new.pdf_bytes, new.engine_version)
        )
        execute function registry.refuse_to_change_what_is_recorded();
    create trigger final_once_revoked before update of
        revoked_at, revoked_by, revocation_reason on registry.certificates
        for each row when (
            old.status in ('superseded', 'revoked')
            and (old.revoked_at, old.revoked_by, old.revocation_reason)
                is distinct from (new.revoked_at, new.revoked_by, new.revocation_reason)
        )
        execute function registry.refuse_to_change_what_is_recorded();

    create function registry.refuse_to_truncate_certificates() returns trigger language plpgsql as $$
    begin
        raise exception 'certificates are never removed all at once' using errcode = 'insufficient_privilege';
    end
    $$;
    create trigger never_truncated before truncate on registry.certificates
        for each statement execute function registry.refuse_to_truncate_certificates();
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
    op.execute(_BEFORE)
    _rewrite_certificates()
    op.execute(_AFTER)
    op.execute(_OUTCOMES)
    op.execute(_GUARDS)
    op.execute(_LEASES)


def _rewrite_certificates() -> None:
    """Write down of each certificate where its PDF lies, whose signature it prints, and who its assertion
    names, as it was worked out until now: from the address of the profile beside the verification page,
    salted with the certificate's id.
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
        ids = [row[0] for row in rows]
        identities = [_identity(row[0], row[1], row[2]) for row in rows]
        connection.execute(sa.text(_REWRITE), {"ids": ids, "identities": identities})
        after = ids[-1]


def _identity(certificate_id: str, user_id: str, verify_url: str) -> str:
    base, _, salt = verify_url.rpartition("/verify/")
    profile = f"{base}/users/{quote(user_id, safe='')}"
    return f"sha256${hashlib.sha256((profile + (salt or certificate_id)).encode()).hexdigest()}"


def downgrade() -> None:
    raise NotImplementedError("the registry is a ledger: it moves forward only")
