"""Temporal heads: a sequence of features to one vector. Importing this package registers them."""

from fer_zoo.temporal import attn, gru, lstm, mean, tcn, transformer

__all__ = ["attn", "gru", "lstm", "mean", "tcn", "transformer"]
