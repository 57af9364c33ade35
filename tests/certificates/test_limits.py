"""Limits on rendering: what hangs in C ends its process, what wants too much memory gets an error."""

import resource
import subprocess
import sys
import time

import pytest

from pramaan.certificates.limits import Guard, Limits

HANGING = """
import ctypes, sys
from pramaan.certificates.limits import Guard, Limits
def hang(name):
    ctypes.PyDLL(None).sleep(60)  # in C, with the interpreter's lock held
with Guard(Limits(seconds=1)) as guard:
    guard.begin()
    hang("Asha Rao")
print("went on")
"""


def test_what_hangs_in_c_ends_its_process_and_tells_no_name() -> None:
    done = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "in hang" in done.stderr
    assert "Asha" not in done.stderr


def test_each_certificate_has_its_own_time() -> None:
    """All together take longer than one may, each a thirtieth of that."""
    limits = Limits(seconds=3)
    ends_at = time.monotonic() + 1.2 * limits.seconds
    with Guard(limits) as guard:
        while time.monotonic() < ends_at:
            guard.begin()
            time.sleep(limits.seconds / 30)


def test_too_much_memory_is_an_error_and_the_process_goes_on() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with Guard(Limits(resident_bytes=300_000_000)):
        assert len(bytearray(50_000_000)) == 50_000_000
        with pytest.raises(MemoryError):
            bytearray(1_000_000_000)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert len(bytearray(1_000_000_000)) == 1_000_000_000


def test_an_error_inside_lifts_the_limits_too() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(KeyError), Guard(Limits()):
        raise KeyError
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
