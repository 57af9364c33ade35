"""Certificate ids: the same everywhere, different for everyone, and computed alike in Python and in SQL."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pramaan.certificates.identity import IdentityKey
from pramaan.database.connect import Connection
from pramaan.errors import HostError

KEY = IdentityKey(b"k" * 32)
ids = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(user=ids, course=ids, batch=ids, sequence=st.integers(1, 99), key=st.binary(min_size=1, max_size=100))
def test_sql_and_python_agree(  # noqa: PLR0917 - drawn by name
    connection: Connection, user: str, course: str, batch: str, sequence: int, key: bytes
) -> None:
    inner, outer = IdentityKey(key).pads
    row = connection.execute(
        f"select {IdentityKey.sql('u', 'c', 'b', 's')} "
        "from (values (%(u)s::text, %(c)s::text, %(b)s::text, %(s)s::integer)) as v (u, c, b, s)",
        {"inner_pad": inner, "outer_pad": outer, "u": user, "c": course, "b": batch, "s": sequence},
    ).fetchone()
    assert row == (IdentityKey(key).certificate_id(user, course, batch, sequence=sequence),)


def test_parts_that_join_to_the_same_text_have_different_ids() -> None:
    assert KEY.certificate_id("ab", "c", "d") != KEY.certificate_id("a", "bc", "d")


def test_another_key_gives_another_id() -> None:
    assert KEY.certificate_id("u", "c", "b") != IdentityKey(b"x" * 32).certificate_id("u", "c", "b")


def test_the_key_is_never_shown() -> None:
    assert "kkkk" not in repr(KEY)


def test_a_missing_key_is_an_error_and_never_a_new_key(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="restore it from your backup"):
        IdentityKey.read(tmp_path / "certificate_id.key")
