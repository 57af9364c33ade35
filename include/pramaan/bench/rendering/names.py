"""Made-up names in every script, another one for each number: the sample's, and more, in all combinations.

For the scripts of India the further ones are those in Devanagari, carried over letter by letter: not always
as people write them, but as hard to set.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pramaan.sample.names import MIXED_NAMES, NAMES

__all__ = ["LANGUAGES", "mixed_name", "name_in"]

LANGUAGES: Final = tuple(NAMES)

_DEVANAGARI_FIRST: Final = """
    आरती दीपक गीता हरीश ईशान कविता ललिता माधवी नीलम ओमप्रकाश पद्मा राजेंद्र सरस्वती तुलसी उमा विक्रम यमुना
    अभिषेक भावना चित्रा धनंजय गायत्री जयंती किशोर
"""
_DEVANAGARI_LAST: Final = """
    अग्रवाल भारद्वाज चतुर्वेदी दीक्षित गर्ग जोशी खन्ना मल्होत्रा नायक पांडे राठौर सक्सेना तिवारी उपाध्याय
    वर्मा यादव बंसल चंद्र दत्त गुप्ता झा कपूर मेहता निगम
"""
_LATIN_FIRST: Final = """
    Anjali Björn Chloë Dipankar Émilie Farhan Gaurī Håkon Indira Jürgen Kavitha Līlāvatī Małgorzata
    Nirmala Padmā Quentin Rukmiṇī Sébastien Tomáš Usha Viṣṇu Wendy Yaśodā Zhānna
"""
_LATIN_LAST: Final = """
    Acharya Banerjee Chakravarthy Deśpāṇḍe Estévez Fontaine Ghosh Håland Iñárritu Jadhav Krishnan
    Łukasz Müller Nair Ōkubo Patel Quadros Rāmānujan Sørensen Țepeș Upadhyay Varghese Wadhwa Žižka
"""
_URDU_FIRST: Final = """
    احمد بشریٰ تنویر ثمینہ جمیل حنا خالد دانش رخسانہ زاہد سلمیٰ شاہد صائمہ طارق عائشہ فاطمہ قاسم کلثوم
    لبنیٰ مریم نعیم وسیم ہاجرہ یاسمین
"""
_URDU_LAST: Final = """
    اعظمی بخاری ترمذی جعفری چشتی حسینی خلجی درانی رضوی زیدی سہروردی شیرازی صابری طاہر عباسی غوری
    فاروقی قادری کاظمی لودھی مغل نقوی ہاشمی یوسفزئی
"""

_DEVANAGARI: Final = 0x900
_BLOCKS: Final = {
    "as": 0x980,
    "bn": 0x980,
    "gu": 0xA80,
    "kn": 0xC80,
    "ml": 0xD00,
    "or": 0xB00,
    "pa": 0xA00,
    "ta": 0xB80,
    "te": 0xC00,
}
"""Where each script's letters begin: in the order of Devanagari's, as ISCII had them."""

_NEAREST: Final[dict[str, dict[str, str | int | None]]] = {
    "as": {"र": "\u09f0", "व": "\u09f1"},
    "bn": {"व": "ब"},
    "or": {"व": "ୱ"},
    "pa": {"ष": "श", "ृ": "ि"},
    "ta": {
        **dict(zip("खगघछझठडढथदधफबभश", "कककचजटटटतततपपपष", strict=True)),
        "ं": "न\u094d",
    },
}
"""What stands for a letter that the script does not have, in Devanagari or already carried over."""

_STEP: Final = 7919
"""A prime that divides no number of combinations: its multiples meet every one, and jump about."""

_MIXED_LANGUAGES: Final = tuple(language for language, _ in MIXED_NAMES[:12] if language != "en")


@dataclass(frozen=True, slots=True)
class _Parts:
    first: tuple[str, ...]
    last: tuple[str, ...]

    def name(self, number: int) -> str:
        """Three in four are of two words while there are new ones, all others of three."""
        twos = len(self.first) * len(self.last)
        fourth, place = divmod(number, 4)
        if place and (two := 3 * fourth + place - 1) < twos:
            first, last = divmod(two * _STEP % twos, len(self.last))
            return f"{self.first[first]} {self.last[last]}"
        others = len(self.first) - 1
        rest, last = divmod(number * _STEP % (twos * others), len(self.last))
        first, other = divmod(rest, others)
        middle = (first + 1 + other) % len(self.first)
        return f"{self.first[first]} {self.first[middle]} {self.last[last]}"


def name_in(language: str, number: int) -> str:
    """A name in the language's script; hardly two numbers have the same."""
    return _parts(language).name(number)


def mixed_name(number: int) -> tuple[str, str]:
    """A name partly in Latin letters, by turns in three manners, and the language of its other part."""
    at, manner = divmod(number, 3)
    language = _MIXED_LANGUAGES[at % len(_MIXED_LANGUAGES)]
    latin, own = name_in("en", number).split(), name_in(language, number).split()
    name = (
        f"{latin[0]} {own[0]} {own[-1]}",
        f"Dr. {' '.join(own)} {latin[-1]}",
        f"{latin[0][0]}. {' '.join(own)} ({latin[-1]})",
    )[manner]
    return language, name


@lru_cache(maxsize=32)
def _parts(language: str) -> _Parts:
    first, last = NAMES[language]
    if language == "en":
        more = _LATIN_FIRST, _LATIN_LAST
    elif language == "ur":
        more = _URDU_FIRST, _URDU_LAST
    else:
        more = _carried_over(_DEVANAGARI_FIRST, language), _carried_over(_DEVANAGARI_LAST, language)
    more_first, more_last = (words.split() for words in more)
    return _Parts((*first, *more_first), (*last, *more_last))


def _carried_over(words: str, language: str) -> str:
    """Words in Devanagari in the language's script, letter by letter."""
    if language not in _BLOCKS:
        return words
    shift = _BLOCKS[language] - _DEVANAGARI
    nearest = words.translate(str.maketrans(_NEAREST.get(language, {})))
    carried = "".join(
        chr(ord(letter) + shift) if _DEVANAGARI <= ord(letter) < min(_BLOCKS.values()) else letter
        for letter in nearest
    )
    if strange := [letter for letter in carried if not letter.isspace() and not unicodedata.name(letter, "")]:
        raise ValueError(f"{language}: the script has no such letters: {strange}")
    return carried
