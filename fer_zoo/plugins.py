"""Plug-ins: other distributions add components through the entry-point group `fer_zoo.plugins`.

An entry point names a module; importing it registers its components. The registry loads plug-ins one by one when a
component is first looked up or listed. A plug-in that fails is undone, reported here, and hides no other.
"""

from fer_zoo.registry import BrokenPlugin
from fer_zoo.registry import broken_plugins as broken

__all__ = ["BrokenPlugin", "broken"]
