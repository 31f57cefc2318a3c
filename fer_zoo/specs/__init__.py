"""What a model, a recipe and a set of weights are, as frozen validated records. Knows no torch."""

from fer_zoo.specs.base import Fraction, Positive, Share, Spec
from fer_zoo.specs.card import TERMS, Calibration, Metrics, StartedFrom, WeightsCard
from fer_zoo.specs.figures import Published, ViewsSpec
from fer_zoo.specs.model import SEVEN_LABELS, ComponentSpec, CropSpec, InputSpec, LandmarkSpec, ModelSpec, class_labels
from fer_zoo.specs.parts import Backbone, Fusion, FusionSite, Shortcut, Site, Temporal
from fer_zoo.specs.recipe import (
    SPLITS,
    DatabaseSplit,
    DataSpec,
    DisjointSplit,
    FileSplit,
    FoldSplit,
    LeaveOneOutSplit,
    PublishedSplit,
    Recipe,
    SplitSetting,
    SplitSpec,
    split_form,
)
from fer_zoo.specs.train import SHORT_KEYS, AugmentSpec, LoraSpec, TrainSpec

__all__ = [
    "SEVEN_LABELS",
    "SHORT_KEYS",
    "SPLITS",
    "TERMS",
    "AugmentSpec",
    "Backbone",
    "Calibration",
    "ComponentSpec",
    "CropSpec",
    "DataSpec",
    "DatabaseSplit",
    "DisjointSplit",
    "FileSplit",
    "FoldSplit",
    "Fraction",
    "Fusion",
    "FusionSite",
    "InputSpec",
    "LandmarkSpec",
    "LeaveOneOutSplit",
    "LoraSpec",
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
    "SplitSetting",
    "SplitSpec",
    "StartedFrom",
    "Temporal",
    "TrainSpec",
    "ViewsSpec",
    "WeightsCard",
    "class_labels",
    "split_form",
]
