"""How fast the API answers: one course's certificate under load, and a preview for a large course."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final

from pramaan.bench.measurement import Measurement
from pramaan.bench.scratch import scratch_pipeline
from pramaan.database.connect import Connection
from pramaan.errors import HostError
from pramaan.registry.attachment_changes import attach
from pramaan.registry.attachments import Criteria
from pramaan.registry.bundled_templates import kept_template
from pramaan.registry.changes import Actor
from pramaan.registry.grants import Grant, add_grant
from pramaan.registry.issuers import Issuer, record_issuer
from pramaan.settings import PREFIX, Settings
from pramaan.web.tokens import issue_token

__all__ = ["run"]

_BENCH: Final = Actor("bench", "cli")
_CONNECTIONS: Final = 64
_WORKERS: Final = 2
_LOAD_SECONDS: Final = 15
_ENROLMENTS: Final = 100_000
_PREVIEWS: Final = 5

# A large course beside a warehouse that holds ten times as many rows of others: a tenth complete, each person
# with two contents of three, half of them with a score.
_WORLD: Final = """
    insert into raw.courses
        (course_id, name, tenant_id, status, leaf_count, published_at, updated_at, load_id)
    values ('large', 'A large course', 't', 'Live', 3, '2024-01-01', '2024-01-01', 0),
        ('other', 'Another course', 't', 'Live', 3, '2024-01-01', '2024-01-01', 0);
    insert into raw.batches
        (batch_id, course_id, tenant_id, name, enrolment_type, mentor_ids, updated_at, load_id)
    select batch, case when batch::integer < 100 then 'large' else 'other' end, 't', 'Batch', 'open', '{{}}',
        '2024-01-01', 0
    from (select number::text as batch from generate_series(0, 199) as number) as numbers;
    insert into raw.users (user_id, name, tenant_id, updated_at, load_id)
    select md5(number::text), 'Teacher ' || number, 't', '2024-01-01', 0
    from generate_series(1, {enrolments} * 2) as number;
    insert into raw.enrolments (user_id, batch_id, course_id, enrolled_at, active, updated_at, load_id)
    select md5(number::text),
        case when number <= {enrolments} then number % 100 else 100 + number % 100 end,
        case when number <= {enrolments} then 'large' else 'other' end,
        '2024-02-01', number % 50 <> 0, '2024-02-01', 0
    from generate_series(1, {enrolments} * 2) as number;
    insert into raw.progress
        (user_id, batch_id, content_id, course_id, status, score, completed_at, updated_at, load_id)
    select enrolments.user_id, enrolments.batch_id, 'content-' || content, enrolments.course_id, 2,
        case when content = 1 then 40 + (hashtext(enrolments.user_id) & 63) end,
        '2024-03-01', '2024-03-01', 0
    from raw.enrolments
    cross join lateral generate_series(
        1,
        case
            when enrolments.course_id = 'other' then 10
            when hashtext(enrolments.user_id) % 10 = 0 then 3
            else 2
        end
    ) as content;
    insert into ops.changed_keys (kind, course_id) values ('course', 'large'), ('course', 'other')
"""


def run() -> list[Measurement]:
    """Serve the API with two workers, load it with wrk, and ask for a preview of 100,000 enrolments.

    Raises HostError without wrk, or when the API does not start or answers with an error.
    """
    if shutil.which("wrk") is None:
        raise HostError("the load generator wrk is missing: run `make bench`, or apt-get install wrk")
    with scratch_pipeline() as (settings, pipeline):
        with pipeline.connect() as connection:
            _make_world(connection)
            pipeline.decide(connection)
            connection.execute("vacuum analyze")
            add_grant(connection, Grant("bench", "admin"), by=_BENCH)
        token = issue_token(settings, "bench", valid_for=timedelta(hours=1))
        with _served(settings) as base:
            certificate = f"{base}/v1/courses/large/certificate"
            _load(certificate, token, seconds=3)
            loaded = _load(certificate, token, seconds=_LOAD_SECONDS)
            floor = _load(f"{base}/v1/labels/en", token, seconds=5)
            previews = [_preview_seconds(certificate, token) for _ in range(_PREVIEWS)]
    rate, slowest_ms = loaded
    remark = f"{_WORKERS} processes, wrk with {_CONNECTIONS} connections beside them on the same cores"
    return [
        Measurement("a course's certificate", rate, "requests/s", "at least 400", remark),
        Measurement("a course's certificate, p99", slowest_ms, "ms", "under 250", remark),
        Measurement("labels", floor[0], "requests/s", None, "floor: the same doors, no Postgres"),
        Measurement("certificate over labels", rate / floor[0], "of the floor", None, "what it costs"),
        Measurement("preview", median(previews), "s", "under 2", f"{_ENROLMENTS:,} enrolments, median of 5"),
        Measurement("preview, slowest", max(previews), "s", None, "the first reads what is not cached yet"),
    ]


def _make_world(connection: Connection) -> None:
    connection.execute(_WORLD.format(enrolments=_ENROLMENTS))
    record_issuer(connection, Issuer("board", "t", "The Board"), by=_BENCH)
    attach(
        connection,
        "large",
        template=kept_template("classic"),
        issuer_id="board",
        criteria=Criteria(),
        by=_BENCH,
        valid_from=datetime(2024, 3, 15, tzinfo=UTC),
        reason="benchmark",
    )


@contextmanager
def _served(settings: Settings) -> Iterator[str]:
    """The API's address, while it is served by itself."""
    environment = os.environ | {
        "PRAMAAN_HOME": str(settings.home),
        "PRAMAAN_PORT_BASE": str(settings.port_base),
    }
    command = [str(Path(sys.executable).with_name("pramaan")), "serve", "--workers", str(_WORKERS)]
    base = f"http://127.0.0.1:{settings.api_port}{PREFIX}"
    # Of a session of its own, as services are: of one session's processes and a service's, Linux (autogroup)
    # lets the service, here Postgres, wait for seconds at a time.
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait_for(f"{base}/openapi.json", server)
        yield base
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own address
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise HostError("the API did not start")


def _load(url: str, token: str, *, seconds: int) -> tuple[float, float]:
    """Requests a second and the 99th percentile in ms.

    Raises HostError when a request is refused: refusals are quick, and would count as speed.
    """
    header = f"Authorization: Bearer {token}"
    done = subprocess.run(
        ["wrk", "-t2", f"-c{_CONNECTIONS}", f"-d{seconds}s", "--latency", "-H", header, url],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    ).stdout
    slowest = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", done)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done)
    if slowest is None or rate is None:
        raise HostError(f"wrk said what is not understood: {done[-500:]}")
    in_ms = {"us": 0.001, "ms": 1.0, "s": 1000.0}[slowest[2]]
    wrong = re.search(r"Non-2xx.*|Socket errors: connect (?!0, read 0, write 0, timeout 0).*", done)
    if wrong:
        raise HostError(f"not every request was answered: {wrong[0]}; is something else using this machine?")
    return float(rate[1]), float(slowest[1]) * in_ms


def _preview_seconds(certificate: str, token: str) -> float:
    body = json.dumps({"criteria": {"minimum_score": 60}}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{certificate}/preview", body, headers)  # noqa: S310 - our own address
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        seen: dict[str, Any] = json.load(answer)
    took = time.perf_counter() - began
    people = seen["completed"]["total"] + seen["in_progress"]["total"]
    if people != _ENROLMENTS:
        raise HostError(f"the preview tells of {people} people, not of {_ENROLMENTS}")
    return took
