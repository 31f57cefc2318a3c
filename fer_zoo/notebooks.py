"""Progress bars in notebooks: these need ipywidgets, and without it rich draws none, but warns at every refresh."""

from __future__ import annotations

from importlib.util import find_spec


def can_show_bars() -> bool:
    """Whether rich can draw a progress bar here: everywhere but in a notebook without ipywidgets."""
    from rich import get_console

    return not get_console().is_jupyter or find_spec("ipywidgets") is not None
