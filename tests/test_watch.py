"""The watcher tells of each piece of work once, at once, and outlives what it depends on."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pramaan.database.connect import Connection
from pramaan.database.wake import wake
from pramaan.pipeline import Pipeline
from pramaan.reports.requests import ReportSpec, Requester
from pramaan.settings import Settings
from pramaan.watch import Watch
from pramaan.work import Work, work_sources
from worlds import attach_everywhere, database_url, drop_finishers, finishers_waiting, load_and_decide

PATIENCE_SECONDS = 600.0


def watching(settings: Settings, work: Work = "facts") -> Watch:
    url = database_url(settings)
    return Watch(url, name=work, sources=work_sources(settings, url=url)[work])


def poll_within(watch: Watch, seconds: float = PATIENCE_SECONDS) -> list[str]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if new := watch.look():
            return new
    return []


def test_new_files_are_told_of_once(settings: Settings, tmp_path: Path) -> None:
    with watching(settings) as watch:
        assert watch.look() == []
        drop_finishers(settings, tmp_path, 2)
        assert len(poll_within(watch)) == 5
        assert poll_within(watch, 1.5) == []


def test_a_file_still_under_way_is_not_told_of(settings: Settings) -> None:
    landing = Path(settings.landing_url.removeprefix("file://"))
    (landing / "users").mkdir(parents=True, exist_ok=True)
    (landing / "users" / "new.csv.tmp").write_text("user_id\n")
    with watching(settings) as watch:
        assert poll_within(watch, 1.5) == []


@pytest.fixture
def never_by_itself(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Once called, a watch looks when it is woken, and at no other time."""

    def rest() -> None:
        monkeypatch.setattr("pramaan.watch._POLL_SECONDS", 3600.0)
        monkeypatch.setattr("pramaan.watch._NOTIFIED_SECONDS", 3600.0)

    return rest


def test_a_change_in_the_registry_wakes_within_a_second(
    settings: Settings,
    pipeline: Pipeline,
    connection: Connection,
    tmp_path: Path,
    never_by_itself: Callable[[], None],
) -> None:
    drop_finishers(settings, tmp_path, 2)
    load_and_decide(pipeline, connection)
    with watching(settings) as watch:
        assert poll_within(watch, 1.5) == []
        never_by_itself()
        attach_everywhere(connection, "t")
        assert [name.split()[0] for name in poll_within(watch)] == ["change"]


def test_keys_of_a_load_are_the_running_batch_s_own(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> None:
    drop_finishers(settings, tmp_path, 2)
    pipeline.load(connection)
    with watching(settings) as watch:
        assert watch.look() == []
        connection.execute("update ops.changed_keys set changed_at = now() - interval '3 minutes'")
        wake(connection)
        assert poll_within(watch) == ["left undecided"]


OVERDUE = {
    "left unissued": "update registry.certificates set next_attempt_at = now() - interval '1 minute'",
}


@pytest.mark.parametrize("left", OVERDUE)
def test_what_a_run_left_is_told_of(
    world_of_one_finisher: Settings, connection: Connection, left: str
) -> None:
    with watching(world_of_one_finisher) as watch:
        assert watch.look() == []
        connection.execute(OVERDUE[left])  # type: ignore[arg-type]
        wake(connection)
        assert poll_within(watch) == [left]


@pytest.fixture
def world_of_one_finisher(
    settings: Settings, pipeline: Pipeline, connection: Connection, tmp_path: Path
) -> Settings:
    finishers_waiting(settings, pipeline, connection, tmp_path, count=1)
    return settings


def test_a_hold_is_told_of_until_somebody_is_asked(settings: Settings, connection: Connection) -> None:
    with watching(settings, "holds") as watch:
        assert watch.look() == []
        connection.execute(
            "insert into ops.gate_holds (hold_id, course_id, tenant_id, rule, why, candidates) "
            "values (7, 'c', 't', 'volume', 'many', 100)"
        )
        wake(connection)
        assert poll_within(watch) == ["hold 7"]
    connection.execute("update ops.gate_holds set asked_at = now()")
    with watching(settings, "holds") as watch:
        assert poll_within(watch, 1.0) == []


def test_a_watcher_outlives_its_database_session(
    settings: Settings, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pramaan.watch._AFTER_A_FAULT_SECONDS", 0.1)
    with watching(settings) as watch:
        watch.look()
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'pramaan watch facts' and datname = current_database()"
        )
        drop_finishers(settings, tmp_path, 1)
        assert len(poll_within(watch)) == 5


def test_a_landing_folder_that_cannot_be_listed_is_waited_for(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pramaan.watch._AFTER_A_FAULT_SECONDS", 0.1)
    drop_finishers(settings, tmp_path, 1)
    folder = Path(settings.landing_url.removeprefix("file://")) / "users"
    away = folder.rename(folder.with_name("users-away"))
    folder.symlink_to(folder)
    with watching(settings) as watch:
        watch.look()
        folder.unlink()
        away.rename(folder)
        assert any("users" in name for name in poll_within(watch))


def test_a_report_that_is_asked_for_wakes_within_a_second(
    settings: Settings,
    pipeline: Pipeline,
    connection: Connection,
    tmp_path: Path,
    never_by_itself: Callable[[], None],
) -> None:
    drop_finishers(settings, tmp_path, 2)
    load_and_decide(pipeline, connection)
    with watching(settings, "reports") as watch:
        assert poll_within(watch, 1.5) == []
        never_by_itself()
        for name in ("meera", "ravi"):
            requester = Requester(name, None, f"{name}@example.org")
            pipeline.reports.ask(connection, requester, ReportSpec(batch_id="b", format="csv"), channel="api")
            assert [one.split()[0] for one in poll_within(watch)] == ["report"]
