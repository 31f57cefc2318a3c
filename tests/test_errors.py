"""Errors' texts: whole, bounded, and nothing in them that changes a terminal."""

from __future__ import annotations

import pickle

from fer_zoo.errors import FerZooError, WeightsError


def test_the_three_parts_stand_in_lines() -> None:
    error = FerZooError("Given.", "this", "do that")
    assert str(error) == "Given.\n  Accepted: this\n  What to do: do that"
    assert str(FerZooError("Given.\n    - one\n    - two")) == "Given.\n    - one\n    - two"


def test_what_would_change_a_terminal_is_shown_as_it_is_written() -> None:
    error = WeightsError("weights \x1b[31mOK\x1b[0m\x9b1m, Gefühl, 表情", "none\x7f")
    assert str(error) == "weights \\x1b[31mOK\\x1b[0m\\x9b1m, Gefühl, 表情\n  Accepted: none\\x7f"


def test_a_text_without_end_is_cut() -> None:
    error = FerZooError("x" * 10**6)
    assert len(str(error)) < 25_000
    assert str(error).endswith("more characters")


def test_an_error_is_the_same_behind_a_pipe() -> None:
    error = WeightsError("a", "b", "c")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (WeightsError, str(error))
