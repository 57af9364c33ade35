#!/usr/bin/env bash
# Sets this checkout up: `bash setup.sh [system|python|tools|lock]`; without an argument system, then python.
#
#   system   installs what system-packages.txt names and this Debian or Ubuntu lacks; silent when it lacks nothing
#   tools    the same with tool-packages.txt: what tests and benchmarks need, and running does not
#   python   makes .venv with exactly what requirements.txt pins; silent when a stamp says that it is so already
#   lock     compiles requirements.txt from requirements.in; what follows goes to uv, such as --upgrade
#
# Safe to repeat and to interrupt. Changes nothing outside this folder but system packages and package caches.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly VENV=.venv
readonly STAMP=$VENV/.pramaan-complete
readonly UNFINISHED=$VENV/.pramaan-unfinished
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
    if python=$(find_python) && ! "$python" -c 'import ensurepip' 2>/dev/null; then
        wanted+=(python3.11-venv)
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

# ---------------------------------------------------------------- Python environment

# An interpreter that is Python 3.11, by what it says itself: a name on PATH proves nothing.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
        [ -z "${PYTHON:-}" ] || return 1
    done
    return 1
}

# Everything that .venv was made from: the pins, the package's metadata, the interpreter, and where it stands.
fingerprint() {
    {
        cat requirements.txt pyproject.toml
        "$VENV/bin/python" -c 'import sys; sys.exit(print(sys.version) or sys.version_info[:2] != (3, 11))' || return 1
        pwd -P
    } 2>/dev/null | sha256sum
}

is_complete() {
    [ -f "$STAMP" ] && [ ! -e "$UNFINISHED" ] && [ "$(fingerprint || true)" = "$(cat "$STAMP")" ]
}

setup_python() {
    is_complete && return
    # Two at once would undo each other's work: the second waits, and then finds it done.
    exec 9<setup.sh
    if command -v flock >/dev/null; then flock 9; fi
    is_complete && return
    local began=$SECONDS
    if [ -e "$VENV" ] && [ ! -w "$VENV" ]; then
        stop "$PWD/$VENV belongs to $(stat -c %U "$VENV"): remove it, or run as that account"
    fi
    rm -f "$STAMP"
    make_environment
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
    # What an interrupted installation left half copied is not told from what is whole: begin again.
    if [ ! -e "$UNFINISHED" ] && [ "$("$VENV/bin/python" -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null)" = "3 11" ]; then
        : >"$UNFINISHED"
        return
    fi
    if ! python=$(find_python); then
        [ -z "${PYTHON:-}" ] || stop "PYTHON is $PYTHON, which is no Python 3.11"
        stop "Python 3.11 is needed and not here. Debian 12: sudo apt-get install python3.11 python3.11-venv. Elsewhere: \
install it beside the system's own (pyenv install 3.11, uv python install 3.11), and say where with PYTHON=/path/to/python3.11"
    fi
    "$python" -c 'import ensurepip' 2>/dev/null ||
        stop "$python cannot make environments. Run: sudo apt-get install python3.11-venv"
    rm -rf "$VENV"
    mkdir "$VENV"
    : >"$UNFINISHED"
    step "Making an environment of $("$python" -V) in $VENV" "$python" -m venv "$VENV" || { last_words; stop "no environment"; }
}

pinned_uv() { sed -n 's/^uv==//p' requirements.txt; }

install_uv() {
    local version
    version=$(pinned_uv)
    [ "$("$VENV/bin/uv" --version 2>/dev/null | cut -d' ' -f2)" != "$version" ] || return 0
    "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || "$VENV/bin/python" -m ensurepip >"$LOG" 2>&1 || true
    step "Installing uv $version" "$VENV/bin/python" -m pip install --disable-pip-version-check "uv==$version" ||
        { last_words; stop "the package index cannot be reached, or has no uv $version: see pip's words above"; }
}

install_requirements() {
    local count
    count=$(grep -c == requirements.txt)
    (use_pip_configuration && step "Installing $count packages" with_uv) && return
    grep -m 1 '^error' "$LOG" >&2 || true
    step "uv could not: installing them with pip, which takes minutes" with_pip ||
        { last_words; stop "the packages could not be installed: see pip's words above"; }
}

with_uv() {
    local uv=$VENV/bin/uv python=$VENV/bin/python
    # Where processes may not write byte code, each would compile Airflow again at its start.
    if [ -n "${PYTHONDONTWRITEBYTECODE:-}" ]; then export UV_COMPILE_BYTECODE=1; fi
    "$uv" pip sync --python "$python" requirements.txt &&
        "$uv" pip install --python "$python" --no-deps -e .
}

with_pip() {
    "$VENV/bin/python" -m pip install --disable-pip-version-check -r requirements.txt &&
        "$VENV/bin/python" -m pip install --disable-pip-version-check --no-deps -e .
}

# uv reads none of pip's configuration, where an organisation names its mirror and its certificate: hand it over,
# each value unless uv has been given its own.
use_pip_configuration() {
    local settings
    settings=$("$VENV/bin/python" -m pip config list 2>/dev/null) || settings=
    hand_over UV_DEFAULT_INDEX "$(pip_setting index-url)"
    hand_over UV_INDEX "$(pip_setting extra-index-url)"
    hand_over UV_FIND_LINKS "$(pip_setting find-links | tr ' ' ',')"
    hand_over UV_INSECURE_HOST "$(pip_setting trusted-host)"
    hand_over UV_HTTP_TIMEOUT "$(pip_setting timeout | cut -d. -f1)"
    hand_over UV_HTTP_TIMEOUT "$(pip_setting default-timeout | cut -d. -f1)"
    hand_over SSL_CERT_FILE "$(pip_setting cert)"
    hand_over ALL_PROXY "$(pip_setting proxy)"
    # pip looks for a version in every index it knows, and trusts the machine's certificates.
    export UV_INDEX_STRATEGY=${UV_INDEX_STRATEGY:-unsafe-best-match}
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
    local first='# Every pin, compiled from requirements.in by `make lock`.'
    [ -x "$VENV/bin/uv" ] || stop "uv is not in $VENV: run setup.sh python first"
    use_pip_configuration
    step "Compiling requirements.txt" "$VENV/bin/uv" pip compile --python-version 3.11 --no-header --no-annotate \
        -o requirements.txt "$@" requirements.in || { last_words; stop "requirements.in could not be compiled"; }
    { printf '%s\n' "$first"; grep -v '^#' requirements.txt; } >"$LOG"
    cat "$LOG" >requirements.txt
}

LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT
trap 'echo; exit 130' INT TERM

case ${1:-} in
'')
    setup_system system-packages.txt
    setup_python
    ;;
system) setup_system system-packages.txt ;;
tools) setup_system tool-packages.txt ;;
python) setup_python ;;
lock)
    shift
    lock "$@"
    ;;
*) stop "unknown argument $1: bash setup.sh [system|python|tools|lock]" ;;
esac
