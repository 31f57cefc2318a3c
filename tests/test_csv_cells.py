"""No text of a CSV file begins like a formula, and each comes back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_zoo.csv_cells import from_cell, to_cell

START = "=+-@\t\r\n"


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "'=x", "''=x", "＝x"])
def test_a_formula_becomes_text(text: str) -> None:
    assert to_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["happiness", "", "'tis", "a=b"])
def test_other_text_stays(text: str) -> None:
    assert to_cell(text) == text


@given(st.text() | st.text("'=+-@a\t"))
def test_every_text_comes_back(text: str) -> None:
    assert from_cell(to_cell(text)) == text
    assert not to_cell(text).startswith(tuple(START))
