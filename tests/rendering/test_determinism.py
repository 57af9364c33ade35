"""The same fields give the same bytes: in any process, in any order, whatever the machine's language is.

The golden hashes hold for one set of pins: the locked Python packages, the fonts by their hashes, and the
system's Pango and HarfBuzz, which `Renderer.engine_version` names. When one of them changes, look at what
changed in the pictures, and then take the new hashes: `GOLDEN=write make test` writes them.
"""

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from renderers import BUNDLED, RendererOf

from pramaan.rendering.renderer import Renderer
from pramaan.rendering.samples import LONGEST_NAMES, NAMES, sample_signature
from pramaan.rendering.template import list_templates

GOLDEN = Path(__file__).with_name("golden_hashes.json")

ROWS = [
    (name, language)
    for language, usual in NAMES.items()
    for name in (usual, LONGEST_NAMES[language])
] + [("Ravi रवि కుమార్ Kumar", "en"), ("ज्ञानेश्वर कुलकर्णी", "en"), ("Zoë Ñáñez-Śrīvāstava", "hi")]  # fmt: skip

FRESH_PROCESS = """
import hashlib, json, pathlib, sys, zoneinfo
from pramaan.rendering.fonts import configure_fonts
from pramaan.rendering.template import load_template
configure_fonts(pathlib.Path(sys.argv[1]))
from pramaan.rendering.renderer import Renderer
from pramaan.rendering.samples import sample_signature
renderer = Renderer(load_template(pathlib.Path(sys.argv[2])), zone=zoneinfo.ZoneInfo("Asia/Kolkata"),
                    engine=sys.argv[3])
for name, language in json.load(sys.stdin):
    fields = renderer.template.sample_fields() | {"recipient_name": name, "language": language}
    print(hashlib.sha256(renderer.render(fields, signature=sample_signature())).hexdigest())
"""


def hash_of(renderer: Renderer, name: str, language: str) -> str:
    fields = renderer.template.sample_fields() | {"recipient_name": name, "language": language}
    return hashlib.sha256(renderer.render(fields, signature=sample_signature())).hexdigest()


def hashes_in_fresh_process(
    rows: list[tuple[str, str]], folder: Path, engine: str, **environment: str
) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FRESH_PROCESS, folder, BUNDLED / "classic", engine],
        input=json.dumps(rows),
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(("engine", "count"), [("compiled", 12), ("weasyprint", 4)])
def test_the_same_input_gives_the_same_bytes_in_any_process_and_order(
    renderer_of: RendererOf, tmp_path: Path, engine: str, count: int
) -> None:
    rows = random.Random(1).sample(ROWS, count)
    first = hashes_in_fresh_process(rows, tmp_path / "a", engine, PYTHONHASHSEED="1", LANG="C")
    other = hashes_in_fresh_process(
        rows[::-1],
        tmp_path / "b",
        engine,
        PYTHONHASHSEED="2",
        LANG="hi_IN.UTF-8",
        LANGUAGE="mr:ur",
        LC_ALL="ta_IN.UTF-8",
        TZ="America/New_York",
    )
    renderer = renderer_of("classic", "compiled" if engine == "compiled" else "weasyprint")
    here = [hash_of(renderer, *row) for row in rows]
    assert first == other[::-1] == here
    assert len(set(here)) == count


def test_what_was_rendered_before_changes_nothing(renderer_of: RendererOf) -> None:
    renderer = renderer_of("classic", "compiled")
    rows = ROWS[::5]
    before = [hash_of(renderer, *row) for row in rows]
    for row in random.Random(2).sample(ROWS, 12):
        hash_of(renderer, *row)
    assert [hash_of(renderer, *row) for row in rows] == before


def test_certificates_are_the_golden_ones(renderer_of: RendererOf) -> None:
    found = {
        "engine": renderer_of("classic", "compiled").engine_version,
        **{
            template_id: [hash_of(renderer_of(template_id, "compiled"), *row)[:16] for row in ROWS]
            for template_id in list_templates(BUNDLED)
        },
    }
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
    golden = json.loads(GOLDEN.read_text())
    if found["engine"].split()[1:2] != golden["engine"].split()[1:2]:
        pytest.skip(f"the golden hashes are for {golden['engine']}, and here is {found['engine']}")
    assert found == golden
