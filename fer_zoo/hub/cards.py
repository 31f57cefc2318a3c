"""The README.md on the Hub: ours to replace only as long as nobody else has written in it."""

from __future__ import annotations

import hashlib
import re

from fer_zoo.card import fill_card

_MARK = re.compile(
    r"\n<!-- Written by fer-zoo push for (?P<repo>[\w./-]+); the text above had the sha256 (?P<sha256>[0-9a-f]{64})"
    r" -->\n?\Z"
)


def card_to_send(text: str, repo: str) -> str:
    """The card of a folder as it goes to a repository: its example names that, and its end says what was sent."""
    if mark := _MARK.search(text):  # pulled from a repository, perhaps another one
        old = re.compile(rf"(hf-hub:|huggingface\.co/){re.escape(mark['repo'])}(?![\w.-])")
        text = old.sub(lambda found: found[1] + repo, text[: mark.start()])
    text = fill_card(text, repo).rstrip("\n") + "\n"
    return f"{text}\n<!-- Written by fer-zoo push for {repo}; the text above had the sha256 {_digest(text)} -->\n"


def is_as_sent(text: str) -> bool:
    """Whether a card is one that `card_to_send` made, and nobody has changed it since."""
    mark = _MARK.search(text)
    return mark is not None and _digest(text[: mark.start()]) == mark["sha256"]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
