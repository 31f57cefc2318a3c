"""What a model, a recipe and a set of weights are, as frozen validated records. Knows no torch."""

from fer_zoo.specs.base import Fraction, Positive, Share, Spec
from fer_zoo.specs.card import TERMS, Metrics, WeightsCard
from fer_zoo.specs.model import SEVEN_LABELS, ComponentSpec, CropSpec, InputSpec, LandmarkSpec, ModelSpec, class_labels
from fer_zoo.specs.parts import Backbone, Fusion, FusionSite, Shortcut, Site, Temporal
from fer_zoo.specs.recipe import (
    SPLITS,
    AugmentSpec,
    DatabaseSplit,
    DataSpec,
    FileSplit,
    FoldSplit,
    LeaveOneOutSplit,
    Published,
    PublishedSplit,
    Recipe,
    Split,
    SplitSpec,
    TrainSpec,
    split_form,
)

__all__ = [
    "SEVEN_LABELS",
    "SPLITS",
    "TERMS",
    "AugmentSpec",
    "Backbone",
    "ComponentSpec",
    "CropSpec",
    "DataSpec",
    "DatabaseSplit",
    "FileSplit",
    "FoldSplit",
    "Fraction",
    "Fusion",
    "FusionSite",
    "InputSpec",
    "LandmarkSpec",
    "LeaveOneOutSplit",
    "Metrics",
    "ModelSpec",
    "Positive",
    "Published",
    "PublishedSplit",
    "Recipe",
    "Share",
    "Shortcut",
    "Site",
    "Spec",
    "Split",
    "SplitSpec",
    "Temporal",
    "TrainSpec",
    "WeightsCard",
    "class_labels",
    "split_form",
]
