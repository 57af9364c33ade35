"""The QR code: readers read it, small, blurred and turned, and it says the address and nothing else."""

import hashlib

import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from pramaan.errors import RenderError
from pramaan.rendering.qr import QUIET_MODULES, qr_code, qr_code_path

VERIFY = "https://certificates.example.gov.in/pramaan/verify/"


def picture(text: str, *, pixels_a_module: int) -> Image.Image:
    light = np.pad(1 - qr_code(text), QUIET_MODULES, constant_values=1).astype(np.uint8) * 255
    return Image.fromarray(np.kron(light, np.ones((pixels_a_module, pixels_a_module), np.uint8)))


def read(image: Image.Image) -> list[str]:
    return [code.text for code in zxingcpp.read_barcodes(image)]


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=300))
def test_what_is_read_is_what_was_written(text: str) -> None:
    assert read(picture(text, pixels_a_module=3)) == [text]


def test_codes_of_many_certificates_are_read_from_poor_pictures() -> None:
    for number in range(300):
        address = VERIFY + hashlib.sha256(str(number).encode()).hexdigest()[:32]
        image = picture(address, pixels_a_module=4).rotate(5, expand=True, fillcolor=255)
        assert read(image.filter(ImageFilter.GaussianBlur(1.5))) == [address]


def test_the_path_fills_each_dark_module_once() -> None:
    modules = qr_code(VERIFY)
    path = qr_code_path(VERIFY, x_pt=100, y_pt=50, side_pt=80).decode()
    drawn = np.zeros_like(modules)
    for line in path.split("0 g\n", 1)[1].removesuffix("\nf Q").split("\n"):
        x, y, width, height = map(int, line.split()[:4])
        assert height == 1
        drawn[y, x : x + width] += 1
    assert (drawn == modules).all()


def test_an_address_too_long_for_any_code_is_refused() -> None:
    with pytest.raises(RenderError) as rejection:
        qr_code(VERIFY + "a" * 3000)
    assert rejection.value.error_class == "invalid_field"
