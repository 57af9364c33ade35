"""Airflow's REST API, as far as a measurement asks it: runs, their tasks, and pausing."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from pramaan.host.airflow import admin_password_file
from pramaan.settings import Settings

__all__ = ["AirflowApi", "Run", "Task"]

_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Run:
    """A run that ended; instants are seconds since 1970."""

    run_id: str
    queued_at: float
    started_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class Task:
    """A task of a run, the last attempt of it."""

    run_id: str
    task_id: str
    state: str
    started_at: float
    ended_at: float


class AirflowApi:
    """The API of one home's Airflow, as its admin."""

    def __init__(self, base: str, token: str) -> None:
        self._base = base
        self._token = token

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Sign in with the home's own password."""
        base = f"http://127.0.0.1:{settings.airflow_port}"
        password = json.loads(admin_password_file(settings).read_text())["admin"]
        answer = _call("POST", f"{base}/auth/token", {"username": "admin", "password": password})
        return cls(base, str(answer["access_token"]))

    def pause(self, *, paused: bool) -> None:
        """Pause every DAG, or let all run."""
        self._ask("PATCH", "dags?dag_id_pattern=~", {"is_paused": paused})

    def runs_under_way(self) -> int:
        """How many runs of any DAG are queued or running."""
        path = "dags/~/dagRuns?limit=1&state=queued&state=running"
        return int(self._ask("GET", path)["total_entries"])

    def runs(self, dag_id: str, *, since: float) -> list[Run]:
        """The ended runs of a DAG that started since then."""
        return [
            Run(str(one["dag_run_id"]), *(_seconds(one[k]) for k in ("queued_at", "start_date", "end_date")))
            for one in self._pages(f"dags/{dag_id}/dagRuns?order_by=-start_date", "dag_runs", since=since)
            if one["start_date"] and one["end_date"]
        ]

    def tasks(self, dag_id: str, *, since: float) -> list[Task]:
        """The ended tasks of a DAG that started since then."""
        path = f"dags/{dag_id}/dagRuns/~/taskInstances?order_by=-start_date"
        return [
            Task(
                str(one["dag_run_id"]),
                str(one["task_id"]),
                str(one["state"]),
                _seconds(one["start_date"]),
                _seconds(one["end_date"]),
            )
            for one in self._pages(path, "task_instances", since=since)
            if one["start_date"] and one["end_date"]
        ]

    def _pages(self, path: str, name: str, *, since: float) -> Iterator[dict[str, Any]]:
        """Newest first, until what started before."""
        offset = 0
        while page := self._ask("GET", f"{path}&limit={_PAGE}&offset={offset}")[name]:
            for one in page:
                if one["start_date"] and _seconds(one["start_date"]) < since:
                    return
                yield one
            offset += len(page)

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        return _call(method, f"{self._base}/api/v2/{path}", body, token=self._token)


def _call(method: str, url: str, body: object, *, token: str = "") -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - our own address
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return dict(json.load(answer))


def _seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()
