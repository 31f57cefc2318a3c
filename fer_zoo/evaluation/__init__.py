"""Protocols, ablations and reports on top of training, and how far their figures can be trusted."""

from fer_zoo.evaluation.statistics import (
    Basis,
    Comparison,
    Difference,
    Estimate,
    Estimates,
    FoldSpread,
    Spread,
    compare,
    estimate,
    holm,
    over_folds,
    spread,
)

__all__ = [
    "Basis",
    "Comparison",
    "Difference",
    "Estimate",
    "Estimates",
    "FoldSpread",
    "Spread",
    "compare",
    "estimate",
    "holm",
    "over_folds",
    "spread",
]
