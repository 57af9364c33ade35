"""A template that would hang, grow or fetch is refused in words, within seconds of processor time and a
gigabyte.
"""

import multiprocessing
import resource
import struct
import threading
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from plain_template import plain_files, write_template
from pramaan.checking.check import check_template, vet
from pramaan.errors import HostError, RenderError, TemplateError
from pramaan.rendering.fonts import configure_fonts
from pramaan.rendering.renderer import ENGINES, Engine, Renderer
from pramaan.rendering.template import Template, load_template, template_of
from pramaan.sandbox import DEFAULT_BUDGET, CpuBudget, run_in_sandbox

_BUDGET = CpuBudget(step_seconds=4, base_seconds=3, mean_seconds=0.1, most_seconds=8)
"""Tight, so that what is endless ends soon."""
_SECONDS = 10
_BYTES = 1_000_000_000
Change = tuple[Mapping[str, bytes | str], Mapping[str, tuple[str, str]]]


@pytest.fixture(scope="module", autouse=True)
def _fonts(tmp_path_factory: pytest.TempPathFactory) -> None:
    configure_fonts(tmp_path_factory.mktemp("fonts"))


@pytest.fixture(scope="module", autouse=True)
def asked() -> Iterator[list[str]]:
    """Who is asked over the network meanwhile: nobody ever."""
    asked: list[str] = []

    class Ear(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Ear) as server:
        _ADDRESS.append(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield asked
        server.shutdown()
        thread.join()
    assert asked == []


_ADDRESS: list[str] = []


def within_body(text: str) -> Change:
    return {}, {"html": ("</body>", text + "</body>")}


def within_css(text: str) -> Change:
    return {}, {"css": ("body, h1", text + "\nbody, h1")}


def drawn(inner: str, attributes: str = 'viewBox="0 0 277 190"') -> Change:
    return {"frame.svg": svg(inner, attributes)}, {}


def svg(inner: str, attributes: str = 'viewBox="0 0 277 190"') -> str:
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"<svg {names} {attributes}>{inner}</svg>"


def png(width: int, height: int) -> bytes:
    """A picture by its header alone."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


@pytest.fixture(scope="module", autouse=True)
def _vetting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A process that does nothing but vet: the peak of its children is that of what vetting started."""
    fonts = tmp_path_factory.mktemp("fonts-of-vetting")
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=configure_fonts, initargs=(fonts,)) as process:
        _VETTING.append(process)
        yield
    _VETTING.clear()


_VETTING: list[ProcessPoolExecutor] = []


def rejection(folder: Path, change: Change, *, seconds: float = _SECONDS, budget: CpuBudget = _BUDGET) -> str:
    """How the plain template with a change is refused."""
    files, replaced = change
    write_template(folder / "plain", files, **replaced)
    said, took, peak_bytes = _VETTING[0].submit(refused, folder / "plain", budget).result()
    assert took < seconds
    assert peak_bytes < _BYTES
    assert said.startswith("plain")
    return said


def refused(folder: Path, budget: CpuBudget) -> tuple[str, float, int]:
    """In the vetting process: the words of the rejection; processor seconds and peak of its children."""
    template = load_template(folder)
    begun = children_seconds()
    with pytest.raises(TemplateError) as error:
        vet(template, budget=budget)
    took = children_seconds() - begun
    return str(error.value), took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def children_seconds() -> float:
    """Processor time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_plain_template_is_good_and_vetted_once(tmp_path: Path) -> None:
    template = load_template(write_template(tmp_path / "plain"))
    vet(template)
    begun = children_seconds()
    vet(template)
    assert children_seconds() == begun


LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
USES = "".join(f'<g id="n{i + 1}">' + f'<use href="#n{i}"/>' * 10 + "</g>" for i in range(9))
VARIABLES = " ".join(f"--a{i + 1}: " + f"var(--a{i}) " * 10 + ";" for i in range(12))

CHEAP = {
    "text of a gigabyte": (within_body("{{ 'x' * 10**9 }}"), "certificate.html, line 21: MemoryError"),
    "text of 10 MB": (within_body("{{ 'x' * 10**7 }}"), "500000 are allowed"),
    "wide format": (within_body("{{ '%099999999999d' % 1 }}"), "line 21: MemoryError"),
    "long range": (within_body("{{ range(10**9)|list }}"), "line 21: OverflowError"),
    "macro in itself": (
        within_body("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
        "line 21: RecursionError",
    ),
    "import in a circle": (
        (
            {"m.html": "{% import 'n.html' as n %}", "n.html": "{% import 'm.html' as m %}"},
            within_body("{% import 'm.html' as m %}")[1],
        ),
        "RecursionError",
    ),
    "conditions without end": (within_body("{% if 1 %}" * 500 + "{% endif %}" * 500), "nested too deep"),
    "10,000 boxes": (
        within_body("{% for i in range(10000) %}<p>x</p>{% endfor %}"),
        "more than 2000 elements",
    ),
    "deep nesting": (within_body("<div>" * 1500), "nested more than 50 deep"),
    "400 megapixels": (
        ({"p.png": png(20_000, 20_000)}, within_body("<img src=p.png alt=''>")[1]),
        "p.png: a picture",
    ),
    "100 megapixels": (
        ({"p.png": png(10_000, 10_000)}, within_body("<img src=p.png alt=''>")[1]),
        "10000 by 10000",
    ),
    "PostScript as PNG": (
        ({"p.png": b"%!PS-Adobe-3.0 EPSF-3.0"}, within_body("<img src=p.png alt=''>")[1]),
        "no readable PNG",
    ),
    "PostScript as SVG": (
        ({"p.svg": b"%!PS-Adobe-3.0 EPSF-3.0"}, within_body("<img src=p.svg alt=''>")[1]),
        "this is no SVG",
    ),
    "huge SVG": (
        drawn("<rect width='9e9' height='9e9'/>", 'width="1e12" height="1e12"'),
        "line 1: width '1e12'",
    ),
    "uses of uses": (drawn(f'<g id="n0"><path d="M0 0h1"/></g>{USES}'), "more than 20000 elements"),
    "uses of uses in the page": (
        within_body(svg(f'<g id="n0"><path d="M0 0h1"/></g>{USES}')),
        "more than 20000 elements",
    ),
    "use of itself": (drawn('<g id="a"><use href="#a"/></g>'), "more than 20000 elements"),
    "deep SVG": (drawn("<g>" * 5000 + "</g>" * 5000), "line 1: elements more than 50 deep"),
    "entities": (
        (
            {
                "frame.svg": '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n'
                + svg("<title>&b;</title>")
            },
            {},
        ),
        "frame.svg, line 1: <!ENTITY>",
    ),
    "stops in CSS": (
        within_css(f"h1 {{ background: linear-gradient({', '.join(['red', 'blue'] * 3000)}) }}"),
        "line 11: a gradient",
    ),
    "stops in SVG": (
        drawn(f"<linearGradient id='g'>{'<stop/>' * 3000}</linearGradient>"),
        "a gradient of 3000 stops",
    ),
    "giant letters": (within_css("h1 { font-size: 900pt !important; white-space: nowrap }"), "over the edge"),
    "giant page": (
        ({}, {"css": ("A4 landscape", "99999999mm 99999999mm")}),
        "each side must have 100 to 450 mm",
    ),
    "variables of variables": (
        within_css(f":root {{ --a0: xxxxxxxxxx; {VARIABLES} }} h1::before {{ content: var(--a12) }}"),
        "memory",
    ),
    "calc in calc": (
        within_css("h1 { width: " + "calc(" * 3000 + "1px" + ")" * 3000 + "}"),
        "RecursionError",
    ),
    "selectors in selectors": (
        within_css(":is(" * 2000 + "a" + ")" * 2000 + "{ color: red }"),
        "RecursionError",
    ),
    "style sheet in itself": (within_css('@import "certificate.css";'), "certificate.css, line 11: @import"),
    "font": (({"f.ttf": b"OTTO"}, {}), "f.ttf: a template holds"),
    "PDF of another": (({"f.html": "x"}, within_body("<img src=f.html alt=''>")[1]), "which is no picture"),
}


QUICK = frozenset(
    {
        "text of a gigabyte",
        "10,000 boxes",
        "deep nesting",
        "100 megapixels",
        "PostScript as SVG",
        "uses of uses",
        "entities",
        "stops in CSS",
        "giant letters",
        "giant page",
        "variables of variables",
        "style sheet in itself",
    }
)
"""One of each kind; a child takes most of a second to start."""


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in QUICK else pytest.mark.slow) for case in CHEAP]
)
def test_what_costs_too_much_is_refused(case: str, tmp_path: Path) -> None:
    change, said = CHEAP[case]
    # On a busy machine the tight budget would end it before it meets the limit of memory.
    budget = DEFAULT_BUDGET if "memory" in said else _BUDGET
    assert said in rejection(tmp_path, change, budget=budget)


ALWAYS = 3
"""How many of the dear cases run with the slow tests; the long ones run the others."""

DEAR = {
    "loop": (
        within_body("\n" + LOOP),
        "making the page in English (en) takes too",
    ),
    "loop in one page only": (
        within_body(
            f'{{% if language == "hi" and not (signatory_name or signature_url) %}}{LOOP}{{% endif %}}'
        ),
        "without signatory_name, signature takes too",
    ),
    "doubling": (
        within_body(
            "{% set n = namespace(x='x') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}"
        ),
        "line 21: 'namespace' is undefined",
    ),
    "macro by twos": (
        within_body(
            "{% macro m(n) %}{% if n < 40 %}{{ m(n + 1) }}{{ m(n + 1) }}{% endif %}{% endmacro %}{{ m(0) }}"
        ),
        "making the page in English (en) takes too",
    ),
    "include of itself": (within_body("{% include 'certificate.html' %}"), "RecursionError"),
    "power": (within_body("{{ 9**(9**9) }}"), "compiling the HTML takes too"),
    "columns without end": (
        within_body("<table><colgroup span=100000000></table>"),
        "laying out the page in English",
    ),
    "tables": (within_body("<table><tr><td colspan=1000 rowspan=65534>x</table>" * 200), "table or the like"),
    "50,000 rules": (
        within_css("* * * * * * * * { color: red }\n" * 50_000),
        "certificate.css takes too",
    ),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.slow if number < ALWAYS else pytest.mark.long)
        for number, case in enumerate(DEAR)
    ],
)
def test_what_does_not_end_is_ended(case: str, tmp_path: Path) -> None:
    change, said = DEAR[case]
    assert said in rejection(tmp_path, change, seconds=_SECONDS + 2)


@pytest.mark.parametrize(
    ("description", "said"),
    [
        (b'a: &a ["x"]\nb: &b [*a, *a]\n', "template.yml, line 2: aliases"),
        (b"a: x\n" * 50_000, "template.yml: 250000 bytes"),
        (b"[" * 50_000, "nested more than"),
        (b"a: " + b"9" * 9000, "no YAML"),
    ],
)
def test_a_description_is_read_within_limits(description: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=said):
        load_template(write_template(tmp_path / "plain", {"template.yml": description}))


def test_a_link_in_the_folder_is_refused(tmp_path: Path) -> None:
    folder = write_template(tmp_path / "plain")
    (folder / "passwd.svg").symlink_to("/etc/passwd")
    with pytest.raises(TemplateError, match=r"plain/passwd\.svg: this is a link"):
        load_template(folder)


def test_too_much_is_not_even_read(tmp_path: Path) -> None:
    folder = write_template(tmp_path / "plain", {"film.png": b"x" * 6_000_000})
    with pytest.raises(TemplateError, match="a template may have 5000000"):
        load_template(folder)
    for number in range(300):
        (folder / f"{number}.svg").touch()
    with pytest.raises(TemplateError, match="a template may have 200"):
        load_template(folder)


ADDRESSES = (
    "HERE/a.svg",
    "https://127.0.0.1/a.svg",
    "ftp://127.0.0.1/a.svg",
    "file:///etc/passwd",
    "/etc/passwd",
    "//127.0.0.1/a.svg",
    "../classic/background.svg",
    "data:image/png;base64,iVBORw0KGgo=",
    "none.svg",
)
_FACE = "font-family: x; src: url(HERE/f)"
HOSTILE_LINES = {
    "certificate.html": (
        *(f"<img src='{address}' alt=''>" for address in ADDRESSES),
        "<object data='HERE/b'></object>",
        "<embed src='HERE/c'>",
        "<img src=\"{{ 'HERE/d' }}\" alt=''>",
        "<p style='background: url(HERE/e)'>x</p>",
        "<style>p { background: url(HERE/g) }</style>",
        "<svg><image href='HERE/h'/></svg>",
        "<svg><image xlink:href='HERE/i'/></svg>",
        "<style>@import 'HERE/a.css';</style>",
        f"<style> @font-face {{ {_FACE} }}</style>",
        "<link rel=stylesheet href='HERE/a.css'>",
        "<base href='HERE'>",
        "<script>x</script>",
        "<a rel=attachment href='#j'>x</a>",
        "<a href='javascript:x'>x</a>",
    ),
    "certificate.css": (
        *(f"h1 {{ background: url({address}) }}" for address in ADDRESSES),
        "h1 { content: url('HERE/b') }",
        "@page { background: url(HERE/c) }",
        "@media print { p { background: url(HERE/d) } }",
        "@import url(a.css);",
        "@import 'certificate.css';",
        f"@font-face {{ {_FACE} }}",
        "@font-face { font-family: x; src: local(Arial) }",
        f"@media print {{ @font-face {{ {_FACE} }} }}",
        "@color-profile --x { src: local(x) }",
    ),
    "frame.svg": (
        *(f"<image href='{address}'/>" for address in ADDRESSES),
        "<image xlink:href='HERE/b'/>",
        "<use href='HERE/c#x'/>",
        "<path d='M0 0h9' fill='url(HERE/d#x)'/>",
        "<path style='fill: url(HERE/e)'/>",
        "<style>path { fill: url(HERE/g) }</style>",
        "<style>@import 'HERE/a.css';</style>",
        "<style>@font-face { font-family: x; src: local(Arial) }</style>",
        "<g xml:base='HERE'/>",
        "<?xml-stylesheet href='HERE/a.css'?>",
        "<text>x</text>",
    ),
}


@pytest.mark.parametrize("file", HOSTILE_LINES)
def test_every_address_and_every_rule_that_fetches_is_told_by_its_line(file: str, tmp_path: Path) -> None:
    lines = "\n".join(HOSTILE_LINES[file]).replace("HERE", _ADDRESS[0])
    before = {"certificate.html": "</body>", "certificate.css": "body, h1", "frame.svg": "</svg>"}[file]
    source = plain_files()[file].decode()
    first = source[: source.index(before)].count("\n") + 2
    folder = write_template(tmp_path / "plain", {file: source.replace(before, f"\n{lines}\n{before}", 1)})
    errors = [finding for finding in check_template(folder) if finding.severity == "error"]
    assert {finding.file for finding in errors} == {file}
    told = {finding.line: finding.message for finding in errors}
    missed = [line for n, line in enumerate(HOSTILE_LINES[file], start=first) if n not in told]
    assert missed == []
    assert len(told) == len(HOSTILE_LINES[file])
    for number, address in enumerate(ADDRESSES, start=first):
        assert address.replace("HERE", _ADDRESS[0])[:30] in told[number]


def test_a_rule_that_only_running_shows_is_refused_too(tmp_path: Path) -> None:
    rule = "{{ '@font' ~ '-face' }} { font-family: x; src: local(Arial) }"
    assert "@font-face" in rejection(tmp_path, within_body(f"<style>{rule}</style>"))
    address = "<img src=\"{{ 'ht' ~ 'tp://127.0.0.1/' }}\" alt=''>"
    assert "refers to 'http://127.0.0.1/'" in rejection(tmp_path, within_body(address))


def test_what_reading_missed_laying_out_still_refuses(asked: list[str]) -> None:
    """The renderer by itself, with nothing vetted: the second wall."""
    address = f"{_ADDRESS[0]}/a.svg"
    for change in (
        within_body(f"<img src='{address}' alt=''>"),
        within_body(svg(f"<image href='{address}'/>")),
        within_css(f"html {{ background: url({address}) }}"),
        drawn(f"<image href='{address}'/>"),
    ):
        with pytest.raises(TemplateError, match=r"refers to 'http://127"):
            rendered(changed(*change), "compiled")
    face = f"@font-face {{ font-family: x; src: url({address}) }}"
    for change in (within_css(face), within_body(f"<style>{face}</style>"), drawn(f"<style>{face}</style>")):
        with pytest.raises(TemplateError, match="@font-face"):
            rendered(changed(*change), "weasyprint")
    assert asked == []


def changed(files: Mapping[str, bytes | str], replaced: Mapping[str, tuple[str, str]]) -> Template:
    content = {**plain_files(), **{n: d.encode() if isinstance(d, str) else d for n, d in files.items()}}
    for suffix, (old, new) in replaced.items():
        name = f"certificate.{suffix}"
        content[name] = content[name].replace(old.encode(), new.encode(), 1)
    return template_of("plain", content)


def rendered(template: Template, engine: Engine, **values: str) -> bytes:
    renderer = Renderer(template, zone=ZoneInfo("UTC"), engine=engine)
    return renderer.render({**template.sample_fields(), **values})


LITERAL = (
    "<b>x</b>",
    "{{ 7*7 }}",
    "{% raise %}",
    "&amp; &lt;",
    "</p></body>",
    "<img src=http://127.0.0.1/>",
    "</style><style>*{display:none}",
    "#recipient_name{color:red}",
    "url(file:///etc/passwd)",
    "' onload='x",
    "]]><!--",
    "(x) Tj ET \\n",
    "$(id)",
)
UNPRINTABLE = (
    "a\u202eb",
    "a\x00b",
    "a\nb",
    "a\x1bb",
    "\ufdd0recipient_name\ufdd1",
    "\ue000",
    "a\u2028b",
    "\ud800",
)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_value_is_printed_as_it_is_or_not_at_all(engine: Engine) -> None:
    import pypdfium2

    template = template_of("plain", plain_files())
    renderer = Renderer(template, zone=ZoneInfo("UTC"), engine=engine)
    for value in LITERAL:
        pdf = renderer.render({**template.sample_fields(), "recipient_name": value, "course_name": value})
        with pypdfium2.PdfDocument(pdf) as document:
            text = " ".join(document[0].get_textpage().get_text_range().split())
            assert document.get_metadata_value("Title") == f"Certificate of Completion: {value}"
        assert text.count(value) == 2, (value, text)
    for value in UNPRINTABLE:
        with pytest.raises(RenderError) as refused:
            renderer.render({**template.sample_fields(), "recipient_name": value})
        assert refused.value.error_class == "name_unprintable"
        assert value not in str(refused.value)


def test_an_engine_renders_after_a_refusal_as_before() -> None:
    template = template_of("plain", plain_files())
    renderer = Renderer(template, zone=ZoneInfo("UTC"))
    before = renderer.render(template.sample_fields())
    with pytest.raises(RenderError):
        renderer.render({**template.sample_fields(), "recipient_name": "\u202e"})
    assert renderer.render(template.sample_fields()) == before


def test_a_machine_that_cannot_check_says_so() -> None:
    with pytest.raises(HostError, match="No module named"):
        list(run_in_sandbox("pramaan.rendering.none", [], data=b""))


def test_a_version_is_vetted_for_itself(tmp_path: Path) -> None:
    """That one template of this name was good says nothing about the next."""
    good = load_template(write_template(tmp_path / "plain"))
    vet(good)
    bad = changed(*within_css("#qr_code { width: 10mm !important; height: 10mm !important }"))
    with pytest.raises(TemplateError, match=r"#qr_code has 10\.0 mm"):
        vet(replace(bad, template_id=good.template_id))
