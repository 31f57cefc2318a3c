"""fer_zoo: a model zoo for facial expression recognition in video."""

from fer_zoo import data, landmarks  # noqa: F401  (importing registers datasets and landmarkers)
from fer_zoo.errors import FerZooError
from fer_zoo.factory import create_model, list_components, list_models, list_weights
from fer_zoo.info import model_info
from fer_zoo.model import FERModel
from fer_zoo.registry import (
    register_backbone,
    register_dataset,
    register_fusion,
    register_landmarker,
    register_loss,
    register_optimizer,
    register_schedule,
    register_temporal,
)
from fer_zoo.stages import parameter_groups

__version__ = "0.1.0"

__all__ = [
    "FERModel",
    "FerZooError",
    "__version__",
    "create_model",
    "list_components",
    "list_models",
    "list_weights",
    "model_info",
    "parameter_groups",
    "register_backbone",
    "register_dataset",
    "register_fusion",
    "register_landmarker",
    "register_loss",
    "register_optimizer",
    "register_schedule",
    "register_temporal",
]
