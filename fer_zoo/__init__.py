"""fer_zoo: a model zoo for facial expression recognition in video."""

from fer_zoo import data, landmarks  # noqa: F401  (importing registers datasets and landmarkers)
from fer_zoo.errors import FerZooError
from fer_zoo.factory import create_model, list_components, list_models
from fer_zoo.model import FERModel

__version__ = "0.1.0"

__all__ = ["FERModel", "FerZooError", "__version__", "create_model", "list_components", "list_models"]
