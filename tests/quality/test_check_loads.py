"""A check as a whole: verdicts and Data Docs, what neither says, and what a check leaves alone."""

import json
import logging
import re
import stat
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from loads import Loads, good_rows

from pramaan.database.connect import connect
from pramaan.quality import docs as data_docs
from pramaan.quality import limits
from pramaan.quality.check import Verdict, check_loads
from worlds import database_url

NOTHING_IMPORTED = "import sys; assert not {'great_expectations', 'pandas', 'airflow'} & set(sys.modules)"


def run(code: str, *arguments: str, cwd: Path | None = None, **environment: str) -> str:
    """What Python code says in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True, text=True, cwd=cwd, env={"PATH": "/usr/bin:/bin", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def stored(loads: Loads) -> list[Any]:
    query = "select load_id, passed, findings, checked_at from ops.load_verdicts order by load_id"
    return loads.connection.execute(query).fetchall()


def pages(loads: Loads) -> dict[str, str]:
    return {str(path.relative_to(loads.docs)): path.read_text() for path in loads.docs.rglob("*.*")}


def test_a_verdict_is_stored_once(loads: Loads) -> None:
    good = loads.add("users", good_rows("users", 100))
    bad = loads.add("courses", good_rows("courses", 5, leaf_count=5000))
    given = loads.check()
    before = stored(loads), pages(loads)
    assert given[good] == Verdict(good, "users", passed=True)
    (finding,) = given[bad].findings
    assert (finding.rule, finding.suite, finding.checked, finding.unexpected, finding.allowed) == (
        "leaf_count_is_plausible", "courses", 5, 5, 2,
    )  # fmt: skip
    assert [row[:2] for row in before[0]] == [(good, True), (bad, False)]
    assert before[0][1][2][0]["rule"] == "leaf_count_is_plausible"
    assert loads.check() == {}
    assert (stored(loads), pages(loads)) == before


def test_two_checks_at_once_give_each_load_one_verdict(loads: Loads) -> None:
    ids = [loads.add("users", [row | {"user_id": f"{n}-{row['user_id']}"} for row in good_rows("users", 20)])
           for n in range(12)]  # fmt: skip

    def check(_: int) -> list[int]:
        with connect(database_url(loads.settings)) as connection:
            return [one.load_id for one in check_loads(connection, docs_folder=loads.docs)]

    with ThreadPoolExecutor(2) as pool:
        given = [one for some in pool.map(check, range(2)) for one in some]
    assert sorted(given) == ids
    assert [row[0] for row in stored(loads)] == ids
    assert sum(name.startswith("loads/") for name in pages(loads)) == 12


def test_a_load_that_changed_nothing_passes_unseen(loads: Loads) -> None:
    unchanged = loads.add("users", changed=0)
    superseded = loads.add("users", changed=3)
    assert loads.check() == {
        unchanged: Verdict(unchanged, "users", passed=True),
        superseded: Verdict(superseded, "users", passed=True),
    }
    assert set(pages(loads)) == {"index.html", "quality.css"}


def test_a_rule_that_cannot_be_evaluated_is_broken(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    import pramaan.quality.validate as module

    real = module._expectation

    def of_another_column(rule: Any, checked: int) -> Any:
        expectation = real(rule, checked)
        if rule.name == "key_is_unique":
            expectation.column = "nowhere"
        return expectation

    monkeypatch.setattr(module, "_expectation", of_another_column)
    load_id = loads.add("users", good_rows("users", 1))
    (finding,) = loads.check()[load_id].findings
    assert (finding.rule, finding.evaluated) == ("key_is_unique", False)


def test_nothing_that_a_row_says_is_in_findings_or_docs(loads: Loads) -> None:
    people = good_rows("users", 60, name="Sunita Kulkarni", email="sunita@mail.example", phone="9876543210",
                       updated_at="1970-01-01T00:00:00Z")  # fmt: skip
    loads.add("users", people, quarantined=50)
    loads.add("users", [row | {"user_id": f"s-{row['user_id']}", "name": "7"} for row in people])
    rows = good_rows("progress", 300, user_id="secret{}", score=0.25)
    loads.keep("enrolments", good_rows("enrolments", 1))
    loads.add("progress", rows)
    broken = {one.rule for verdict in loads.check().values() for one in verdict.findings}
    assert len(broken) >= 5
    everything = json.dumps([row[2] for row in stored(loads)]) + "".join(pages(loads).values())
    for said in ("Sunita", "Kulkarni", "mail.example", "98765", "secret", "u1<", "1970"):
        assert said not in everything, said


def test_the_pages_stand_alone(loads: Loads) -> None:
    loads.add("users", good_rows("users", 60, name="x"), quarantined=50)
    loads.check()
    found = pages(loads)
    assert set(found) == {"index.html", "quality.css", "loads/1.html"}
    for name, page in found.items():
        assert data_docs.is_page(name)
        assert not re.search(r"https?:|//[a-z]|<script|<img|@import|url\(|\son[a-z]+=", page), name
        for link in re.findall(r'(?:href|src)="([^"#]+)"', page):
            assert ((loads.docs / name).parent / link).resolve().is_file(), link
    for said in ("name_is_not_one_letter", limits.STRANGE_NAMES.why, "row_is_not_quarantined", "Failed"):
        assert said in found["loads/1.html"]
    for path in (loads.docs, loads.docs / "loads"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_the_oldest_pages_go(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_docs, "PAGES_KEPT", 2)
    for n in range(4):
        loads.add("telemetry", good_rows("telemetry", 1, mid=f"m-{n}"))
    loads.check()
    assert {name for name in pages(loads) if name.startswith("loads/")} == {"loads/3.html", "loads/4.html"}


def test_a_large_load_is_looked_at_in_part_and_the_same_part_each_time(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pramaan.quality import rows
    from pramaan.quality.waiting import waiting_loads

    monkeypatch.setattr(rows, "ROWS_AT_MOST", 100)
    loads.add("telemetry", good_rows("telemetry", 1000))
    (load,) = waiting_loads(loads.connection, at_most=1)
    first, second = (rows.read_rows(loads.connection, load).sort_by("key") for _ in range(2))
    assert first == second
    assert 50 < first.num_rows < 170


@pytest.mark.parametrize("module", ["check", "docs", "limits", "rows", "suites", "validate", "waiting"])
def test_importing_a_module_does_not_import_great_expectations(module: str) -> None:
    run(f"import pramaan.quality.{module}\n{NOTHING_IMPORTED}")


def test_checking_nothing_does_not_import_great_expectations(loads: Loads) -> None:
    loads.add("users", changed=0)
    code = f"""
        import sys
        from pathlib import Path
        from pramaan.database.connect import connect
        from pramaan.quality.check import check_loads
        with connect(sys.argv[1]) as connection:
            assert len(check_loads(connection, docs_folder=Path(sys.argv[2]))) == 1
        {NOTHING_IMPORTED}
    """
    run(code, database_url(loads.settings), str(loads.docs))


def test_a_check_is_quiet_and_speaks_to_the_database_alone(loads: Loads, tmp_path: Path) -> None:
    loads.add("users", good_rows("users", 10))
    loads.add("users", good_rows("users", 60, name="x", user_id="x{}"))
    code = """
        import logging, os, sys
        from pathlib import Path
        from pramaan.database.connect import connect
        from pramaan.quality.check import check_loads
        logging.basicConfig(level=logging.DEBUG)
        def heard(event, arguments):
            if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
                print(event, arguments)
            elif event == "open" and isinstance(arguments[0], str):
                path, _, flags = arguments
                known = path.startswith(sys.argv[2]) or "__pycache__" in path
                if flags & (os.O_WRONLY | os.O_RDWR) and not known:
                    print(event, arguments)
        sys.addaudithook(heard)
        with connect(sys.argv[1]) as connection:
            assert len(check_loads(connection, docs_folder=Path(sys.argv[2]))) == 2
    """
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    url, folder = database_url(loads.settings), str(loads.docs)
    assert run(code, url, folder, cwd=nowhere, HOME=str(nowhere), TMPDIR=str(nowhere)) == ""
    assert list(nowhere.iterdir()) == []


def test_only_chatter_is_quietened(loads: Loads) -> None:
    loads.add("users", good_rows("users", 1))
    loads.check()
    assert logging.getLogger("pramaan").level == logging.NOTSET
    assert logging.getLogger("great_expectations").level >= logging.WARNING
