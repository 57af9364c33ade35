#!/usr/bin/env bash
# Sets this checkout up: `bash setup.sh [system|python|dev|tools|fetch-python|lock]`; without an argument it looks
# whether there is a Python to use before it installs anything, then does system and python.
#
#   system        installs what system-packages.txt names and this Debian or Ubuntu lacks; silent when it lacks nothing
#   python        makes .venv with exactly what requirements.txt pins; silent when a stamp says that it is so already
#   dev           the same, and what requirements-dev.txt pins: tests, checks, benchmarks. From then on both stay
#   tools         as system, with tool-packages.txt: what tests and benchmarks need, and running does not
#   fetch-python  downloads uv's own Python into .python, for machines whose Python is too old or too new
#   lock          compiles both requirements*.txt; what follows goes to uv, such as --upgrade
#
# PYTHON=/path/to/python says which Python to use. Safe to repeat and to interrupt. Changes nothing outside this folder
# but system packages and package caches.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Newest first. pyproject.toml says the same as a range.
readonly PYTHONS='3.13 3.12 3.11'
readonly VENV=.venv
readonly FETCHED=.python
readonly STAMP=$VENV/.pramaan-complete
readonly UNFINISHED=$VENV/.pramaan-unfinished
readonly DEV=$VENV/.pramaan-dev
LOG=

# One line a step: what it does, and how long it took. Its output is shown only when it fails.
step() { # TEXT COMMAND...
    local text=$1 began=$SECONDS
    shift
    printf '· %s ... ' "$text"
    if "$@" </dev/null >"$LOG" 2>&1; then
        printf '%s s\n' $((SECONDS - began))
    else
        printf 'failed after %s s\n' $((SECONDS - began))
        return 1
    fi
}

stop() { # MESSAGE: the one message of a failure
    printf 'setup.sh: %s\n' "$1" >&2
    exit 1
}

last_words() { tail -n 25 "$LOG" >&2; }

# ---------------------------------------------------------------- system packages

wanted_packages() { # FILE
    local package _
    while read -r package _; do
        case $package in '' | '#'*) ;; *) printf '%s\n' "$package" ;; esac
    done <"$1"
}

missing_packages() {
    local package state
    for package in "$@"; do
        state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || state=
        [ "$state" = installed ] || printf '%s ' "$package"
    done
}

setup_system() { # FILE
    local wanted missing python
    mapfile -t wanted < <(wanted_packages "$1")
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "setup.sh: this is neither Debian nor Ubuntu, so nothing was checked or installed; Pramaan needs" \
            "what these Debian packages hold: ${wanted[*]}" >&2
        return
    fi
    # Debian ships Python without what makes environments.
    if has_environment; then
        :
    elif ! python=$(find_python); then
        ! archive_has_python || wanted+=(python3 python3-venv)
    elif ! "$python" -c 'import ensurepip' 2>/dev/null; then
        wanted+=("python$(version_of "$python")-venv")
    fi
    read -ra missing <<<"$(missing_packages "${wanted[@]}")"
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

install_packages() {
    local as_root=() install=(apt-get install -y --no-install-recommends)
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        elif command -v sudo >/dev/null && [ -t 0 ] && [ -t 2 ]; then
            echo "· System packages are missing: $*. sudo asks for your password." >&2
            sudo -v || stop "without root's rights nobody can install them. Run: sudo ${install[*]} $*"
            as_root=(sudo)
        else
            stop "system packages are missing, and this account cannot install them. Run: sudo ${install[*]} $*"
        fi
    fi
    # Another program, such as the nightly upgrades, may hold the package database for a while.
    local apt=(${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get
        -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    if ! apt-cache show "$@" >/dev/null 2>&1 || ! apt_install "$@"; then
        # The lists were missing or older than the archive.
        step "Updating the package lists" "${apt[@]}" update -q || { last_words; stop "apt-get update failed"; }
        apt_install "$@" || { last_words; stop "the packages could not be installed: $*"; }
    fi
}

apt_install() {
    step "Installing system packages: $*" "${apt[@]}" install -qy --no-install-recommends "$@"
}

# ---------------------------------------------------------------- Python

# What an interpreter says itself: a name on PATH proves nothing.
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

supported() { [[ -n $1 && " $PYTHONS " == *" $1 "* ]]; }

fits() { local version; version=$(version_of "$1") && supported "$version"; }

# The newest Python here that fits, or the one that PYTHON names.
find_python() {
    local candidate candidates=("${PYTHON:-}")
    if [ -z "${PYTHON:-}" ]; then
        read -ra candidates <<<"$PYTHONS"
        candidates=("${candidates[@]/#/python}" python3 python "$FETCHED"/*/bin/python3)
    fi
    for candidate in "${candidates[@]}"; do
        if fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# An environment whose Python fits, and is the one that PYTHON names, stays. What an interrupted installation left
# half copied is not told from what is whole.
has_environment() {
    [ ! -e "$UNFINISHED" ] && fits "$VENV/bin/python" &&
        { [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of "$VENV/bin/python")" ]; }
}

# Whether the distribution's own Python, which nobody has installed yet, fits.
archive_has_python() {
    local candidate
    [ -z "${PYTHON:-}" ] && ! command -v python3 >/dev/null || return 1
    candidate=$(LC_ALL=C apt-cache policy python3 2>/dev/null | sed -n 's/^  Candidate: \([0-9]*\.[0-9]*\).*/\1/p')
    supported "$candidate"
}

need_python() {
    if has_environment || find_python >/dev/null || archive_has_python; then return; fi
    [ -z "${PYTHON:-}" ] || stop "PYTHON is $PYTHON, which is none of Python ${PYTHONS// /, }"
    local none="none of Python ${PYTHONS// /, } is here" answer
    local download="uv's own Python ${PYTHONS%% *} (about 35 MB from releases.astral.sh, into $PWD/$FETCHED)"
    if [ -t 0 ] && [ -t 2 ]; then
        printf '· %s. Download %s? [y/N] ' "${none^}" "$download" >&2
        read -r answer
        if [[ $answer == [yY]* ]]; then
            fetch_python
            return
        fi
    fi
    stop "$none. To download $download: bash setup.sh fetch-python. To use one of yours: PYTHON=/path/to/python"
}

fetch_python() {
    local uv
    if ! uv=$(command -v uv); then
        command -v python3 >/dev/null || stop "neither uv nor any Python is here to download with: install python3"
        mkdir -p "$FETCHED"
        uv=$FETCHED/uv
        step "Downloading uv $(pinned_uv)" download_uv "$uv" || { last_words; stop "uv could not be downloaded"; }
    fi
    step "Downloading Python ${PYTHONS%% *}" env UV_PYTHON_INSTALL_DIR="$FETCHED" UV_NO_CACHE=1 \
        "$uv" python install --no-bin --no-progress "${PYTHONS%% *}" || { last_words; stop "Python could not be downloaded"; }
}

# The pinned uv out of its wheel, by whatever Python there is, which may lack pip. The pin's hashes say that it is the one.
download_uv() { # TARGET
    python3 - "$(pinned_uv)" "$1" 3<requirements.txt <<'PYTHON'
import hashlib, io, json, os, platform, re, sys, urllib.request, zipfile

version, target = sys.argv[1:]
pin = re.search(r"^uv==(?:.*\\\n)*.*", os.fdopen(3).read(), re.MULTILINE).group()
hashes = set(re.findall(r"sha256:(\w+)", pin))
index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple"
request = urllib.request.Request(index.rstrip("/") + "/uv/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
files = json.load(urllib.request.urlopen(request, timeout=60))["files"]
libc = "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux"
kind = re.compile(rf"uv-{re.escape(version)}-py3-none-.*{libc}.*_{platform.machine()}\.whl")
url = next(file["url"] for file in files if kind.fullmatch(file["filename"]) and file["hashes"]["sha256"] in hashes)
wheel = urllib.request.urlopen(url, timeout=60).read()
if hashlib.sha256(wheel).hexdigest() not in hashes:
    sys.exit(f"{url} is not the file that requirements.txt pins")
program = zipfile.ZipFile(io.BytesIO(wheel)).read(f"uv-{version}.data/scripts/uv")
with open(target + ".tmp", "wb") as file:
    file.write(program)
os.chmod(target + ".tmp", 0o755)
os.replace(target + ".tmp", target)
PYTHON
}

# ---------------------------------------------------------------- Python environment

# What the environment holds: what running needs, and what tests need once somebody has asked for that.
pins() {
    printf 'requirements.txt\n'
    [ ! -e "$DEV" ] || printf 'requirements-dev.txt\n'
}

# Everything that .venv was made from: the pins, the package's metadata, the interpreter, and where it stands.
fingerprint() {
    local lists
    mapfile -t lists < <(pins)
    {
        cat "${lists[@]}" pyproject.toml && "$VENV/bin/python" -c 'import sys; print(sys.version)' && pwd -P
    } 2>/dev/null | sha256sum
}

is_complete() { # [dev]
    [ -f "$STAMP" ] && [ "${1:-}" != dev -o -e "$DEV" ] && has_environment && [ "$(fingerprint)" = "$(cat "$STAMP")" ]
}

setup_python() { # [dev]
    is_complete "$@" && return
    # Two at once would undo each other's work: the second waits, and then finds it done.
    exec 9<setup.sh
    if command -v flock >/dev/null; then flock 9; fi
    is_complete "$@" && return
    local began=$SECONDS
    if [ -e "$VENV" ] && [ ! -w "$VENV" ]; then
        stop "$PWD/$VENV belongs to $(stat -c %U "$VENV"): remove it, or run as that account"
    fi
    rm -f "$STAMP"
    make_environment
    [ "${1:-}" != dev ] || : >"$DEV"
    install_uv
    install_requirements
    fingerprint >"$VENV/.stamp.tmp"
    rm -f "$UNFINISHED"
    mv "$VENV/.stamp.tmp" "$STAMP"
    exec 9<&-
    printf '· The Python environment is ready in %s (%s s)\n' "$VENV" $((SECONDS - began))
}

make_environment() {
    local python
    if has_environment; then
        : >"$UNFINISHED"
        return
    fi
    need_python
    python=$(find_python) || stop "Python is not installed yet. Run: bash setup.sh"
    "$python" -c 'import ensurepip' 2>/dev/null ||
        stop "$python cannot make environments. Run: sudo apt-get install python$(version_of "$python")-venv"
    rm -rf "$VENV"
    mkdir "$VENV"
    : >"$UNFINISHED"
    step "Making an environment of $("$python" -V) in $VENV" "$python" -m venv "$VENV" || { last_words; stop "no environment"; }
}

pinned_uv() { sed -n 's/^uv==\([^ ;\\]*\).*/\1/p' requirements.txt; }

install_uv() {
    local version
    version=$(pinned_uv)
    [ "$("$VENV/bin/uv" --version 2>/dev/null | cut -d' ' -f2)" != "$version" ] || return 0
    "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || "$VENV/bin/python" -m ensurepip >"$LOG" 2>&1 || true
    sed -n '/^uv==/,/[^\\]$/p' requirements.txt >"$VENV/.uv.txt"
    step "Installing uv $version" with_pip -r "$VENV/.uv.txt" ||
        { last_words; stop "the package index cannot be reached, or has no uv $version: see pip's words above"; }
}

install_requirements() {
    local lists
    mapfile -t lists < <(pins)
    (use_pip_configuration && step "Installing the packages of ${lists[*]}" with_uv) && return
    grep -m 1 '^error' "$LOG" >&2 || true
    step "uv could not: installing them with pip, which takes minutes" with_pip_alone ||
        { last_words; stop "the packages could not be installed: see pip's words above"; }
}

# A file whose hash is not in the lists is refused, by uv and by pip; they are complete, so neither looks for more. Our own
# package is built by a pinned setuptools.
with_uv() {
    local uv=$VENV/bin/uv python=$VENV/bin/python
    # Where processes may not write byte code, each would compile Airflow again at its start.
    if [ -n "${PYTHONDONTWRITEBYTECODE:-}" ]; then export UV_COMPILE_BYTECODE=1; fi
    "$uv" pip sync --python "$python" --require-hashes "${lists[@]}" &&
        "$uv" pip install --python "$python" --no-deps --no-build-isolation -e .
}

with_pip_alone() {
    with_pip "${lists[@]/#/-r}" &&
        "$VENV/bin/python" -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
}

with_pip() { # ARGUMENTS...
    "$VENV/bin/python" -m pip install --disable-pip-version-check --require-hashes --no-deps "$@"
}

# uv reads none of pip's configuration, where an organisation names its mirror and its certificate: hand it over,
# each value unless uv has been given its own.
use_pip_configuration() {
    use_pip_index
    hand_over UV_INDEX "$(pip_setting extra-index-url)"
    hand_over UV_FIND_LINKS "$(pip_setting find-links | tr ' ' ',')"
    # pip looks for a version in every index it knows.
    export UV_INDEX_STRATEGY=${UV_INDEX_STRATEGY:-unsafe-best-match}
}

use_pip_index() {
    settings=$("$VENV/bin/python" -m pip config list 2>/dev/null) || settings=
    hand_over UV_DEFAULT_INDEX "$(pip_setting index-url)"
    hand_over UV_INSECURE_HOST "$(pip_setting trusted-host)"
    hand_over UV_HTTP_TIMEOUT "$(pip_setting timeout | cut -d. -f1)"
    hand_over UV_HTTP_TIMEOUT "$(pip_setting default-timeout | cut -d. -f1)"
    hand_over SSL_CERT_FILE "$(pip_setting cert)"
    hand_over ALL_PROXY "$(pip_setting proxy)"
    # pip trusts the machine's certificates.
    if [ -e /etc/ssl/certs/ca-certificates.crt ]; then export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-1}; fi
}

pip_setting() { # NAME: its value, from the environment before pip's section for install before the global one
    local section value
    for section in :env: install global; do
        value=$(sed -n "s/^$section\.$1=['\"]\(.*\)['\"]\$/\1/p" <<<"$settings" | sed 's/\\n/ /g; s/^ *//; s/ *$//')
        if [ -n "$value" ]; then printf '%s' "$value"; return; fi
    done
}

hand_over() { # VARIABLE VALUE
    if [ -n "$2" ] && [ -z "${!1:-}" ]; then export "$1=$2"; fi
}

# ---------------------------------------------------------------- pins

lock() {
    [ -x "$VENV/bin/uv" ] || stop "uv is not in $VENV: run setup.sh python first"
    # Not pip's further indexes: what lies there only here may be older than the index's, or not the same file.
    use_pip_index
    compile requirements "$@"
    # requirements-dev.in names requirements.txt as its bounds.
    compile requirements-dev "$@"
}

# One list for every Python that we support, with the hashes of every file that may be installed.
compile() { # NAME UV-OPTION...
    local name=$1
    shift
    step "Compiling $name.txt" "$VENV/bin/uv" pip compile --universal --python-version "${PYTHONS##* }" --generate-hashes \
        --no-header --no-annotate -o "$name.txt" "$@" "$name.in" || { last_words; stop "$name.in could not be compiled"; }
    { printf '# Every pin, compiled from %s by `make lock`.\n' "$name.in"; grep -v '^#' "$name.txt"; } >"$LOG"
    cat "$LOG" >"$name.txt"
}

LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT
trap 'echo; exit 130' INT TERM

case ${1:-} in
'')
    need_python
    setup_system system-packages.txt
    setup_python
    ;;
system) setup_system system-packages.txt ;;
python) setup_python ;;
dev) setup_python dev ;;
tools) setup_system tool-packages.txt ;;
fetch-python) fetch_python ;;
lock)
    shift
    lock "$@"
    ;;
*) stop "unknown argument $1: bash setup.sh [system|python|dev|tools|fetch-python|lock]" ;;
esac
