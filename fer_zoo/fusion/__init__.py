"""Landmark fusions: ways to bring facial points into the network. Importing registers them."""

from fer_zoo.fusion import lm, none

__all__ = ["lm", "none"]
