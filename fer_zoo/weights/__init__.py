"""Weights folders: write, find, check, load. Strict, sha256 verified, no pickle.

A folder of format 2 holds `config.json` (the network; only data), `model.safetensors` (or shards and their index),
`check.safetensors` (a rendered face and what the network says of it), `recipe.yaml` (how it was made), `README.md` (the
card: terms and figures, in YAML front matter under the key `fer_zoo`, and for people) and `confusion.png`.
"""

from fer_zoo.weights.building import check_size
from fer_zoo.weights.checking import check_folder
from fer_zoo.weights.config import FORMAT, FORMATS, Config, local_options, read_config
from fer_zoo.weights.files import sha256
from fer_zoo.weights.folder import WeightsFolder, known_files, read_beginning, read_card, read_folder, read_recipe
from fer_zoo.weights.loading import load_into, load_weights
from fer_zoo.weights.lookup import bundled, find
from fer_zoo.weights.writing import MAX_SHARD, rewrite, write_weights

__all__ = [
    "FORMAT",
    "FORMATS",
    "MAX_SHARD",
    "Config",
    "WeightsFolder",
    "bundled",
    "check_folder",
    "check_size",
    "find",
    "known_files",
    "load_into",
    "load_weights",
    "local_options",
    "read_beginning",
    "read_card",
    "read_config",
    "read_folder",
    "read_recipe",
    "rewrite",
    "sha256",
    "write_weights",
]
