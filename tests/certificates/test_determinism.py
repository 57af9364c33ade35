"""The same fields give the same bytes: in any process, in any order, whatever the machine's language is."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pramaan
from pramaan.certificates.fonts import configure_fonts
from pramaan.certificates.render import Renderer
from pramaan.certificates.template import load_template

CLASSIC = Path(__file__).parents[2] / "templates" / "certificates" / "classic"
SIGNATURE = (Path(pramaan.__file__).parent / "sample_signature.png").read_bytes()

ROWS = [
    ("Ananya Bhattacharya", "en"),
    ("Venkatanarasimharajuvaripeta Srinivasaraghavan Lakshminarayanan", "en"),
    ("अनन्या क्षत्रिय श्रीवास्तव", "hi"),
    ("ज्ञानेश्वर कुलकर्णी", "mr"),
    ("ज्ञानेश्वर कुलकर्णी", "en"),
    ("முத்துலட்சுமி சுப்பிரமணியன்", "ta"),
    ("محمد عبدالرحمٰن خان صدیقی", "ur"),
    ("Ravi रवि కుమార్ Kumar", "en"),
]

FRESH_PROCESS = """
import hashlib, json, pathlib, sys, zoneinfo
import pramaan
from pramaan.certificates.fonts import configure_fonts
from pramaan.certificates.template import load_template
configure_fonts(pathlib.Path(sys.argv[1]))
from pramaan.certificates.render import Renderer
template = load_template(pathlib.Path(sys.argv[2]))
renderer = Renderer(template, zone=zoneinfo.ZoneInfo("Asia/Kolkata"))
signature = (pathlib.Path(pramaan.__file__).parent / "sample_signature.png").read_bytes()
for name, language in json.load(sys.stdin):
    fields = template.sample_fields() | {"recipient_name": name, "language": language}
    print(hashlib.sha256(renderer.render(fields, signature=signature)).hexdigest())
"""


def hashes_in_fresh_process(rows: list[tuple[str, str]], folder: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", FRESH_PROCESS, folder, CLASSIC],
        input=json.dumps(rows),
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_the_same_input_gives_the_same_bytes_in_any_process_and_order(tmp_path: Path) -> None:
    first = hashes_in_fresh_process(ROWS, tmp_path / "a", PYTHONHASHSEED="1", LANG="C")
    other = hashes_in_fresh_process(
        ROWS[::-1],
        tmp_path / "b",
        PYTHONHASHSEED="2",
        LANG="hi_IN.UTF-8",
        LANGUAGE="mr:ur",
        TZ="America/New_York",
    )
    configure_fonts(tmp_path / "c")
    template = load_template(CLASSIC)
    renderer = Renderer(template, zone=ZoneInfo("Asia/Kolkata"))
    here = []
    for name, language in ROWS * 2:
        fields = template.sample_fields() | {"recipient_name": name, "language": language}
        here.append(hashlib.sha256(renderer.render(fields, signature=SIGNATURE)).hexdigest())
    assert first == other[::-1] == here[: len(ROWS)] == here[len(ROWS) :]
