"""`pramaan report`: somebody at the machine has a report built and sent, or learns why it is not."""

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest
from people import call, call_process

from mail_servers import Temper, free_port, running_server
from pramaan.database.connect import Connection
from pramaan.pipeline import Pipeline
from pramaan.settings import Settings
from worlds import drop_finishers, load_and_decide


@pytest.fixture
def finished(settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path) -> None:
    """Three people of batch `b` have finished."""
    drop_finishers(settings, tmp_path, 3)
    load_and_decide(pipeline, connection)


def posted(environment: dict[str, str], port: int) -> dict[str, str]:
    return environment | {"PRAMAAN_SMTP_URL": f"smtp://127.0.0.1:{port}"}


@pytest.mark.usefixtures("finished")
def test_a_report_is_built_and_sent(environment: dict[str, str]) -> None:
    temper = Temper()
    with running_server(temper) as port:
        done = call_process(posted(environment, port), "report", "b", "--to", "mentor@example.org", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["status"], figures["rows"], figures["completed"]) == ("sent", 3, 3)
    (message,) = temper.messages
    assert message["To"] == "mentor@example.org"
    (attachment,) = message.iter_attachments()
    with zipfile.ZipFile(io.BytesIO(attachment.get_content())) as archive:
        (name,) = [one for one in archive.namelist() if one.startswith("progress-")]
        rows = list(csv.reader(io.StringIO(archive.read(name).decode("utf-8-sig"))))
    assert len(rows) == 1 + 3
    assert rows[1][2] == "BatchId_b"


@pytest.mark.usefixtures("finished")
def test_as_a_spreadsheet_in_another_language(environment: dict[str, str]) -> None:
    temper = Temper()
    with running_server(temper) as port:
        done = call(
            posted(environment, port),
            *("report", "b", "--to", "mentor@example.org", "--format", "xlsx", "--language", "hi"),
        )
    assert done.returncode == 0, done.stderr
    (message,) = temper.messages
    assert message["Content-Language"] == "hi"
    (attachment,) = message.iter_attachments()
    assert str(attachment.get_filename()).endswith(".xlsx")


@pytest.mark.usefixtures("finished")
def test_a_server_that_is_away_is_no_success(environment: dict[str, str]) -> None:
    done = call(posted(environment, free_port()), "report", "b", "--to", "mentor@example.org")
    assert done.returncode == 1
    assert "Built, not sent" in done.stderr
    again = call(posted(environment, free_port()), "report", "b", "--to", "mentor@example.org")
    assert again.returncode == 1
    assert "is under way" in again.stderr


@pytest.mark.usefixtures("finished")
def test_what_the_server_refuses_is_told_in_its_words(environment: dict[str, str]) -> None:
    temper = Temper(refused={"mentor@example.org": "550 no such user here"})
    with running_server(temper) as port:
        done = call(posted(environment, port), "report", "b", "--to", "mentor@example.org")
    assert done.returncode == 1
    assert "550 no such user here" in done.stderr
    assert "mentor@example.org" not in done.stderr


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing", "--to", "mentor@example.org"), "there is no batch nothing"),
        (("b", "--to", "nobody"), "no address such as"),
        (("b", "--to", "mentor@example.org", "--language", "fr"), "reports come in: as, bn"),
    ],
)
def test_a_mistake_is_one_message(environment: dict[str, str], arguments: tuple[str, ...], said: str) -> None:
    done = call(environment, "report", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("finished")
def test_a_schedule_is_kept(environment: dict[str, str], connection: Connection) -> None:
    done = call(environment, "report", "b", "--to", "mentor@example.org", "--schedule", "at-end")
    assert done.returncode == 0, done.stderr
    assert connection.execute("select cadence, email from ops.report_schedules").fetchall() == [
        ("at_end", "mentor@example.org")
    ]
    assert connection.execute("select count(*) from ops.report_requests").fetchone() == (0,)
