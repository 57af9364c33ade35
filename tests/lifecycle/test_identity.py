"""Certificate ids: the same everywhere, different for everyone, never told."""

from pathlib import Path

import pytest

from pramaan.errors import HostError
from pramaan.lifecycle.identity import IdentityKey

KEY = IdentityKey(b"k" * 32)


def test_the_same_completion_has_the_same_id_for_ever() -> None:
    assert KEY.certificate_id("u", "c", "b") == "44566d27944a2cb9228cf15f5d04362d"
    assert KEY.certificate_id("u", "c", "b", sequence=2) != KEY.certificate_id("u", "c", "b")


def test_parts_that_join_to_the_same_text_have_different_ids() -> None:
    assert KEY.certificate_id("ab", "c", "d") != KEY.certificate_id("a", "bc", "d")


def test_another_key_gives_another_id() -> None:
    assert KEY.certificate_id("u", "c", "b") != IdentityKey(b"x" * 32).certificate_id("u", "c", "b")


def test_the_key_is_never_shown() -> None:
    assert "kkkk" not in repr(KEY)


def test_a_missing_key_is_an_error_and_never_a_new_key(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="restore it from your backup"):
        IdentityKey.read(tmp_path / "certificate_id.key")
