"""A command imports what it uses: who may do what is asked for without fonts, feeds or dbt."""

import json
import subprocess
import sys

import pytest

NEVER = (
    "pramaan.rendering",
    "pramaan.feeds",
    "pramaan.warehouse",
    "pramaan.pipeline",
    "dbt",
    "weasyprint",
    "pyarrow",
)
"""Rooms and packages that only some commands need."""

SCRIPT = """
import json, sys
import pramaan.cli
sys.argv = ["pramaan", *json.loads(sys.argv[1])]
try:
    pramaan.cli.main()
finally:
    sys.stderr.write("\\nMODULES " + json.dumps(sorted(sys.modules)))
"""

QUICK = {
    "grant add": ("grant", "add", "--user", "asha", "--role", "mentor", "--tenant", "t"),
    "grant list": ("grant", "list"),
    "token": ("token", "--user", "asha", "--role", "mentor", "--tenant", "t"),
    "gate list": ("gate", "list"),
    "mail list": ("mail", "list"),
}


def modules_of(environment: dict[str, str], *arguments: str) -> set[str]:
    """What a fresh interpreter has imported by the end of a command."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT, json.dumps(arguments)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.rpartition("MODULES ")[2]))


def of(modules: set[str], packages: tuple[str, ...]) -> list[str]:
    return sorted(
        name for name in modules if name.startswith(tuple(f"{one}." for one in packages)) or name in packages
    )


@pytest.mark.parametrize("command", QUICK)
def test_a_command_about_rights_imports_neither_fonts_nor_feeds_nor_dbt(
    command: str, environment: dict[str, str]
) -> None:
    assert of(modules_of(environment, *QUICK[command]), NEVER) == []


def test_opening_psql_imports_none_of_them_either(environment: dict[str, str]) -> None:
    """Psql takes the process over: what is asked is all that comes before."""
    script = SCRIPT.replace("import pramaan.cli\n", "import os, pramaan.cli\nos.execve = lambda *_: None\n")
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, json.dumps(("psql", "-c", "select 1"))],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert of(set(json.loads(done.stderr.rpartition("MODULES ")[2])), NEVER) == []


def test_a_command_that_issues_imports_them(environment: dict[str, str]) -> None:
    found = of(modules_of(environment, "issue"), NEVER)
    assert {"pramaan.rendering", "pramaan.feeds", "pramaan.pipeline"} <= set(found)
