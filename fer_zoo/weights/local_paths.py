"""Paths of one machine in files that are shared: they reveal user names and folders, and mean nothing elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fer_zoo.documents import parse_json, parse_yaml, strings
from fer_zoo.hub.names import FOLDER, HUB
from fer_zoo.specs import ModelSpec, Recipe
from fer_zoo.weights.files import CARD, CHECK, CONFIG, INDEX, RECIPE, read_text
from fer_zoo.weights.folder import WeightsFolder, front_matter
from fer_zoo.weights.loading import read_safetensors
from fer_zoo.weights_table import has_weights

_REST = r"[^\s\"'`<>|*?;,()\[\]{}]*"
_LOCAL = re.compile(
    rf"""(?ix)
      (?<![\w./~\\%]) / [\w.@+~-]+ / [\w.@+~-] {_REST}            # /home/anna/store
    | (?<![\w/~]) ~ (?:[a-z_][\w.-]*)? [\\/] {_REST}              # ~/store, ~anna/store
    | (?<![a-z]) [a-z]: (?: \\ | /(?!/) ) {_REST}                 # C:\Users\Anna
    | \\\\ [\w.-]+ \\ {_REST}                                     # \\server\share
    | \b file: / {_REST}                                          # file:///home/anna
    | \$ \{{? (?:home|user|userprofile) \b {_REST}                # $HOME/store
    | % (?:home|homepath|userprofile|appdata|localappdata|username) % {_REST}
    """
)
_WHOLE = re.compile(r"(?i)/|~|[a-z]:[\\/]|\\\\|file:|\$\{?(?:home|user)|%\w+%")
_HOMES = ("home", "users", "documents and settings")
_PLACEHOLDER = "local-path"


def find_local_paths(text: str) -> list[str]:
    """The absolute and home-relative paths, Windows paths and file URLs in a text."""
    return [found.group() for found in _LOCAL.finditer(text)]


def portable(recipe: Recipe) -> Recipe:
    """The recipe with base names in place of the paths of one machine; stores, split files, `init` have no folders."""
    data = recipe.model_dump(mode="json")
    for values, keys in ((data["data"]["stores"], [*data["data"]["stores"]]), (data["split"], ["file"])):
        for key in keys:
            if isinstance(value := values.get(key), str) and re.search(r"[\\/~]", value):
                values[key] = _base_name(value)
    if (init := data["init"]) and re.search(r"[\\/~]", init) and not init.startswith(HUB) and not has_weights(init):
        data["init"] = FOLDER + _base_name(init.removeprefix(FOLDER))
    return Recipe.model_validate(_without_paths(data))


def portable_spec(spec: ModelSpec) -> ModelSpec:
    """The spec with the base name of the folder that its backbone's config was read from, if it was."""
    given = spec.backbone.model_dump()
    options = _without_paths(given)
    return spec if options == given else ModelSpec.model_validate({**dict(spec), "backbone": options})


def local_paths(found: WeightsFolder) -> Iterator[str]:
    """Each local path in the files of a weights folder, with the file's name before it.

    Raises:
        WeightsError: a file cannot be read.
    """
    texts: dict[str, list[str]] = {}  # as written, and the strings in them as read
    for name, parse in ((CONFIG, parse_json), (RECIPE, parse_yaml), (CARD, front_matter)):
        text = read_text(found.path / name)
        texts[name] = [text, *strings(parse(text))]
    for name in (*found.tensor_files, CHECK):
        if name != INDEX and (found.path / name).is_file():
            header, _ = read_safetensors(found.path / name)
            texts[name] = [*strings(header), *strings(parse_json(header.get("fer_zoo", "null")))]
    for name, inside in texts.items():
        yield from dict.fromkeys(f"{name}: {path}" for text in inside for path in find_local_paths(text))


def _without_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_paths(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_paths(inner) for inner in value]
    if not isinstance(value, str):
        return value
    if value.startswith(FOLDER):
        return FOLDER + _base_name(value.removeprefix(FOLDER))
    if _WHOLE.match(value) and _LOCAL.match(value) and "\n" not in value:  # folders may have spaces in their names
        return _base_name(value)
    return _LOCAL.sub(lambda found: _base_name(found.group()), value)


def _base_name(path: str) -> str:
    *above, last = [part for part in re.split(r"[\\/]+", path) if part] or [""]
    is_home = bool(above) and above[-1].lower() in _HOMES
    return _PLACEHOLDER if is_home or not last or last[0] in "~$%." or last.endswith(":") else last
