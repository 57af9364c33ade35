"""Who reads what, by the SQL in the code: facts where they are derived, and each consumer is an exposure."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pramaan.settings import PROJECT_ROOT

PACKAGE = PROJECT_ROOT / "include" / "pramaan"
DERIVED = ("staging", "intermediate", "marts")
RELATION = re.compile(r'\b(raw|staging|intermediate|marts)"?\."?([a-z_]*)')

RAW_READERS = {
    "bench": "makes feeds of its own",
    "certificates/gate.py": "which load a fact came with stands nowhere else",
    "certificates/verdicts.py": "whether facts of a failed load are left stands nowhere else",
    "feeds": "lands them",
    "orchestration/telemetry.py": "has dbt build whatever is made of it",
    "quality": "validates what landed",
    "registry/printable.py": "touches every user, before there is a warehouse",
    "stages/counting.py": "counts what landed",
    "warehouse/decide.py": "finds the keys that a fact touches",
}
"""Rooms and modules that may read feeds as they landed, and why."""

NO_CONSUMERS = ("bench", "warehouse/decide.py")
"""What measures, and what writes the keyed tables."""


def texts(path: Path) -> Iterator[str]:
    """Every text in the code but docstrings, and what names a relation by its parts."""
    tree = ast.parse(path.read_text())
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Identifier"):
            yield ".".join(arg.value if isinstance(arg, ast.Constant) else "" for arg in node.args)


def relations(path: Path) -> set[tuple[str, str]]:
    """Schema and name of what the SQL of a module names; the name is empty where it is put together."""
    return {found for text in texts(path) for found in RELATION.findall(text)}


@pytest.fixture(scope="module")
def readings() -> dict[str, set[tuple[str, str]]]:
    """What each module names."""
    found = {path.relative_to(PACKAGE).as_posix(): relations(path) for path in PACKAGE.rglob("*.py")}
    return {name: names for name, names in found.items() if names and "/migrations/" not in name}


@pytest.fixture(scope="module")
def exposures() -> list[dict[str, Any]]:
    text = (PROJECT_ROOT / "dbt" / "models" / "exposures.yml").read_text()
    return yaml.safe_load(text)["exposures"]  # type: ignore[no-any-return]


def models_of(exposure: dict[str, Any]) -> set[str]:
    return {ref.split("'")[1] for ref in exposure["depends_on"]}


def is_within(module: str, places: tuple[str, ...] | dict[str, str]) -> bool:
    return any(module == place or module.startswith(f"{place}/") for place in places)


def test_the_scan_sees_what_is_known_to_be_read(readings: dict[str, set[tuple[str, str]]]) -> None:
    assert ("marts", "fct_enrolment_progress") in readings["reports/rows.py"]
    assert ("raw", "") in readings["stages/counting.py"]
    assert any(module.startswith("feeds/") for module in readings)


def test_feeds_are_read_where_they_land_and_nowhere_else(
    readings: dict[str, set[tuple[str, str]]],
) -> None:
    readers = {module for module, names in readings.items() if any(schema == "raw" for schema, _ in names)}
    strangers = sorted(module for module in readers if not is_within(module, RAW_READERS))
    assert strangers == [], "read staging, intermediate or marts"


def test_dags_and_plugins_are_wiring_alone() -> None:
    for folder in ("dags", "plugins"):
        named = {path.name: relations(path) - {("marts", "fct_certificate_decisions")}
                 for path in (PROJECT_ROOT / folder).glob("*.py")}  # fmt: skip
        assert not any(named.values()), named


def test_every_reading_is_an_exposure_and_every_exposure_a_reading(
    readings: dict[str, set[tuple[str, str]]], exposures: list[dict[str, Any]]
) -> None:
    read = {
        (module, name)
        for module, names in readings.items()
        for schema, name in names
        if schema in DERIVED and not is_within(module, NO_CONSUMERS)
    }
    told = [exposure for exposure in exposures if "modules" in exposure["config"]["meta"]]
    exposed = {
        (module, model)
        for exposure in told
        for module in exposure["config"]["meta"]["modules"]
        for model in models_of(exposure)
    }
    assert sorted(read - exposed) == [], "add these to exposures.yml"
    read_modules = {module for module, _ in read}
    for exposure in told:
        modules = set(exposure["config"]["meta"]["modules"])
        assert sorted(modules - read_modules) == [], f"{exposure['name']}: these read nothing"
        of_modules = {name for module, name in read if module in modules}
        assert sorted(models_of(exposure) - of_modules) == [], f"{exposure['name']}: nobody reads these"


def test_what_people_read_themselves_stands_in_the_readme(exposures: list[dict[str, Any]]) -> None:
    readme = (PROJECT_ROOT / "README.md").read_text()
    for exposure in exposures:
        meta = exposure["config"]["meta"]
        assert ("modules" in meta) != ("read_by" in meta), exposure["name"]
        if "read_by" in meta:
            assert all(model in readme for model in models_of(exposure)), exposure["name"]
