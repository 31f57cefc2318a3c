"""Temporal heads: a sequence of frame features to one vector. Importing registers them."""

from fer_zoo.temporal import attn, gru, lstm, mean, tcn, transformer

__all__ = ["attn", "gru", "lstm", "mean", "tcn", "transformer"]
