"""The card, README.md: its metadata, what the Hub makes of it, and what it refuses."""

from __future__ import annotations

import re
from typing import Any

import yaml

FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)
ARXIV = re.compile(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})")
TEXTS = ("license", "license_name", "license_link", "library_name", "pipeline_tag")
LISTS = ("tags",)
TEXTS_OR_LISTS = ("datasets", "language", "metrics", "base_model")


def metadata_of(text: str) -> dict[str, Any]:
    """The YAML on top of a card; empty where there is none or it can't be read."""
    return check_card(text)[0]


def check_card(text: str) -> tuple[dict[str, Any], list[str], list[str]]:
    """Metadata, errors and warnings, as `/api/validate-yaml` finds them."""
    match = FRONT_MATTER.match(text)
    if not match:
        return {}, [], ["empty or missing yaml metadata in repo card"]
    try:
        metadata = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        return {}, [f"YAML Metadata Error: {error}"], []
    if metadata is None:
        return {}, [], ["empty or missing yaml metadata in repo card"]
    if not isinstance(metadata, dict):
        return {}, ["YAML Metadata Error: the metadata must be a mapping"], []
    return metadata, list(problems(metadata)), []


def problems(metadata: dict[str, Any]) -> list[str]:
    found = [f'"{key}" must be a string' for key in TEXTS if not isinstance(metadata.get(key, ""), str)]
    found += [f'"{key}" must be an array of strings' for key in LISTS if not is_texts(metadata.get(key, []))]
    for key in TEXTS_OR_LISTS:
        if not isinstance(metadata.get(key, ""), str) and not is_texts(metadata[key]):
            found.append(f'"{key}" must be a string or an array of strings')
    if "model-index" in metadata:
        found += index_problems(metadata["model-index"])
    return found


def is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def index_problems(index: object) -> list[str]:
    """What a `model-index` lacks of the figures' required keys."""
    if not isinstance(index, list):
        return ['"model-index" must be an array']
    found = []
    for n, model in enumerate(index):
        where = f"model-index[{n}]"
        if not isinstance(model, dict) or not isinstance(model.get("name"), str):
            found.append(f'"{where}.name" is required')
            continue
        for m, result in enumerate(model.get("results") or []):
            for key in ("task.type", "dataset.type", "dataset.name"):
                if not isinstance(look_up(result, key), str):
                    found.append(f'"{where}.results[{m}].{key}" is required')
            for k, metric in enumerate(result.get("metrics") or [{}]):
                found += [
                    f'"{where}.results[{m}].metrics[{k}].{key}" is required'
                    for key in ("type", "value")
                    if key not in metric
                ]
    return found


def look_up(data: object, dotted: str) -> object:
    for key in dotted.split("."):
        data = data.get(key) if isinstance(data, dict) else None
    return data


def tags_of(metadata: dict[str, Any], text: str, paths: list[str]) -> list[str]:
    """The tags under which a repository is found, made from the card and the files."""
    tags = [str(metadata["library_name"])] if "library_name" in metadata else []
    if any(path.endswith(".safetensors") for path in paths):
        tags.append("safetensors")
    if metadata.get("pipeline_tag"):
        tags.append(str(metadata["pipeline_tag"]))
    tags += [str(tag) for tag in metadata.get("tags") or []]
    if "model-index" in metadata:
        tags.append("model-index")
    for key, prefix in (("language", ""), ("datasets", "dataset:"), ("base_model", "base_model:")):
        values = metadata.get(key) or []
        tags += [f"{prefix}{value}" for value in ([values] if isinstance(values, str) else values)]
    tags += [f"arxiv:{number}" for number in ARXIV.findall(text)]
    if "license" in metadata:
        tags.append(f"license:{metadata['license']}")
    return list(dict.fromkeys([*tags, "region:us"]))
