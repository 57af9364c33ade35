"""Migrations over a database that has lived: what was there stays, and what is new fits it."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from psycopg.types.json import Jsonb
from sqlalchemy import create_engine

from pramaan.database import migrate as module
from pramaan.database.connect import connect
from pramaan.database.migrate import migrate, schema_is_current
from pramaan.errors import DatabaseError
from pramaan.rendering.badge_assertion import hashed_recipient
from pramaan.settings import Settings
from worlds import database_url


def migrate_to(url: str, revision: str) -> None:
    """Every schema of ours made anew, as far as a revision."""
    with connect(url) as connection:
        connection.execute(
            "drop schema raw, registry, ops, staging, intermediate, marts cascade; create schema ops"
        )
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).parent / "migrations"))
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def test_a_certificate_revoked_before_reasons_were_kept_stays_revoked(settings: Settings) -> None:
    url = database_url(settings)
    migrate_to(url, "0003")
    with connect(url) as connection:
        connection.execute(
            "insert into registry.issuers values ('b', 't'); "
            "insert into registry.issuer_versions (issuer_id, version, name, recorded_by) "
            "values ('b', 1, 'B', 'x'); "
            "insert into registry.template_versions (template_id, version, archive) values ('c', '1', ''); "
            "with attachment as (insert into registry.attachments (course_id, tenant_id, template_id, "
            "template_version, issuer_id, issuer_version, valid_from, asserted_by) "
            "values ('c', 't', 'c', '1', 'b', 1, now(), 'x') returning attachment_id) "
            "insert into registry.certificates (certificate_id, user_id, course_id, batch_id, attachment_id, "
            "recipient_name, completed_at, status, render_input) "
            "select 'r', 'u', 'c', 'b', attachment_id, 'A', now(), 'revoked', '{}' from attachment"
        )
    migrate(url)
    assert schema_is_current(url)
    with connect(url) as connection:
        row = connection.execute("select status, revoked_at is null from registry.certificates").fetchone()
    assert row == ("revoked", False)


def test_certificates_of_before_keep_their_life_and_lie_in_a_store_that_may_move(settings: Settings) -> None:
    url = database_url(settings)
    migrate_to(url, "0006")
    printed = {"verify_url": "https://x.example/pramaan/verify/0a1b", "completed_at": "2026-02-01T00:00:00Z"}
    with connect(url) as connection:
        connection.execute(
            "insert into registry.issuers values ('b', 't'); "
            "insert into registry.images values ('picture', 'image/png', ''); "
            "insert into registry.issuer_versions (issuer_id, version, name, recorded_by, signature_sha256) "
            "values ('b', 1, 'B', 'x', 'picture'); "
            "insert into registry.template_versions (template_id, version, archive) values ('c', '1', '')"
        )
        connection.execute(
            "with attachment as (insert into registry.attachments (course_id, tenant_id, template_id, "
            "template_version, issuer_id, issuer_version, valid_from, asserted_by) "
            "values ('c', 't', 'c', '1', 'b', 1, now(), 'x') returning attachment_id) "
            "insert into registry.certificates (certificate_id, user_id, course_id, batch_id, attachment_id, "
            "recipient_name, completed_at, status, render_input, issued_at, pdf_uri, pdf_sha256, pdf_bytes, "
            "engine_version) "
            "select '0a1b', 'u/1', 'c', 'b', attachment_id, 'A', now(), 'issued', %s, now(), "
            "'s3://bucket/a place/certificates/0a/0a1b.ff.pdf', 'ff', 1, '1' from attachment",
            (Jsonb(printed),),
        )
    migrate(url)
    with connect(url) as connection:
        row = connection.execute(
            "select status, origin, pdf_path, signature_sha256, badge_recipient from registry.certificates"
        ).fetchone()
    assert row is not None
    assert row[:4] == ("issued", "rules", "certificates/0a/0a1b.ff.pdf", "picture")
    assert row[4] == hashed_recipient("https://x.example/pramaan", recipient_id="u/1", certificate_id="0a1b")


def test_of_an_address_that_the_record_of_changes_kept_only_its_host_stays(settings: Settings) -> None:
    url = database_url(settings)
    migrate_to(url, "0006")
    with connect(url) as connection:
        connection.execute(
            "insert into registry.changes "
            "(username, channel, action, subject_kind, subject_id, before, after) "
            "values ('x', 'cli', 'granted', 'grant', 'ab', null, "
            """'{"role": "mentor", "email": "ab***@x.org"}'), """
            """('x', 'cli', 'changed', 'grant', 'ab', '{"role": "mentor", "email": null}', """
            """'{"role": "mentor", "email": "as***@y.org"}')"""
        )
    migrate(url)
    with connect(url) as connection:
        rows = connection.execute("select before, after from registry.changes order by change_id").fetchall()
        with pytest.raises(DatabaseError, match="only ever added to"), connect(url) as other:
            other.execute("delete from registry.changes")
    assert rows == [
        (None, {"role": "mentor", "email": "***@x.org"}),
        ({"role": "mentor", "email": None}, {"role": "mentor", "email": "***@y.org"}),
    ]
