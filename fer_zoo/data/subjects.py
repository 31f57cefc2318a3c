"""When two spellings are one subject: folded where that is sure, reported where it is likely.

A subject under two names may be in the training set under one and in the test set under the other. What programs change
on their own is folded: composed and decomposed Unicode, white space, invisible characters, leading zeros, the ".0" of a
spreadsheet. What was typed differently (case, punctuation, accents, letters of another script) is reported, since
only its author knows.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable

# Words that programs write into empty cells: pandas, R, JSON, Python, spreadsheets.
_EMPTY = frozenset({"", "nan", "none", "null", "n/a", "na", "#n/a", "<na>", "nat"})

# Cyrillic and Greek letters, small, and the Latin ones that they (or their capitals) look like.
_LOOK_ALIKE = str.maketrans("авекмнорстухіјѕԁαβεηικμνορτυχγıøłđ", "abekmhopctyxijsdabenikmvoptyxyiold")


def is_empty(text: str) -> bool:
    """Whether a cell is empty, or holds a word that programs write for an empty cell, such as `nan` or `NULL`."""
    return text.strip().lower() in _EMPTY


def tidy(text: str) -> str:
    """Text in composed Unicode, without invisible characters, with single spaces inside and none around."""
    visible = (" " if unicodedata.category(c) == "Cc" else c for c in text if unicodedata.category(c) != "Cf")
    return " ".join(unicodedata.normalize("NFC", "".join(visible)).split())


def subject_name(text: str | None) -> str | None:
    """The name of a subject as it is stored; None where it is unknown (None, empty, or `nan` and its like)."""
    name = tidy(text or "")
    if is_empty(name):
        return None
    return re.sub(r"(?a:^(\d+)\.0+$)", r"\1", name)


def subject_key(name: str) -> str:
    """What equal subjects have in common: the tidy name, a number without its leading zeros."""
    known = subject_name(name) or name
    return str(known.lstrip("0") or "0") if re.fullmatch(r"(?a:\d+)", known) else known


def folded(names: Iterable[str | None]) -> dict[str, str]:
    """The one spelling of each subject, by every spelling that occurs: the most frequent one, then the longest."""
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for name in names:
        if name is not None:
            spellings[subject_key(name)][name] += 1
    best = {key: min(counts, key=lambda name: (-counts[name], -len(name), name)) for key, counts in spellings.items()}
    return {name: best[key] for key, counts in spellings.items() for name in counts}


def similar_subjects(names: Iterable[str | None]) -> list[str]:
    """One line for each group of subjects whose names suggest that they are one: Anna and anna, S01 and S1."""
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        if name is not None:
            groups[_skeleton(name)].add(name)
    return [
        f"subjects {_listed(group)} may be one subject under several names: if so, write one name everywhere, or it "
        "may be in both the training and the test set"
        for group in sorted(map(sorted, groups.values()))
        if len(group) > 1
    ]


def _skeleton(name: str) -> str:
    """A name without case, accents, punctuation, leading zeros and scripts."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    words = re.findall(r"\d+|[^\W\d_]+", bare.translate(_LOOK_ALIKE))
    joined = ""
    for word in (word.lstrip("0") or "0" if word.isdecimal() else word for word in words):
        # 1_12 and 11_2 are two names.
        joined += "_" * (joined[-1:].isdecimal() and word[0].isdecimal()) + word
    return joined or name


def _listed(names: Iterable[str]) -> str:
    return " and ".join(f"{name!r}" if name.isascii() else f"{name!r} ({name!a})" for name in names)
