"""Temporal heads: a sequence of frame features to one vector. Importing registers them."""

from fer_zoo.temporal import lstm, mean

__all__ = ["lstm", "mean"]
