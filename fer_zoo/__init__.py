"""fer_zoo: a model zoo for facial expression recognition in video.

Names are imported when they are first used, so that `import fer_zoo` and the command line start at once.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from fer_zoo._version import __version__

if TYPE_CHECKING:
    from fer_zoo.errors import FerZooError
    from fer_zoo.exporting import export
    from fer_zoo.factory import create_model
    from fer_zoo.inference.explain import explain
    from fer_zoo.info import model_info
    from fer_zoo.listing import list_components, list_models, list_weights
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

# accelerate and huggingface_hub import tqdm, which asks for ipywidgets in every notebook without it.
warnings.filterwarnings("ignore", "IProgress not found")

_MODULES = {
    "FERModel": "model",
    "FerZooError": "errors",
    "create_model": "factory",
    "explain": "inference.explain",
    "export": "exporting",
    "list_components": "listing",
    "list_models": "listing",
    "list_weights": "listing",
    "model_info": "info",
    "parameter_groups": "stages",
    "register_backbone": "registry",
    "register_dataset": "registry",
    "register_fusion": "registry",
    "register_landmarker": "registry",
    "register_loss": "registry",
    "register_optimizer": "registry",
    "register_schedule": "registry",
    "register_temporal": "registry",
}

__all__ = [
    "FERModel",
    "FerZooError",
    "__version__",
    "create_model",
    "explain",
    "export",
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


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _MODULES:
        try:  # `import fer_zoo; fer_zoo.video` is what users of other libraries write
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
