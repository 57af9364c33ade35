"""setup.sh on machines that lack this or that, each made of small stand-ins: no package is installed here."""

import os
import shutil
import signal
import subprocess
import sys
import time
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

FAKE_PYTHON = f"""\
case "$*" in
"-m venv "*)
    {sys.executable} -m venv --without-pip --symlinks "$3"
    cp "$FAKES/uv" "$3/bin/uv"
    mkdir -p "$3/lib/python3.11/site-packages/pip"
    cp "$FAKES/pip.py" "$3/lib/python3.11/site-packages/pip/__main__.py"
    ;;
*) exec {sys.executable} "$@" ;;
esac
"""
FAKE_UV = """\
[ "$1" != --version ] || { echo 'uv 1.2.3 (fake)'; exit; }
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

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(self.checkout / "setup.sh"), *arguments],
            env={
                "PATH": str(self.folder / "bin"),
                "FAKES": str(self.folder / "bin"),
                "CALLS": str(self.folder / "calls"),
                "TMPDIR": str(self.folder),
            }
            | self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )


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
    (machine.checkout / "requirements.txt").write_text("# Every pin\nsix==1.0\nuv==1.2.3\n")
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
    """Python 3.11 that makes environments with a stand-in for uv, and pip that names a mirror."""
    bare_machine.command("python3.11", FAKE_PYTHON)
    bare_machine.command("uv", FAKE_UV)
    (bare_machine.folder / "bin" / "pip.py").write_text(FAKE_PIP)
    return bare_machine


def test_a_user_without_sudo_is_told_the_one_line_to_run(debian: Machine) -> None:
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


def test_without_python_it_says_how_to_get_it(bare_machine: Machine) -> None:
    answer = bare_machine.run("python")

    assert answer.returncode == 1
    assert answer.stderr.startswith("setup.sh: Python 3.11 is needed and not here.")
    assert len(answer.stderr.splitlines()) == 1


def test_a_chosen_python_of_another_version_is_refused(with_python: Machine) -> None:
    with_python.command("python3.12", "exit 1")
    with_python.environment["PYTHON"] = "python3.12"

    answer = with_python.run("python")

    assert answer.returncode == 1
    assert answer.stderr == "setup.sh: PYTHON is python3.12, which is no Python 3.11\n"


def test_the_environment_is_made_once(with_python: Machine) -> None:
    first = with_python.run("python")
    calls = with_python.calls
    began = time.monotonic()
    second = with_python.run("python")

    assert first.returncode == 0, first.stderr
    assert [call.split(" index=")[0] for call in calls] == [
        "uv pip sync --python .venv/bin/python requirements.txt",
        "uv pip install --python .venv/bin/python --no-deps -e .",
    ]
    assert "· Installing 2 packages ... " in first.stdout
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert with_python.calls == calls
    assert time.monotonic() - began < 1


def test_new_pins_are_installed_into_the_same_environment(with_python: Machine) -> None:
    with_python.run("python")
    (with_python.checkout / ".venv" / "mine").touch()
    (with_python.checkout / "requirements.txt").write_text("six==1.1\nuv==1.2.3\n")

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
        "pip install --disable-pip-version-check -r requirements.txt",
        "pip install --disable-pip-version-check --no-deps -e .",
    ]


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
