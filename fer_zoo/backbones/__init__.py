"""Backbones: a clip of frames to a feature map. Importing registers them."""

from fer_zoo.backbones import incres3d

__all__ = ["incres3d"]
