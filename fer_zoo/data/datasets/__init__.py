"""Readers of recorded databases, one module each; importing this package registers them, and reads nothing."""

from fer_zoo.data.datasets import (  # noqa: F401  (importing registers)
    afew,
    ckplus,
    cremad,
    csv,
    dfew,
    disfa,
    fera,
    ferv39k,
    folder,
    mafw,
    mmi,
    oulu_casia,
    ravdess,
)
from fer_zoo.data.datasets._reading import Reader

__all__ = ["Reader"]
