"""setup.sh on machines that lack this or that, each made of small stand-ins: no package is installed here."""

import hashlib
import http.server
import io
import json
import os
import platform
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pramaan.settings import PROJECT_ROOT

TOOLS = (
    *(
        "bash",
        "sh",
        "cat",
        "cut",
        "dirname",
        "env",
        "flock",
        "grep",
        "mkdir",
        "cp",
        "mktemp",
        "mv",
        "rm",
        "sed",
    ),
    *("sha256sum", "stat", "tail", "tr", "chmod"),
)
PACKAGES = ("libpango-1.0-0", "fonts-noto-core")
LINE = "sudo apt-get install -y --no-install-recommends libpango-1.0-0 fonts-noto-core"

PINS = """\
# Every pin
six==1.0 \\
    --hash=sha256:00
uv==1.2.3 ; python_version > "3" \\
    --hash=sha256:01 \\
    --hash=sha256:02
"""
SUPPORTED = ("3.13", "3.12", "3.11")
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"

FAKE_PYTHON = f"""\
case "$*" in
*version_info*) [ -n "{{version}}" ] && echo "{{version}}" ;;
"-m venv "*)
    echo "$0 made it" >>"$CALLS.made"
    {sys.executable} -m venv --without-pip --symlinks "$3"
    cp "$FAKES/uv" "$3/bin/uv"
    mkdir -p "$3/lib/python{RUNNING}/site-packages/pip"
    cp "$FAKES/pip.py" "$3/lib/python{RUNNING}/site-packages/pip/__main__.py"
    ;;
*) exec {sys.executable} "$@" ;;
esac
"""
SYNC = "uv pip sync --python .venv/bin/python --require-hashes"
FAKE_UV = """\
[ "$1" != --version ] || { echo 'uv 1.2.3 (fake)'; exit; }
if [ "$1 $2" = "python install" ]; then
    echo "uv $*" >>"$CALLS"
    mkdir -p "$UV_PYTHON_INSTALL_DIR/cpython/bin"
    cp "$FAKES/python3.fetched" "$UV_PYTHON_INSTALL_DIR/cpython/bin/python3"
    exit
fi
echo "uv $* index=${UV_DEFAULT_INDEX:-} extra=${UV_INDEX:-} seconds=${UV_HTTP_TIMEOUT:-}" >>"$CALLS"
[ ! -e "$FAKES/uv-breaks" ] || exit 2
[ ! -e "$FAKES/killed" ] || kill -KILL 0
"""
FAKE_PIP = """\
import os, sys
if sys.argv[1:] == ["config", "list"]:
    print("global.extra-index-url='\\\\nfile:///one\\\\nfile:///two'")
    print("global.index-url='https://global.example/simple'")
    print(":env:.default-timeout='180'")
    print("install.index-url='https://install.example/simple'")
elif sys.argv[1] == "install":
    print("pip", *sys.argv[1:], file=open(os.environ["CALLS"], "a"))
"""


@dataclass
class Machine:
    """A folder with the script, and the only commands that it can find."""

    folder: Path
    checkout: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def calls(self) -> list[str]:
        """What was asked of the stand-ins, in order."""
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def command(self, name: str, script: str) -> None:
        """Put a stand-in on the path."""
        file = self.folder / "bin" / name
        file.write_text(f"#!/bin/bash\n{script}\n")
        file.chmod(0o755)

    def python(self, version: str, name: str = "") -> None:
        """Put a stand-in on the path that says it is that version, and makes environments of this one."""
        self.command(name or f"python{version}", FAKE_PYTHON.format(version=version))

    @property
    def made_by(self) -> list[str]:
        """The names of the interpreters that made environments, in order."""
        lines = (self.folder / "calls.made").read_text().splitlines()
        return [Path(line.split()[0]).name for line in lines]

    @property
    def variables(self) -> dict[str, str]:
        """The script's whole environment."""
        return {
            "PATH": str(self.folder / "bin"),
            "FAKES": str(self.folder / "bin"),
            "CALLS": str(self.folder / "calls"),
            "TMPDIR": str(self.folder),
        } | self.environment

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(self.checkout / "setup.sh"), *arguments],
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )

    def run_on_a_terminal(self, answer: str) -> tuple[int, str]:
        """Its exit code and all that it says when somebody types `answer`."""
        ours, theirs = pty.openpty()
        try:
            process = subprocess.Popen(
                ["bash", str(self.checkout / "setup.sh")],
                env=self.variables,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        said = b""
        with os.fdopen(ours, "r+b", buffering=0) as terminal:
            terminal.write(f"{answer}\n".encode())
            try:
                while part := terminal.read(4096):
                    said += part
            except OSError:  # how a terminal says that its other side is closed
                pass
            return process.wait(), said.decode()


@pytest.fixture
def bare_machine(tmp_path: Path) -> Machine:
    """No Debian, no Python."""
    machine = Machine(tmp_path, tmp_path / "checkout")
    (tmp_path / "bin").mkdir()
    machine.checkout.mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or "/nonexistent")
    machine.command("id", "echo 1000")
    shutil.copy(PROJECT_ROOT / "setup.sh", machine.checkout)
    (machine.checkout / "system-packages.txt").write_text(
        "# why\nlibpango-1.0-0  # a\n\nfonts-noto-core # b\n"
    )
    (machine.checkout / "requirements.txt").write_text(PINS)
    (machine.checkout / "requirements-dev.txt").write_text("pytest==9.0 \\\n    --hash=sha256:03\n")
    (machine.checkout / "pyproject.toml").write_text("")
    return machine


@pytest.fixture
def debian(bare_machine: Machine) -> Machine:
    """Debian without the packages, for a user without sudo."""
    bare_machine.command("dpkg-query", "exit 1")
    bare_machine.command("apt-cache", ":")
    bare_machine.command("apt-get", 'echo "apt-get $*" >>"$CALLS"; [ ! -e "$FAKES/stale" ]')
    return bare_machine


@pytest.fixture
def with_python(bare_machine: Machine) -> Machine:
    """A Python that makes environments with a stand-in for uv, and pip that names a mirror."""
    bare_machine.python(RUNNING)
    bare_machine.command("uv", FAKE_UV)
    (bare_machine.folder / "bin" / "pip.py").write_text(FAKE_PIP)
    return bare_machine


def test_a_user_without_sudo_is_told_the_one_line_to_run(debian: Machine) -> None:
    debian.python(RUNNING)

    answer = debian.run()

    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.splitlines() == [
        f"setup.sh: system packages are missing, and this account cannot install them. Run: {LINE}"
    ]
    assert debian.calls == []


def test_sudo_that_would_ask_where_nobody_answers_is_not_called(debian: Machine) -> None:
    debian.command("sudo", '[ "$*" = "-n true" ] && exit 1; echo "sudo $*" >>"$CALLS"')

    answer = debian.run("system")

    assert answer.returncode == 1
    assert LINE in answer.stderr
    assert debian.calls == []


@pytest.mark.parametrize("how", ["root", "sudo"])
def test_root_and_passwordless_sudo_install_what_is_missing(debian: Machine, how: str) -> None:
    if how == "root":
        debian.command("id", "echo 0")
    else:
        debian.command("sudo", 'shift; "$@"')

    answer = debian.run("system")

    assert answer.returncode == 0, answer.stderr
    assert [call.split()[-4:] for call in debian.calls] == [["-qy", "--no-install-recommends", *PACKAGES]]
    assert answer.stdout.startswith("· Installing system packages: libpango-1.0-0 fonts-noto-core ... ")


def test_stale_package_lists_are_updated_once(debian: Machine) -> None:
    debian.command("id", "echo 0")
    debian.command(
        "apt-get",
        'echo "${*: -1}" >>"$CALLS"; case "$*" in *update*) rm "$FAKES/stale";; esac; '
        '[ ! -e "$FAKES/stale" ]',
    )
    (debian.folder / "bin" / "stale").touch()

    answer = debian.run("system")

    assert answer.returncode == 0, answer.stderr
    assert debian.calls == ["fonts-noto-core", "-q", "fonts-noto-core"]


def test_a_complete_machine_is_passed_over_in_silence(debian: Machine) -> None:
    debian.command("dpkg-query", "echo -n installed")

    answer = debian.run("system")

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    assert debian.calls == []


def test_what_only_tests_need_is_installed_apart(debian: Machine) -> None:
    debian.command("id", "echo 0")
    (debian.checkout / "tool-packages.txt").write_text("chromium # a browser\n")

    answer = debian.run("tools")

    assert answer.returncode == 0, answer.stderr
    assert [call.split()[-1] for call in debian.calls] == ["chromium"]


def test_another_system_is_told_what_is_needed(bare_machine: Machine) -> None:
    answer = bare_machine.run("system")

    assert answer.returncode == 0
    assert len(answer.stderr.splitlines()) == 1
    assert all(package in answer.stderr for package in PACKAGES)


def test_without_python_nothing_is_installed_and_one_line_says_how_to_get_it(debian: Machine) -> None:
    debian.command("id", "echo 0")
    debian.python("3.14", "python3")

    answer = debian.run()

    assert answer.returncode == 1
    assert debian.calls == []
    assert answer.stdout == ""
    assert len(answer.stderr.splitlines()) == 1
    assert answer.stderr.startswith("setup.sh: none of Python 3.13, 3.12, 3.11 is here. ")
    assert "about 35 MB from releases.astral.sh" in answer.stderr
    assert "bash setup.sh fetch-python" in answer.stderr
    assert "PYTHON=/path/to/python" in answer.stderr


@pytest.mark.parametrize("answer", ["n", ""])
def test_without_a_yes_nothing_is_downloaded(with_python: Machine, answer: str) -> None:
    (with_python.folder / "bin" / f"python{RUNNING}").unlink()

    code, said = with_python.run_on_a_terminal(answer)

    assert code == 1
    assert "None of Python 3.13, 3.12, 3.11 is here. Download uv's own Python 3.13" in said
    assert with_python.calls == []
    assert not (with_python.checkout / ".python").exists()


def test_after_a_yes_python_is_downloaded_into_the_checkout_and_used(with_python: Machine) -> None:
    here = with_python.folder / "bin" / f"python{RUNNING}"
    here.rename(here.with_name("python3.fetched"))

    code, said = with_python.run_on_a_terminal("y")

    assert code == 0, said
    assert with_python.calls[0] == "uv python install --no-bin --no-progress 3.13"
    assert with_python.made_by == ["python3"]
    assert (with_python.checkout / ".python" / "cpython" / "bin" / "python3").exists()
    assert with_python.run().stdout == ""


def test_the_distributions_own_python_is_one_of_the_missing_packages(debian: Machine) -> None:
    debian.command("id", "echo 0")
    debian.command("apt-cache", '[ "$1" != policy ] || echo "  Candidate: 3.13.5-1"')

    debian.run()

    assert debian.calls[0].split()[-4:] == [*PACKAGES, "python3", "python3-venv"]


def test_the_newest_python_that_fits_is_taken(with_python: Machine) -> None:
    for version in SUPPORTED:
        with_python.python(version)
    with_python.python("3.14", "python3")

    answer = with_python.run("python")

    assert answer.returncode == 0, answer.stderr
    assert with_python.made_by == ["python3.13"]


def test_a_name_alone_is_no_proof_of_a_version(with_python: Machine) -> None:
    with_python.python(RUNNING, "python3")
    for version in SUPPORTED:
        with_python.python("3.9", f"python{version}")

    assert with_python.run("python").returncode == 0
    assert with_python.made_by == ["python3"]


def test_an_environment_whose_python_fits_stays_when_a_newer_one_comes(with_python: Machine) -> None:
    with_python.run("python")
    for version in SUPPORTED:
        with_python.python(version)
    (with_python.checkout / "requirements.txt").write_text(PINS.replace("1.0", "1.1"))

    assert with_python.run("python").returncode == 0
    assert with_python.made_by == [f"python{RUNNING}"]


def test_a_chosen_python_replaces_the_environment_of_another(with_python: Machine) -> None:
    with_python.run("python")
    chosen = next(version for version in SUPPORTED if version != RUNNING)
    with_python.python(chosen)
    with_python.environment["PYTHON"] = f"python{chosen}"

    with_python.run("python")

    assert with_python.made_by == [f"python{RUNNING}", f"python{chosen}"]


def test_a_chosen_python_of_another_version_is_refused(with_python: Machine) -> None:
    with_python.python("3.14")
    with_python.environment["PYTHON"] = "python3.14"

    answer = with_python.run("python")

    assert answer.returncode == 1
    assert answer.stderr == "setup.sh: PYTHON is python3.14, which is none of Python 3.13, 3.12, 3.11\n"


def test_the_package_says_the_same_pythons() -> None:
    script = (PROJECT_ROOT / "setup.sh").read_text()
    declared = re.search(r"^readonly PYTHONS='(.*)'$", script, re.MULTILINE)
    package = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]

    assert declared
    assert tuple(declared[1].split()) == SUPPORTED
    assert package["requires-python"] == ">=3.11,<3.14"


def test_the_environment_is_made_once(with_python: Machine) -> None:
    first = with_python.run("python")
    calls = with_python.calls
    second = with_python.run("python")

    assert first.returncode == 0, first.stderr
    assert [call.split(" index=")[0] for call in calls] == [
        f"{SYNC} requirements.txt",
        "uv pip install --python .venv/bin/python --no-deps --no-build-isolation -e .",
    ]
    assert "· Installing the packages of requirements.txt ... " in first.stdout
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert with_python.calls == calls


def test_what_tests_need_is_added_once_and_stays(with_python: Machine) -> None:
    with_python.run("python")
    added = with_python.run("dev")
    calls = with_python.calls

    assert added.returncode == 0, added.stderr
    assert calls[2].startswith(f"{SYNC} requirements.txt requirements-dev.txt index=")
    assert [with_python.run(what).stdout for what in ("python", "dev")] == ["", ""]
    assert with_python.calls == calls
    (with_python.checkout / "requirements.txt").write_text(PINS.replace("1.0", "1.1"))
    assert with_python.run("python").returncode == 0
    assert with_python.calls[4].startswith(f"{SYNC} requirements.txt requirements-dev.txt index=")


def test_new_pins_are_installed_into_the_same_environment(with_python: Machine) -> None:
    with_python.run("python")
    (with_python.checkout / ".venv" / "mine").touch()
    (with_python.checkout / "requirements.txt").write_text(PINS.replace("1.0", "1.1"))

    answer = with_python.run("python")

    assert answer.returncode == 0, answer.stderr
    assert len(with_python.calls) == 4
    assert (with_python.checkout / ".venv" / "mine").exists()


def test_an_interrupted_installation_is_begun_again(with_python: Machine) -> None:
    killed = with_python.folder / "bin" / "killed"
    killed.touch()
    assert with_python.run("python").returncode == -signal.SIGKILL
    (with_python.checkout / ".venv" / "half-copied").touch()
    killed.unlink()

    answer = with_python.run("python")

    assert answer.returncode == 0, answer.stderr
    assert not (with_python.checkout / ".venv" / "half-copied").exists()
    assert with_python.run("python").stdout == ""


def test_a_checkout_that_moved_is_installed_again(with_python: Machine) -> None:
    with_python.run("python")
    with_python.checkout = with_python.checkout.rename(with_python.folder / "moved")

    answer = with_python.run("python")

    assert "is ready in .venv" in answer.stdout
    assert len(with_python.calls) == 4


def test_uv_asks_the_index_that_pip_is_configured_for(with_python: Machine) -> None:
    with_python.run("python")

    assert {call.split(" index=")[1] for call in with_python.calls} == {
        "https://install.example/simple extra=file:///one file:///two seconds=180"
    }


def test_what_uv_is_told_itself_wins(with_python: Machine) -> None:
    with_python.environment["UV_DEFAULT_INDEX"] = "https://own.example/simple"

    with_python.run("python")

    assert all("index=https://own.example/simple" in call for call in with_python.calls)


def test_pip_installs_where_uv_cannot(with_python: Machine) -> None:
    (with_python.folder / "bin" / "uv-breaks").touch()

    answer = with_python.run("python")

    assert answer.returncode == 0, answer.stderr
    assert [call for call in with_python.calls if call.startswith("pip")] == [
        "pip install --disable-pip-version-check --require-hashes --no-deps -rrequirements.txt",
        "pip install --disable-pip-version-check --no-deps --no-build-isolation -e .",
    ]


@contextmanager
def _index(files: dict[str, bytes]) -> Iterator[str]:
    """A package index with these files of uv, on loopback; its address."""

    class Index(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            listed = [
                {"filename": name, "url": f"{address}/{name}", "hashes": {"sha256": _sha256(data)}}
                for name, data in files.items()
            ]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(files.get(name) or json.dumps({"files": listed}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield address
        finally:
            server.shutdown()
            thread.join()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("pinned", [True, False])
def test_uv_itself_is_taken_from_the_index_only_as_pinned(with_python: Machine, pinned: bool) -> None:
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("uv-1.2.3.data/scripts/uv", f"#!/bin/bash\n{FAKE_UV}")
    name = f"uv-1.2.3-py3-none-manylinux_2_17_{platform.machine()}.whl"
    here = with_python.folder / "bin" / f"python{RUNNING}"
    here.rename(here.with_name("python3.fetched"))
    (with_python.folder / "bin" / "uv").unlink()
    with_python.python("3.9", "python3")
    sha256 = _sha256(wheel.getvalue()) if pinned else "00"
    (with_python.checkout / "requirements.txt").write_text(f"uv==1.2.3 \\\n    --hash=sha256:{sha256}\n")
    with _index({name: wheel.getvalue(), "uv-1.2.3.tar.gz": b"sources"}) as address:
        with_python.environment["UV_DEFAULT_INDEX"] = address
        answer = with_python.run("fetch-python")

    assert (answer.returncode == 0) == pinned, answer.stderr
    assert with_python.calls == (["uv python install --no-bin --no-progress 3.13"] if pinned else [])


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_every_pin_has_its_hashes_and_nothing_of_the_machine_that_compiled_it(name: str) -> None:
    text = (PROJECT_ROOT / f"{name}.txt").read_text()
    pins = re.findall(r"^(?!#)\S(?:.*\\\n)*.*", text, re.MULTILINE)

    assert len(pins) > 50
    assert all(re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ ", pin) and "--hash=sha256:" in pin for pin in pins)
    assert not re.search(r"://|^-|file:|/home|/opt|/root", text, re.MULTILINE)


def test_tests_run_on_what_the_platform_runs_on() -> None:
    running, testing = (_pins(name) for name in ("requirements", "requirements-dev"))

    assert {name: testing[name] for name in running.keys() & testing.keys()} == {
        name: running[name] for name in running.keys() & testing.keys()
    }
    assert {"pytest", "mypy", "ruff", "playwright", "typst"} <= testing.keys() - running.keys()


def _pins(name: str) -> dict[str, str]:
    text = (PROJECT_ROOT / f"{name}.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


def test_an_unknown_argument_is_refused(bare_machine: Machine) -> None:
    answer = bare_machine.run("everything")

    assert answer.returncode == 1
    assert "unknown argument everything" in answer.stderr


@pytest.mark.parametrize("file", ["system-packages.txt", "tool-packages.txt"])
def test_every_system_package_has_a_reason(file: str) -> None:
    lines = (PROJECT_ROOT / file).read_text(encoding="utf-8").splitlines()

    assert all(line.startswith("#") or len(line.split(" # ", 1)) == 2 for line in lines if line)


@pytest.mark.parametrize(
    "target", ["run", "down", "test", "test-all", "test-clock", "lint", "bench", "messages", "lock"]
)
def test_every_target_sets_up_what_it_needs_first(target: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    answer = subprocess.run(
        ["make", "--dry-run", target],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout.splitlines()[0] == "bash setup.sh"


def test_ci_runs_what_a_contributor_runs() -> None:
    script = PROJECT_ROOT / ".ci" / "run"
    commands = [line for line in script.read_text().splitlines() if line.startswith("make")]

    assert commands == ["make lint", "make test"]
    assert os.access(script, os.X_OK)
