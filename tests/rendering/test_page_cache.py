"""Pages kept on disk: the same bytes as without, whatever happens to the files, by however many at once."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import weasyprint
from renderers import BUNDLED, INDIA, RendererOf
from test_determinism import GOLDEN, ROWS, hash_of

from pramaan.rendering.page_cache import PageCache
from pramaan.rendering.renderer import Renderer
from pramaan.rendering.samples import sample_signature
from pramaan.rendering.template import Template, list_templates
from pramaan.rendering.weasy import engine_version

SOME = ROWS[::4]

RENDERING = """
import hashlib, os, pathlib, sys, zoneinfo
from pramaan.rendering.page_cache import PageCache
from pramaan.rendering.renderer import Renderer
from pramaan.rendering.template import load_template
renderer = Renderer(load_template(pathlib.Path(sys.argv[1])), zone=zoneinfo.ZoneInfo("Asia/Kolkata"),
                    page_cache=PageCache(pathlib.Path(sys.argv[2])))
for language in ("en", "hi", "ur"):
    fields = renderer.template.sample_fields() | {"language": language}
    print(hashlib.sha256(renderer.render(fields)).hexdigest())
"""


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    return tmp_path / "pages"


def with_cache(template: Template, folder: Path) -> Renderer:
    """As in a process that has just started."""
    return Renderer(template, zone=INDIA, page_cache=PageCache(folder))


@pytest.mark.parametrize("template_id", list_templates(BUNDLED))
def test_the_bytes_are_the_same_without_with_an_empty_and_with_a_full_cache(
    bundled: Callable[[str], Template], pages: Path, template_id: str
) -> None:
    uncached = Renderer(bundled(template_id), zone=INDIA)
    without = [hash_of(uncached, *row) for row in SOME]
    for _ in ("empty", "full"):
        renderer = with_cache(bundled(template_id), pages)
        assert [hash_of(renderer, *row) for row in SOME] == without
    assert "layouter" not in vars(renderer._pages), "the second laid something out"
    golden = GOLDEN.read_text()
    if engine_version() in golden:
        assert all(digest[:16] in golden for digest in without)


def test_what_fits_only_with_its_words_broken_is_the_same_too(
    renderer_of: RendererOf, bundled: Callable[[str], Template], pages: Path
) -> None:
    too_long = "W" * 60, "en"  # whose word the other engine breaks
    hash_of(with_cache(bundled("classic"), pages), *too_long)
    again = with_cache(bundled("classic"), pages)
    assert hash_of(again, *too_long) == hash_of(renderer_of("classic", "compiled"), *too_long)


def test_damaged_files_are_made_again(bundled: Callable[[str], Template], pages: Path) -> None:
    row = ROWS[3]
    expected = hash_of(with_cache(bundled("modern"), pages), *row)
    files = sorted(pages.iterdir())
    contents = {file.name: file.read_bytes() for file in files}
    for number, file in enumerate(files):
        whole = contents[file.name]
        file.write_bytes(
            [b"", whole[: len(whole) // 2], whole.replace(b'"', b"'", 1), b"\0" * 99][number % 4]
        )
    assert hash_of(with_cache(bundled("modern"), pages), *row) == expected
    assert {file.name: file.read_bytes() for file in pages.iterdir()} == contents


def test_a_file_under_the_name_of_another_is_not_taken(pages: Path) -> None:
    cache = PageCache(pages)
    cache.put("one", 1)
    (one,) = pages.iterdir()
    cache.put("two", 2)
    (two,) = set(pages.iterdir()) - {one}
    two.write_bytes(one.read_bytes())
    assert (cache.get(1), cache.get(2)) == ("one", None)


def test_the_key_is_the_page_and_all_it_is_made_of(bundled: Callable[[str], Template], pages: Path) -> None:
    classic = bundled("classic")
    fields = classic.sample_fields()
    signed = with_cache(classic, pages).render(fields, signature=sample_signature())
    unsigned = with_cache(classic, pages).render(fields)
    nobody = with_cache(classic, pages).render(fields | {"signatory_designation": None})
    modern = with_cache(bundled("modern"), pages).render(fields)
    assert len({signed, unsigned, nobody, modern}) == 4


def test_many_processes_at_once_make_the_same(renderer_of: RendererOf, pages: Path) -> None:
    renderer = renderer_of("heritage", "compiled")
    fields = renderer.template.sample_fields()
    expected = [
        hashlib.sha256(renderer.render(fields | {"language": language})).hexdigest()
        for language in ("en", "hi", "ur")
    ]
    children = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", RENDERING, BUNDLED / "heritage", pages],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    assert [child.communicate()[0].split() for child in children] == [expected] * 3
    assert not [file for file in pages.iterdir() if file.suffix != ".page"]


def test_the_oldest_are_dropped_when_it_gets_too_much(pages: Path) -> None:
    cache = PageCache(pages, most_bytes=10_000)
    for number in range(50):
        cache.put("x" * 1_000, number)
    assert 0 < sum(file.stat().st_size for file in pages.iterdir()) <= 10_000
    assert cache.get(49) == "x" * 1_000
    assert cache.get(0) is None


def test_a_folder_that_others_may_write_to_is_not_used(pages: Path) -> None:
    PageCache(pages).put("mine", 1)
    assert pages.stat().st_mode & 0o777 == 0o700
    pages.chmod(0o770)
    assert PageCache(pages).get(1) is None
    PageCache(pages).put("theirs?", 2)
    assert len(list(pages.iterdir())) == 1


def test_a_folder_that_cannot_be_is_done_without(
    bundled: Callable[[str], Template], renderer_of: RendererOf, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    renderer = with_cache(bundled("modern"), tmp_path / "file" / "pages")
    assert hash_of(renderer, *ROWS[0]) == hash_of(renderer_of("modern", "compiled"), *ROWS[0])


def test_the_engine_s_version_is_weasyprint_s_own() -> None:
    assert f"weasyprint-{weasyprint.VERSION}+" in engine_version()
