"""Backbones: a clip to a feature map. Importing this package registers them."""

from fer_zoo.backbones import (  # noqa: F401  (importing registers them)
    incres2d,
    incres2plus1d,
    incres3d,
    incres3d_deep,
    incres3d_v2,
    timm,
    torchvision_video,
    transformers,
)
