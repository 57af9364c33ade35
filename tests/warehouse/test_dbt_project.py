"""Every model, source and consumer of the dbt project is described, tested, owned; its SQL has one style."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from pramaan.database.connect import Connection
from pramaan.settings import PROJECT_ROOT, Settings
from pramaan.warehouse.decide import KEYED_TABLES

Manifest = dict[str, Any]

LAYERS = {"staging": "stg_", "intermediate": "int_", "marts": ("fct_", "mart_", "dim_")}
GRAIN = re.compile(r"^One row (per|for) \S")
KEY_TESTS = {"unique", "unique_key"}
PARENTS = {"course_id": ("int_course_versions", "fct_completions", "fct_certificate_decisions")}
DECISIONS = (
    "recipient_unknown",
    "course_not_published",
    "enrolment_inactive",
    "other_tenant_batch",
    "no_certificate_at_completion",
    "outside_recipient_tenants",
    "below_minimum_score",
    "name_unprintable",
    "entitled",
)


@pytest.fixture(scope="module")
def manifest(session_settings: Settings) -> Manifest:
    """What dbt makes of the project, as the session's home deployed it."""
    path = session_settings.home / "dbt" / "target" / "manifest.json"
    return json.loads(path.read_text())  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def models(manifest: Manifest) -> dict[str, Any]:
    """The models by name."""
    return {node["name"]: node for node in nodes_of(manifest, "model")}


def nodes_of(manifest: Manifest, kind: str) -> Iterator[Any]:
    return (node for node in manifest["nodes"].values() if node["resource_type"] == kind)


def proven_of(manifest: Manifest, model: str) -> dict[str, set[str | None]]:
    """The columns, or None for the whole model, that each test proves of a model."""
    proven: dict[str, set[str | None]] = {}
    for node in nodes_of(manifest, "test"):
        attached = (node.get("attached_node") or "").rpartition(".")[2]
        if attached == model and node.get("test_metadata"):
            proven.setdefault(node["test_metadata"]["name"], set()).add(node.get("column_name"))
    return proven


def columns_made(connection: Connection) -> dict[str, set[str]]:
    """The columns that each table and view of the three layers has."""
    found = connection.execute(
        "select table_name, array_agg(column_name::text) from information_schema.columns "
        "where table_schema = any(%s) group by table_name",
        (list(LAYERS),),
    ).fetchall()
    return {str(table): set(columns) for table, columns in found}  # type: ignore[call-overload]


def test_every_model_says_its_grain_and_stands_in_its_layer(models: dict[str, Any]) -> None:
    assert len(models) >= 10
    for name, node in models.items():
        assert GRAIN.match(node["description"]), f"{name}: begin its description with 'One row per ...'"
        prefixes = LAYERS[node["fqn"][1]]
        assert name.startswith(prefixes), f"{name}: stands in {node['fqn'][1]}"
        assert node["schema"] == node["fqn"][1]


def test_every_column_is_described(models: dict[str, Any], connection: Connection) -> None:
    made = columns_made(connection)
    for name, node in models.items():
        described = {column for column, one in node["columns"].items() if one["description"].strip()}
        assert described == made[name], name


def test_every_key_is_tested(manifest: Manifest, models: dict[str, Any]) -> None:
    for name in models:
        proven = proven_of(manifest, name)
        assert KEY_TESTS & proven.keys(), f"{name}: test its key"
        assert proven.get("not_null"), f"{name}: test that its key is there"


def test_references_are_related(manifest: Manifest) -> None:
    for column, children in PARENTS.items():
        for model in children:
            assert column in proven_of(manifest, model).get("relationships", set()), f"{model}.{column}"


def test_decisions_are_those_of_the_rules(manifest: Manifest) -> None:
    accepted = [
        node["test_metadata"]["kwargs"]["values"]
        for node in nodes_of(manifest, "test")
        if node.get("column_name") == "decision" and node["test_metadata"]["name"] == "accepted_values"
    ]
    assert accepted == [list(DECISIONS)]
    expected = [row for unit in manifest["unit_tests"].values() for row in unit["expect"]["rows"] or []]
    assert {row["decision"] for row in expected if "decision" in row} == set(DECISIONS)


def test_every_model_keeps_a_contract(models: dict[str, Any]) -> None:
    for name, node in models.items():
        assert node["config"]["contract"]["enforced"], name
        assert all(column["data_type"] for column in node["columns"].values()), name


def test_keyed_tables_are_selects_over_the_scope(models: dict[str, Any]) -> None:
    scoped = {name for name, node in models.items() if ["session", "keys_in_scope"] in node["sources"]}
    keyed = {name for name, node in models.items() if node["config"]["materialized"] == "keyed_table"}
    assert scoped == keyed == set(KEYED_TABLES)
    for name, schema in KEYED_TABLES.items():
        assert models[name]["schema"] == schema
        assert {"user_id", "course_id", "batch_id"} <= models[name]["columns"].keys()


def test_every_rule_has_unit_tests(manifest: Manifest) -> None:
    tested = [unit["model"] for unit in manifest["unit_tests"].values()]
    assert all(tested.count(name) >= 20 for name in ("fct_completions", "fct_certificate_decisions"))
    assert tested.count("int_enrolment_progress") >= 7


def test_feeds_are_fresh_and_sources_described(manifest: Manifest) -> None:
    for source in manifest["sources"].values():
        assert GRAIN.match(source["description"]), source["name"]
        if source["source_name"] == "raw":
            freshness = source["freshness"]
            assert freshness, source["name"]
            assert freshness["warn_after"]["count"], source["name"]
            assert source["loaded_at_query"], source["name"]


def test_every_consumer_has_an_owner(manifest: Manifest) -> None:
    exposures = list(manifest["exposures"].values())
    assert exposures
    for exposure in exposures:
        assert exposure["owner"]["name"], exposure["name"]
        assert exposure["owner"]["email"], exposure["name"]
        assert exposure["description"], exposure["name"]
        assert exposure["depends_on"]["nodes"], exposure["name"]


def test_yml_files_are_read_by_dbt(manifest: Manifest) -> None:
    """A misspelt model in a yml file is ignored by dbt with a warning only: here it is an error."""
    described = {
        entry["name"]
        for path in (PROJECT_ROOT / "dbt" / "models").rglob("*.yml")
        for entry in yaml.safe_load(path.read_text()).get("models", [])
    }
    assert described == {node["name"] for node in nodes_of(manifest, "model")}
