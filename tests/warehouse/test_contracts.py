"""A model's contract binds, whether it is a table or a view: what is not as the yml says is not built."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pramaan.database.connect import Connection
from pramaan.errors import DatabaseError
from pramaan.settings import Settings
from pramaan.warehouse.dbt import DBT_PROJECT, run_dbt
from worlds import database_url

pytestmark = pytest.mark.slow

BATCH = "{ name: name, data_type: text, description: The batch's name., data_tests: [not_null] }"


@pytest.fixture
def build_changed(settings: Settings, tmp_path: Path) -> Callable[[str, str, str, str], None]:
    """Builds one model of the project, in a file of which a text is another."""

    def build(model: str, file: str, text: str, other: str) -> None:
        project = tmp_path / "project"
        shutil.copytree(DBT_PROJECT, project, dirs_exist_ok=True)
        path = project / "models" / file
        assert path.read_text().count(text) == 1
        path.write_text(path.read_text().replace(text, other))
        arguments = ["run", "--select", model, "--project-dir", str(project)]
        run_dbt(arguments, url=database_url(settings), target=tmp_path / "dbt")

    return build


def definition(connection: Connection, view: str) -> object:
    return connection.execute("select pg_get_viewdef(%s::regclass)", (view,)).fetchone()


@pytest.mark.parametrize(
    ("model", "change"),
    [
        ("dim_batch", ("marts/marts.yml", BATCH, BATCH.replace("text", "integer"))),
        ("dim_batch", ("marts/dim_batch.sql", "    name,\n", "")),
        ("dim_batch", ("marts/dim_batch.sql", "    name,\n", "    name,\n    1 as more,\n")),
        ("int_courses", ("intermediate/int_courses.sql", "        status,\n", "        1 as status,\n")),
        ("stg_users", ("staging/stg_users.sql", "    email,\n", "    1 as email,\n")),
    ],
    ids=["another_type", "a_column_less", "a_column_more", "intermediate", "staging"],
)
def test_a_view_that_breaks_its_contract_is_not_built(
    build_changed: Callable[[str, str, str, str], None],
    connection: Connection,
    model: str,
    change: tuple[str, str, str],
) -> None:
    schema = change[0].partition("/")[0]
    before = definition(connection, f"{schema}.{model}")
    with pytest.raises(DatabaseError, match=rf"{model}.*[\s\S]*contract"):
        build_changed(model, *change)
    assert definition(connection, f"{schema}.{model}") == before


def test_a_keyed_table_that_breaks_its_contract_is_not_built(
    build_changed: Callable[[str, str, str, str], None], connection: Connection
) -> None:
    before = connection.execute("select 'marts.fct_completions'::regclass::oid").fetchone()
    with pytest.raises(DatabaseError, match=r"fct_completions[\s\S]*contract"):
        build_changed(
            "fct_completions", "marts/fct_completions.sql", "min(reached_at)", "min(reached_at)::date"
        )
    assert connection.execute("select 'marts.fct_completions'::regclass::oid").fetchone() == before


def test_the_yml_says_the_order_of_the_columns(
    build_changed: Callable[[str, str, str, str], None], connection: Connection
) -> None:
    build_changed("dim_batch", "marts/dim_batch.sql", "    batch_id,\n    course_id,\n",
                  "    course_id,\n    batch_id,\n")  # fmt: skip
    columns = connection.execute("select * from marts.dim_batch").description or []
    assert [column.name for column in columns][:2] == ["batch_id", "course_id"]


def test_a_view_that_says_the_same_is_not_touched(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    """Not even for as long as somebody reads it."""
    newest = "select max(xmin::text::bigint) from pg_rewrite where ev_class = 'marts.dim_batch'::regclass"
    before = connection.execute(newest).fetchone()
    with connection.transaction():
        connection.execute("select count(*) from marts.dim_batch")
        run_dbt(["run", "--select", "dim_batch"], url=database_url(settings), target=tmp_path / "dbt")
    assert connection.execute(newest).fetchone() == before
