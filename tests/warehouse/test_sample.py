"""The bundled sample, end to end: every completion and its reason as the sample says."""

from pathlib import Path

import pytest
from rule_tables import decisions, kept, rebuilt

from pramaan.database.connect import Connection
from pramaan.pipeline import Pipeline
from pramaan.registry.attachment_changes import attach
from pramaan.registry.attachments import Criteria
from pramaan.registry.issuers import Issuer, record_issuer
from pramaan.registry.templates import KeptTemplate
from pramaan.sample import SampleSummary, write_sample
from pramaan.settings import Settings
from pramaan.warehouse.dbt import run_dbt
from worlds import TESTER, drop, load_and_decide


@pytest.fixture
def sample(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> SampleSummary:
    """The sample loaded; its certificates attached only afterwards; all decided."""
    summary = write_sample(tmp_path / "sample")
    drop(settings, tmp_path / "sample")
    load_and_decide(pipeline, connection)
    for document in summary.issuers:
        issuer = Issuer(document["id"], document["tenant_id"], document["name"])
        record_issuer(connection, issuer, by=TESTER)
    for terms in summary.attachments:
        attach(
            connection,
            terms.course_id,
            template=KeptTemplate(terms.template_id, "1", b"archive"),
            issuer_id=terms.issuer_id,
            criteria=Criteria(terms.recipient_tenants, terms.minimum_score),
            valid_from=terms.valid_from,
            by=TESTER,
            reason=terms.reason,
        )
    load_and_decide(pipeline, connection)
    return summary


def test_every_decision_is_as_the_sample_says(
    sample: SampleSummary, pipeline: Pipeline, connection: Connection
) -> None:
    made = {key: (one.completed_at, one.decision) for key, one in decisions(connection).items()}
    expected = {(o.user_id, o.course_id, o.batch_id): (o.completed_at, o.decision) for o in sample.outcomes}
    assert made == expected
    totals = pipeline.totals(connection)
    assert totals.decisions == {reason: count for reason, count in sorted(sample.decisions.items()) if count}
    assert totals.certificates == {"pending": sample.decisions["entitled"]}
    assert kept(connection) == rebuilt(connection)


@pytest.mark.slow
@pytest.mark.usefixtures("sample")
def test_dbt_build_passes_every_test_and_changes_nothing(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    before = kept(connection)
    assert settings.database_url is not None
    run_dbt(["build"], url=settings.database_url.get_secret_value(), target=tmp_path / "dbt")
    assert kept(connection) == before
