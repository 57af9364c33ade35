"""Workers that die: whoever kills them is found out alone, and nobody else ever pays for it."""

import random
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from plain_template import plain_files
from pramaan.bench.registry_rows import unguarded_registry
from pramaan.certificates.isolated_renderer import IsolatedRenderer
from pramaan.certificates.issue import WorkerConfig, issue_chunk
from pramaan.certificates.limits import Limits
from pramaan.certificates.queue import open_worker
from pramaan.certificates.rendering import CertificateRenderer
from pramaan.certificates.workers import issue_all
from pramaan.database.connect import Connection, connect
from pramaan.errors import RenderError
from pramaan.lifecycle.issuing import Failure, make_due
from pramaan.pipeline import Pipeline
from pramaan.registry.templates import KeptTemplate, keep_template
from pramaan.rendering.template import template_of
from pramaan.settings import Settings
from worlds import database_url, finishers_waiting, store_files

ENDLESS = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><defs><g id="g0"></g>'
    + "".join(f'<g id="g{n}">' + f'<use href="#g{n - 1}"/>' * 20 + "</g>" for n in range(1, 12))
    + '</defs><use href="#g11"/></svg>'
)
"""A drawing of nothing, 20 to the power of 11 times."""

WORKERS = get_context("forkserver")
"""Processes that begin with what they import, so that they are killed while they work."""
WORKERS.set_forkserver_preload(["pramaan.certificates.issue", "pramaan.rendering.renderer"])


@pytest.fixture
def worker_config(pipeline: Pipeline) -> WorkerConfig:
    """That of the pipeline, with little patience."""
    return replace(pipeline.worker_config, limits=Limits(seconds=4))


@pytest.fixture
def poison(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> str:
    """Twelve certificates wait; the renderer never comes to an end with one of them, whose id this is."""
    finishers_waiting(settings, pipeline, connection, tmp_path, count=12)
    files = plain_files() | {"endless.svg": ENDLESS.encode()}
    files["template.yml"] = files["template.yml"].replace(
        b"fields:\n", b"fields:\n  issuer_url: { sample: 'https://x.example', optional: true }\n"
    )
    files["certificate.html"] = files["certificate.html"].replace(
        b"<h1>", b'{% if issuer_url %}<img class="frame" src="endless.svg" alt="">{% endif %}<h1>'
    )
    template = template_of("endless", files)
    keep_template(connection, KeptTemplate("endless", template.version, template.pack()))
    connection.execute(
        "update registry.attachments set template_id = 'endless', template_version = %s", (template.version,)
    )
    with unguarded_registry(connection):
        row = connection.execute(
            "update registry.certificates "
            """set render_input = render_input || '{"issuer_url": "https://x.example"}' """
            "where certificate_id = "
            "(select certificate_id from registry.certificates order by certificate_id offset 4 limit 1) "
            "returning certificate_id"
        ).fetchone()
    assert row
    return str(row[0])


@pytest.fixture
def other(settings: Settings) -> Iterator[Connection]:
    with connect(database_url(settings)) as opened:
        yield opened


def outcomes(connection: Connection) -> dict[tuple[str, str | None], int]:
    query = "select status, error_class, count(*) from registry.certificates group by 1, 2"
    return {(str(row[0]), row[1]): int(str(row[2])) for row in connection.execute(query).fetchall()}


def let_workers_die(connection: Connection, times: int) -> None:
    """As if workers had died with all that is pending in their hands."""
    connection.execute("update registry.certificates set attempts = %s where status = 'pending'", (times,))


@pytest.mark.slow
def test_one_that_hangs_is_failed_and_the_run_goes_on_to_its_end(
    worker_config: WorkerConfig, connection: Connection, poison: str
) -> None:
    issue_all(worker_config, due_by=make_due(connection), run_id=None, waiting=12)
    assert outcomes(connection) == {("issued", None): 11, ("failed", "renderer_crashed"): 1}
    failed = connection.execute(
        "select certificate_id, error from registry.certificates where status = 'failed'"
    ).fetchone()
    assert failed == (poison, "the renderer hangs, or dies, on this certificate alone")
    kept = connection.execute(
        "select status, error_class, attempt from ops.outcomes "
        "where certificate_id = %s and status <> 'created'",
        (poison,),
    ).fetchall()
    assert kept == [("failed", "renderer_crashed", 4)]


def test_suspects_come_last_and_innocent_ones_are_issued(
    settings: Settings, worker_config: WorkerConfig, connection: Connection, poison: str
) -> None:
    connection.execute("delete from registry.certificates where certificate_id = %s", (poison,))
    let_workers_die(connection, 3)
    due_by = make_due(connection)
    with open_worker(connection, run_id=None) as worker:
        assert worker.claim(100, due_by=due_by) == []
        assert worker.has_poison(due_by=due_by)
    result = issue_chunk(worker_config, limit=100, due_by=due_by, run_id=None)
    assert (result.issued, result.failed, len(store_files(settings))) == (11, 0, 11)


@pytest.mark.usefixtures("poison")
def test_what_waited_for_the_store_often_is_no_suspect(connection: Connection) -> None:
    with open_worker(connection, run_id=None) as worker:
        for _ in range(7):
            (claim, *rest) = worker.claim(12, due_by=make_due(connection))
            away = Failure(claim.certificate_id, "store_unavailable", "away", timedelta(0))
            worker.record([], [away])
            worker.release(rest)
        assert not worker.has_poison(due_by=make_due(connection))


@pytest.mark.usefixtures("poison")
def test_a_suspect_is_claimed_by_one_alone_and_the_next_is_another(
    connection: Connection, other: Connection
) -> None:
    let_workers_die(connection, 5)
    due_by = make_due(connection)
    with open_worker(connection, run_id=None) as first, open_worker(other, run_id=None) as second:
        mine, yours = first.claim_poison(due_by=due_by), second.claim_poison(due_by=due_by)
        assert mine
        assert yours
        assert mine.certificate_id != yours.certificate_id
        assert (mine.crash_count, mine.attempt) == (5, 6)
        first.release([mine])
    with open_worker(connection, run_id=None) as third:
        again = third.claim_poison(due_by=due_by)
        assert again
        assert again.certificate_id == mine.certificate_id


@pytest.mark.usefixtures("poison")
def test_twenty_deaths_alone_are_no_chance(worker_config: WorkerConfig, connection: Connection) -> None:
    let_workers_die(connection, 20)
    result = issue_chunk(worker_config, limit=3, due_by=make_due(connection), run_id=None)
    assert (result.issued, result.failed) == (0, 3)
    assert outcomes(connection) == {("pending", None): 9, ("failed", "renderer_crashed"): 3}


def test_a_child_that_is_killed_from_outside_proves_nothing(
    worker_config: WorkerConfig, connection: Connection, poison: str
) -> None:
    with open_worker(connection, run_id=None) as worker:
        claims = worker.claim(12, due_by=make_due(connection))
        innocent = next(claim for claim in claims if claim.certificate_id != poison)
        guilty = next(claim for claim in claims if claim.certificate_id == poison)
        renderer = CertificateRenderer(connection, worker_config.render_config)
        here = renderer.render(renderer.job(innocent))
        with IsolatedRenderer(worker_config.render_config) as isolated:
            for _ in range(2):
                assert isolated._child
                isolated._child.send_signal(signal.SIGKILL)
                assert isolated.render(renderer.job(innocent)) == here
            with pytest.raises(RenderError, match="on this certificate alone") as crashed:
                isolated.render(renderer.job(guilty))
            assert crashed.value.error_class == "renderer_crashed"
            assert isolated.render(renderer.job(innocent)) == here


@pytest.mark.usefixtures("poison")
def test_an_error_comes_out_of_the_child_as_it_was(
    worker_config: WorkerConfig, connection: Connection
) -> None:
    with open_worker(connection, run_id=None) as worker:
        claim = worker.claim(1, due_by=make_due(connection))[0]
        too_long = replace(claim, fields=claim.fields | {"recipient_name": "W" * 250})
        renderer = CertificateRenderer(connection, worker_config.render_config)
        with IsolatedRenderer(worker_config.render_config) as isolated, pytest.raises(RenderError) as refused:
            isolated.render(renderer.job(too_long))
    assert refused.value.error_class == "name_does_not_fit"


@pytest.mark.slow
@pytest.mark.parametrize("crash_count", [32, pytest.param(200, marks=pytest.mark.long)])
def test_killed_again_and_again_no_innocent_is_failed(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path, crash_count: int
) -> None:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=400)
    dice = random.Random(4)
    kills = most = 0
    while kills < crash_count:
        work = {"limit": 1000, "due_by": datetime.now(UTC), "run_id": None}
        children = [
            WORKERS.Process(target=issue_chunk, args=(pipeline.worker_config,), kwargs=work) for _ in range(4)
        ]
        for child in children:
            child.start()
        for child in children:
            time.sleep(dice.uniform(0, 1.2))
            child.kill()
            child.join()
            child.close()
            kills += 1
        row = connection.execute("select max(attempts) from registry.certificates").fetchone()
        most = max(most, int(str(row[0])) if row else 0)
        if outcomes(connection).get(("issued", None), 0) > 200:
            with unguarded_registry(connection):
                connection.execute(
                    "update registry.certificates set status = 'pending', created_at = now(), attempts = 0 "
                    "where status = 'issued'"
                )
    assert most >= 3, "nobody was ever suspected: it proves nothing"
    pipeline.issue_all(connection, run_id=None)
    assert outcomes(connection) == {("issued", None): 400}
