"""Which characters can be printed: recorded when the fonts change, and every name checked again then."""

from pramaan.database.connect import Connection
from pramaan.registry.printable import record_printable_code_points


def code_points(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute("select code_point from registry.printable_code_points order by 1").fetchall()


def test_other_fonts_replace_the_table_and_every_name_is_judged_again(connection: Connection) -> None:
    connection.execute(
        "insert into raw.users (user_id, tenant_id, updated_at, load_id) values ('u', 't', now(), 1)"
    )
    assert record_printable_code_points(connection, lambda: [66, 65], fingerprint="other fonts") is True
    assert code_points(connection) == [(65,), (66,)]
    changed = connection.execute("select kind, user_id from ops.changed_keys").fetchall()
    assert changed == [("user", "u")]


def test_the_same_fonts_are_not_read_again(connection: Connection) -> None:
    record_printable_code_points(connection, lambda: [65], fingerprint="fonts")

    def not_to_be_asked() -> list[int]:
        raise AssertionError("the fonts were read")

    assert record_printable_code_points(connection, not_to_be_asked, fingerprint="fonts") is False
    assert code_points(connection) == [(65,)]
