"""Files made to harm: none reaches outside the landing folder, and none keeps the files behind it waiting."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from feed_files import World, file_bytes, sample_row


def load(world: World) -> dict[str, tuple[str, str]]:
    """File name -> its status and remark."""
    return {file.name: (file.status, file.remark) for file in world.load()}


@pytest.fixture
def good_file_behind(world: World) -> World:
    """A world where a good file waits behind whatever sorts before it."""
    world.put("users", "zzz.jsonl", file_bytes("users", [sample_row("users")], "jsonl"))
    return world


@pytest.mark.parametrize("kind", ["link to a file", "link to a device", "pipe", "linked folder"])
def test_only_regular_files_of_the_landing_folder_are_read(
    kind: str, good_file_behind: World, tmp_path: Path
) -> None:
    folder = good_file_behind.folder / "users"
    secret = tmp_path / "secret" / "a.csv"
    secret.parent.mkdir()
    secret.write_text("secret")
    if kind == "link to a file":
        (folder / "a.csv").symlink_to(secret)
    elif kind == "link to a device":
        (folder / "a.csv").symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(folder / "a.csv")
    else:
        (folder / "linked").symlink_to(secret.parent)
    seen = load(good_file_behind)
    assert seen.pop("zzz.jsonl")[0] == "loaded"
    assert all(status == "waiting" and "regular file" in remark for status, remark in seen.values())
    assert good_file_behind.connection.execute("select count(*) from ops.quarantine").fetchone() == (0,)


UNSHOWABLE = {
    "unknown time zone": pa.array([0], pa.timestamp("us", tz="Mars/Phobos")),
    "date past any year": pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
    "endless duration": pa.array([2**62], pa.duration("s")),
    "list of far instants": pa.array([[2**62]], pa.list_(pa.timestamp("us"))),
}


@pytest.mark.parametrize("case", UNSHOWABLE)
def test_a_column_that_cannot_be_shown_does_not_stop_the_file_that_has_it(
    case: str, good_file_behind: World, tmp_path: Path
) -> None:
    broken = {name: pa.array([None], pa.string()) for name in ("user_id", "tenant_id", "updated_at")}
    file = tmp_path / "made.parquet"
    pa_parquet.write_table(pa.table({**broken, "extra": UNSHOWABLE[case]}), file)
    good_file_behind.put("users", "a.parquet", file.read_bytes())
    seen = load(good_file_behind)
    assert seen["zzz.jsonl"][0] == "loaded"
    assert seen["a.parquet"][0] in {"loaded", "quarantined"}
    rule = good_file_behind.connection.execute("select rule from ops.quarantine").fetchone()
    assert rule is not None


def test_numbers_without_end_in_an_event_cost_nothing(good_file_behind: World) -> None:
    numbers = ",".join(["1e131071"] * 2000)
    event = '{"mid": "m", "eid": "E", "ets": 1767225600000, "n": [%s], "x": %d}\n'
    lines = "".join(event % (numbers, n) for n in range(2))
    good_file_behind.put("telemetry", "a.jsonl", lines.encode())
    assert load(good_file_behind)["a.jsonl"][0] == "loaded"
    size = good_file_behind.connection.execute("select length(event::text) from raw.telemetry").fetchone()
    assert size is not None
    assert size[0] < 20_000
