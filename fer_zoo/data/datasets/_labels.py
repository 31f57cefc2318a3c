"""Labels that users choose: usual words of emotions are mapped, others kept and checked for near-duplicates."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import combinations

from fer_zoo.data.datasets._reading import WORDS, unknown_word
from fer_zoo.data.subjects import is_empty, tidy
from fer_zoo.paths import shown

LONGEST = 64
# A column with more labels than this is hardly one of labels.
_MANY = 200
_SUFFIXES = re.compile(r"(?<=...)(ness|ment|dom|ful|ion|ing|ed|ly|s)$")


@dataclass(frozen=True)
class Labels:
    """Labels of a table or a folder: what each word means, why a word cannot be used, and what is doubtful."""

    meanings: dict[str, str]
    problems: list[str]

    def of(self, word: str) -> str | None:
        """The label that a word stands for; None if it cannot be used."""
        return self.meanings.get(tidy(word))

    def reason(self, word: str) -> str:
        """Why a word cannot be used."""
        if is_empty(word):
            return "label is empty" + (f" ({word!r} stands for an empty cell)" if word.strip() else "")
        if len(tidy(word)) > LONGEST:
            return f"label has {len(tidy(word))} characters; at most {LONGEST}"
        return unknown_word(word)


def read_labels(words: Iterable[str]) -> Labels:
    """Decide what the words of a table or the names of its folders mean.

    Words of `WORDS` become its labels where all are known, in any case; so they do where the others are those words
    with a typing error, which cannot be used. With any other word, all are kept as written: they are the user's own.
    """
    usable = {tidy(shown(word)) for word in words if not is_empty(word)}
    usable = {word for word in usable if len(word) <= LONGEST}
    known = {word for word in usable if word.lower() in WORDS}
    if all(any(_one_edit(word.lower(), usual) for usual in WORDS) for word in usable - known):
        return Labels({word: WORDS[word.lower()] for word in known}, [])
    return Labels({word: word for word in usable}, near_duplicates(usable))


def near_duplicates(labels: Collection[str]) -> list[str]:
    """One line for each pair of labels that may be meant to be one: happy and Happy, happy and happiness, hapy."""
    if len(labels) > _MANY:
        return [f"there are {len(labels)} different labels: is the column of the labels the right one?"]
    pairs = combinations(sorted(labels), 2)
    return [
        f"labels {one!r} and {other!r} may be meant to be one: if so, write one of them everywhere; they are kept apart"
        for one, other in pairs
        if _may_be_one(one, other)
    ]


def _may_be_one(one: str, other: str) -> bool:
    one, other = one.casefold(), other.casefold()
    if WORDS.get(one, one) == WORDS.get(other, other):
        return True
    words = [re.findall(r"\d+|[^\W\d_]+", label) for label in (one, other)]
    if len(words[0]) != len(words[1]):
        return "".join(words[0]) == "".join(words[1])
    # Labels with numbers or single letters, such as level 1 and level 2, differ on purpose.
    return all(a == b or _one_edit(a, b) or _stem(a) == _stem(b) for a, b in zip(*words, strict=True))


def _stem(word: str) -> str:
    return _SUFFIXES.sub("", word).rstrip("eiy") if len(word) > 3 else word


def _one_edit(one: str, other: str) -> bool:
    """Whether words of 4 letters or more differ in one letter, or in two that are swapped; not in the first one."""
    if min(len(one), len(other)) < 4 or not (one + other).isalpha() or one[0] != other[0]:
        return False
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return max(len(one), len(other)) <= 1 or (len(one) == 2 and one == other[::-1])
