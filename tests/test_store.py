"""The object store: whole objects or none."""

from pathlib import Path

import pytest

from pramaan.errors import StoreError
from pramaan.lifecycle.identity import certificate_path
from pramaan.store import Store


def test_an_object_lies_where_its_address_says(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}/a store")
    store.put(certificate_path("abcd", sha256="e" * 64), b"%PDF")
    address = store.address(certificate_path("abcd", sha256="e" * 64))
    assert address == f"{tmp_path}/a store/certificates/ab/abcd.eeeeeeeeeeeeeeee.pdf"
    assert Path(address).read_bytes() == b"%PDF"
    assert store.get(certificate_path("abcd", sha256="e" * 64)) == b"%PDF"


def test_putting_again_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}")
    store.put("x.pdf", b"1")
    store.put("x.pdf", b"2")
    assert [p.name for p in tmp_path.iterdir()] == ["x.pdf"]
    assert store.get("x.pdf") == b"2"


def test_a_file_is_stored_as_it_is_and_left_where_it_was(tmp_path: Path) -> None:
    source = tmp_path / "report.zip"
    source.write_bytes(bytes(range(256)) * 4096)
    for url in (f"file://{tmp_path}/store", "memory://reports"):
        store = Store(url)
        store.put_file("reports/x.zip", source)
        store.put_file("reports/x.zip", source)
        assert store.get("reports/x.zip") == source.read_bytes()
    assert [p.name for p in (tmp_path / "store/reports").iterdir()] == ["x.zip"]


def test_a_file_that_cannot_be_stored_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "report.zip").write_bytes(b"PK")
    (tmp_path / "reports").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match=r"cannot write reports/x\.zip"):
        Store(f"file://{tmp_path}").put_file("reports/x.zip", tmp_path / "report.zip")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.zip", "reports"]


def test_an_unwritable_store_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "certificates").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match=r"cannot write certificates/ab/abcd\.e+\.pdf"):
        Store(f"file://{tmp_path}").put(certificate_path("abcd", sha256="e" * 64), b"%PDF")
    assert [p.name for p in tmp_path.iterdir()] == ["certificates"]


def test_of_many_objects_those_that_cannot_be_stored_stop_no_other(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("a file where a folder should be")
    objects = [
        (f"{folder}/{number}.pdf", f"{folder}{number}".encode()) for number in range(40) for folder in "abc"
    ]
    ends = Store(f"file://{tmp_path}").put_all(objects)
    assert [end is not None for end in ends] == [path.startswith("b/") for path, _ in objects]
    stored = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.glob("*/*")}
    assert stored == {path: content for path, content in objects if not path.startswith("b/")}


def test_many_objects_in_as_many_folders_replace_what_was_there(tmp_path: Path) -> None:
    store = Store(f"file://{tmp_path}")
    for content in (b"1", b"2"):
        assert store.put_all([(f"{number}/x.pdf", content) for number in range(40)]) == [None] * 40
    assert [path.name for path in tmp_path.glob("*/*")] == ["x.pdf"] * 40
    assert {store.get(f"{number}/x.pdf") for number in range(40)} == {b"2"}


def test_a_missing_object_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot read"):
        Store(f"file://{tmp_path}").get("none.pdf")


def test_the_same_interface_serves_another_kind_of_store() -> None:
    store = Store("memory://certificates")
    store.put("x.pdf", b"1")
    assert store.get("x.pdf") == b"1"
    assert store.address("x.pdf") == "memory:///certificates/x.pdf"
    assert store.get("x.pdf") == b"1"
