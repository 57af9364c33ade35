"""Killed at random points, the pipeline finishes its work once: no duplicate, no hole, every hash right."""

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pramaan.certificates.bundled import kept_template
from pramaan.database.connect import Connection, connect
from pramaan.host.platform import ensure_database, running, stop
from pramaan.host.postgres import embedded_database_url
from pramaan.pipeline import Pipeline
from pramaan.registry.assertions import attach
from pramaan.registry.attachments import Criteria
from pramaan.registry.issuers import record_issuer
from pramaan.sample import SAMPLE_ATTACHMENTS, SampleSummary, write_sample
from pramaan.settings import Settings
from worlds import PRAMAAN, TESTER, free_port_base, store_files


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(home=tmp_path / "home", port_base=free_port_base())
    Pipeline(settings, url=ensure_database(settings)).prepare()
    yield settings
    data = (settings.home / "postgres").resolve()
    stop(settings)
    subprocess.run(["rm", "-rf", str(data)], check=True)


@pytest.mark.slow
def test_six_kills_leave_no_duplicate_and_no_hole(home: Settings, tmp_path: Path) -> None:
    survive(home, tmp_path, kills=6, seed=1)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(5))
def test_many_kills_leave_no_duplicate_and_no_hole(home: Settings, tmp_path: Path, seed: int) -> None:
    survive(home, tmp_path, kills=20, seed=seed)


def survive(home: Settings, tmp_path: Path, *, kills: int, seed: int) -> None:
    """Run `pramaan load` on the sample, killing it in each of its steps in turn, at times with Postgres, then
    leave it alone.
    """
    feeds = tmp_path / "sample"
    summary = write_sample(feeds)
    dice = random.Random(seed)
    struck = 0
    for number in range(kills):
        victim = start_load(home, feeds)
        wait_for_step(home, victim, step=number % 3, dice=dice)
        struck += victim.poll() is None
        if dice.random() < 0.3:
            kill_postgres(home)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()
        attach_what_is_loaded(home)
    assert struck >= kills / 2, "most kills came after the end: they prove nothing"
    assert start_load(home, feeds).wait() == 0
    attach_what_is_loaded(home)
    assert start_load(home, feeds).wait() == 0
    with connect(ensure_database(home)) as connection:
        assert_whole(home, connection, summary)


def wait_for_step(home: Settings, victim: subprocess.Popen[bytes], *, step: int, dice: random.Random) -> None:
    """Until the victim is at it: starting up, loading some file, or issuing some certificate."""
    time.sleep(dice.uniform(0.2, 1.5))
    if step == 0:
        return
    table = ("ops.loads", "ops.outcomes")[step - 1]
    with connect(ensure_database(home)) as connection:
        seen = count(connection, table) + dice.randint(1, 3 if step == 1 else 150)
        while victim.poll() is None and count(connection, table) < seen:
            time.sleep(0.01)


def count(connection: Connection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return int(str(row[0])) if row else 0


def start_load(home: Settings, feeds: Path) -> subprocess.Popen[bytes]:
    environment = {
        "PATH": os.environ["PATH"],
        "PRAMAAN_HOME": str(home.home),
        "PRAMAAN_PORT_BASE": str(home.port_base),
    }
    return subprocess.Popen(
        [str(PRAMAAN), "load", str(feeds)],
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_postgres(home: Settings) -> None:
    for record in running(home):
        if record.name == "postgres" and record.pid:
            os.kill(record.pid, signal.SIGKILL)


def attach_what_is_loaded(home: Settings) -> None:
    """As soon as a course is loaded, its certificate is asserted; a kill may have come before that."""
    from pramaan.cli.registry import read_issuer

    with connect(ensure_database(home)) as connection:
        for file in sorted((home.home.parent / "sample" / "issuers").glob("*.json")):
            record_issuer(connection, read_issuer(file), by=TESTER)
        loaded = {row[0] for row in connection.execute("select course_id from raw.courses").fetchall()}
        attached = {
            row[0] for row in connection.execute("select course_id from registry.attachments").fetchall()
        }
        for wanted in SAMPLE_ATTACHMENTS:
            if wanted.course_id in loaded - attached:
                attach(
                    connection,
                    wanted.course_id,
                    template=kept_template(wanted.template_id),
                    issuer_id=wanted.issuer_id,
                    criteria=Criteria(wanted.recipient_tenants, wanted.minimum_score),
                    valid_from=wanted.valid_from,
                    by=TESTER,
                    reason=wanted.reason,
                )


def assert_whole(home: Settings, connection: Connection, summary: SampleSummary) -> None:
    totals = Pipeline(home, url=embedded_database_url(home)).totals(connection)
    assert {name: totals.rows[name] for name in summary.keys} == dict(summary.keys)
    assert totals.quarantined == sum(summary.bad_rows.values())
    assert totals.decisions == {name: count for name, count in sorted(summary.decisions.items()) if count}
    assert totals.certificates == {"issued": summary.decisions["entitled"]}
    recorded = dict(connection.execute("select pdf_uri, pdf_sha256 from registry.certificates").fetchall())
    stored = {
        p.as_uri(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in store_files(home)
        if p.suffix == ".pdf"
    }
    assert stored == recorded
