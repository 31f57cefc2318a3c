"""Weights folders: write, find, check, load. Strict, sha256 verified, no pickle.

A weights folder holds `config.json` (the network; only data), `model.safetensors` (or shards and their index),
`check.safetensors` (a rendered face and the network's logits for it), `recipe.yaml` (how it was trained), `README.md`
(the card: terms and metrics, as text and, under the key `fer_zoo` of its front matter, as data) and `confusion.png`.
"""

from fer_zoo.files import sha256
from fer_zoo.weights.checking import check_folder
from fer_zoo.weights.config import FORMAT, read_config
from fer_zoo.weights.folder import WeightsFolder, known_files, read_card, read_folder, read_recipe
from fer_zoo.weights.loading import load_weights
from fer_zoo.weights.writing import rewrite, write_weights
from fer_zoo.weights_table import bundled, find

__all__ = [
    "FORMAT",
    "WeightsFolder",
    "bundled",
    "check_folder",
    "find",
    "known_files",
    "load_weights",
    "read_card",
    "read_config",
    "read_folder",
    "read_recipe",
    "rewrite",
    "sha256",
    "write_weights",
]
