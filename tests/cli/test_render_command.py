"""`pramaan render`: rows in, files out; no database, no home."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest
from people import call_process

from plain_template import plain_files, write_template
from pramaan.cli.render import named_template
from pramaan.errors import TemplateError
from pramaan.rendering.fonts import configure_fonts
from pramaan.rendering.renderer import ENGINES
from pramaan.rendering.rows import Figures, Plan, render_rows
from pramaan.rendering.samples import sample_signature
from pramaan.signatures.images import check_signature

GOOD = {
    "recipient_name": "Zoë Ñáñez-Śrīvāstava",
    "course_name": "Numeracy",
    "completed_at": "2026-07-31T20:30:00Z",
    "issuer_name": "State Council",
    "verify_url": "https://x.example/pramaan/verify/1",
    "language": "en",
}
SECRET = "Zoë"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A person without a home of ours."""
    return {"PATH": os.environ["PATH"], "PRAMAAN_HOME": str(tmp_path / "none")}


def written(file: Path, rows: list[object]) -> Path:
    file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return file


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """The how-to's example, with the certificate's number in its title."""
    description = plain_files()["template.yml"].decode()
    numbered = description.replace("fields:\n", "fields:\n  certificate_id: { sample: x }\n", 1)
    return write_template(
        tmp_path / "plain",
        {"template.yml": numbered},
        html=("{{ text.heading }}: ", "No. {{ certificate_id }}: "),
    )


def test_a_row_is_a_file(environment: dict[str, str], template: Path, tmp_path: Path) -> None:
    rows = [
        GOOD | {"id": "a"},
        "",
        GOOD | {"id": "ब-2", "language": "hi"},
        GOOD | {"id": 3, "certificate_id": "7"},
    ]
    data = written(tmp_path / "rows.jsonl", rows)
    done = call_process(
        environment, "render", "--template", template, "--data", data, "--out", tmp_path / "out"
    )
    assert done.returncode == 0, done.stderr
    assert "3 certificates in" in done.stdout
    assert "a second" in done.stdout
    assert "median" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.pdf", "ब-2.pdf", "3.pdf"}
    assert SECRET not in done.stdout + done.stderr
    assert not (tmp_path / "none").exists()
    with pypdfium2.PdfDocument(tmp_path / "out" / "a.pdf") as document:
        # The last of July there is August here.
        assert "August 2026" in document[0].get_textpage().get_text_range()
        assert document.get_metadata_value("Title") == "No. a: Numeracy"
    with pypdfium2.PdfDocument(tmp_path / "out" / "3.pdf") as document:
        assert document.get_metadata_value("Title") == "No. 7: Numeracy"


@pytest.mark.slow
def test_a_bundled_template_is_named_by_its_id(environment: dict[str, str], tmp_path: Path) -> None:
    data = written(tmp_path / "rows.jsonl", [GOOD | {"id": "a"}])
    for engine in ENGINES:
        done = call_process(
            environment,
            "render",
            "--template",
            "classic",
            "--data",
            data,
            "--out",
            tmp_path / engine,
            "--engine",
            engine,
        )
        assert done.returncode == 0, done.stderr
        assert (tmp_path / engine / "a.pdf").read_bytes().startswith(b"%PDF")


BAD = {
    1: ("not json", "not_json"),
    2: ([1], "not_an_object"),
    3: (GOOD, "missing_id"),
    4: (GOOD | {"id": "../x"}, "invalid_id"),
    5: (GOOD | {"id": "a/b"}, "invalid_id"),
    6: (GOOD | {"id": ".hidden"}, "invalid_id"),
    7: (GOOD | {"id": "x" * 201}, "invalid_id"),
    8: (GOOD | {"id": "a\nb"}, "invalid_id"),
    9: ('{"id": "\\ud800"}', "invalid_id"),
    10: (GOOD | {"id": ["a"]}, "invalid_id"),
    11: (GOOD | {"id": "good"}, None),
    12: (GOOD | {"id": "good"}, "duplicate_id"),
    13: (GOOD | {"id": "b", "colour": "red"}, "unknown_field"),
    14: ({"id": "c", "recipient_name": "Zoë"}, "missing_field"),
    15: (GOOD | {"id": "d", "recipient_name": 7}, "invalid_field"),
    16: (GOOD | {"id": "e", "recipient_name": "Zoë \U0001f389"}, "name_unprintable"),
    17: (GOOD | {"id": "f", "recipient_name": "Zoë " * 60}, "name_does_not_fit"),
    18: (GOOD | {"id": "g", "completed_at": "yesterday"}, "invalid_field"),
    19: ("[" * 20_000, "not_json"),
    20: (GOOD | {"id": "h", "recipient_name": "Z" * 200_000}, "row_too_long"),
    21: (GOOD | {"id": "last"}, None),
}


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_is_wrong_with_a_row_is_told_and_the_others_are_rendered(
    jobs: int, environment: dict[str, str], template: Path, tmp_path: Path
) -> None:
    data = written(tmp_path / "rows.jsonl", [row for row, _ in BAD.values()])
    done = call_process(
        environment,
        "render",
        "--template",
        template,
        "--data",
        data,
        "--out",
        tmp_path / "out",
        "--jobs",
        jobs,
        "--json",
    )
    assert done.returncode == 1
    told = {
        int(line.split(":")[1]): line.split(":")[2].strip()
        for line in done.stderr.splitlines()
        if line.startswith(str(data))
    }
    assert told == {line: said for line, (_, said) in BAD.items() if said}
    assert SECRET not in done.stdout + done.stderr
    seen = json.loads(done.stdout)
    assert (seen["rendered"], seen["failed"]) == (2, len(told))
    assert seen["failures"]["invalid_id"] == 7
    assert 0 < seen["median_bytes"] <= seen["max_bytes"] < seen["total_bytes"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"good.pdf", "last.pdf"}
    assert {path.name for path in tmp_path.iterdir()} == {"rows.jsonl", "out", "plain"}


MISTAKES = {
    "no template": (("--template", "none"), "neither a bundled template"),
    "no data": (("--template", "classic", "--data", "none.jsonl"), "none.jsonl"),
    "no engine": (("--template", "classic", "--engine", "typst"), "typst"),
    "no jobs": (("--template", "classic", "--jobs", "0"), "jobs"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_message(case: str, environment: dict[str, str], tmp_path: Path) -> None:
    arguments, said = MISTAKES[case]
    data = written(tmp_path / "rows.jsonl", [GOOD | {"id": "a"}])
    done = call_process(environment, "render", "--data", data, "--out", tmp_path / "out", *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_signature_that_is_none_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    data = written(tmp_path / "rows.jsonl", [GOOD | {"id": "a"}])
    done = call_process(
        environment,
        "render",
        "--template",
        "classic",
        "--data",
        data,
        "--out",
        tmp_path / "out",
        "--signature",
        data,
    )
    assert done.returncode == 1
    assert "no readable PNG, JPEG or SVG" in done.stderr


@pytest.fixture
def plan(template: Path, tmp_path: Path) -> Plan:
    """Of that example, into an empty folder."""
    configure_fonts(tmp_path / "fonts")
    loaded = named_template(str(template))
    (tmp_path / "out").mkdir()
    return Plan(loaded.template_id, loaded.pack(), tmp_path / "out", "Asia/Kolkata", "compiled")


def rendered(plan: Plan, data: Path, *, jobs: int) -> tuple[Figures, list[int]]:
    heard: list[int] = []
    with data.open("rb") as rows:
        return render_rows(plan, rows, jobs=jobs, on_rows=heard.append), heard


def test_workers_make_the_same_bytes_and_tell_as_they_go(plan: Plan, tmp_path: Path) -> None:
    data = written(tmp_path / "rows.jsonl", [GOOD | {"id": f"{n}"} for n in range(120)])
    alone, heard = rendered(plan, data, jobs=1)
    before = {path.name: path.read_bytes() for path in plan.out.iterdir()}
    together, heard_together = rendered(plan, data, jobs=2)
    assert before == {path.name: path.read_bytes() for path in plan.out.iterdir()}
    assert alone.rendered == together.rendered == len(before) == 120
    assert (alone.total_bytes, alone.median_bytes) == (together.total_bytes, together.median_bytes)
    assert heard == heard_together == [50, 50, 20]


def test_a_file_that_is_there_is_replaced_and_a_link_not_followed(plan: Plan, tmp_path: Path) -> None:
    outside = tmp_path / "outside.pdf"
    outside.write_bytes(b"mine")
    (plan.out / "a.pdf").symlink_to(outside)
    (plan.out / "b.pdf").write_bytes(b"old")
    data = written(tmp_path / "rows.jsonl", [GOOD | {"id": "a"}, GOOD | {"id": "b"}])
    rendered(plan, data, jobs=1)
    assert outside.read_bytes() == b"mine"
    assert all(path.read_bytes().startswith(b"%PDF") and not path.is_symlink() for path in plan.out.iterdir())


def test_what_cannot_be_written_stops_it_and_leaves_nothing_half(plan: Plan, tmp_path: Path) -> None:
    (plan.out / "a.pdf").mkdir()
    data = written(tmp_path / "rows.jsonl", [GOOD | {"id": "a"}])
    with pytest.raises(IsADirectoryError):
        rendered(plan, data, jobs=1)
    assert {path.name for path in plan.out.iterdir()} == {"a.pdf"}


def test_a_byte_order_mark_and_a_last_line_without_its_end_are_read(plan: Plan, tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD | {"id": "a"}).encode())
    assert rendered(plan, data, jobs=1)[0].rendered == 1


def test_a_signature_is_on_every_page(plan: Plan, tmp_path: Path) -> None:
    data = written(tmp_path / "rows.jsonl", [GOOD | {"id": "a"}])
    without = rendered(plan, data, jobs=1)[0].total_bytes
    signature = check_signature(sample_signature()).content
    assert rendered(replace(plan, signature=signature), data, jobs=1)[0].total_bytes > without + 1000


def test_a_template_is_named_by_id_or_folder(tmp_path: Path) -> None:
    assert named_template("classic").template_id == "classic"
    with pytest.raises(TemplateError, match="neither a bundled template"):
        named_template(str(tmp_path / "none"))
    with pytest.raises(TemplateError, match="the file is missing"):
        named_template(str(tmp_path))
