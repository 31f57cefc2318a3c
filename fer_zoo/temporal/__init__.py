"""Temporal heads: a sequence of features to one vector. Importing this package registers them."""

from fer_zoo.temporal import attn, mean, recurrent, tcn, transformer  # noqa: F401  (importing registers them)
