"""`transformers/TYPE`: video models and per-frame image encoders of Hugging Face transformers, by their Hub name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fer_zoo.backbones._published import adopt, not_loaded, remove_unused
from fer_zoo.backbones._transformers_config import (
    KINDS,
    HubModel,
    Kind,
    Normalisation,
    library,
    make_config,
    own_fields,
    published_config,
    resolve,
)
from fer_zoo.errors import FerZooError, InputError, OptionError, WeightsError
from fer_zoo.registry import BACKBONES
from fer_zoo.specs import InputSpec, Shortcut, Site

# Raised by transformers for a config that it cannot build, or a clip that does not fit.
_REFUSALS = (AssertionError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class TransformersEncoder(nn.Module):
    """An encoder of transformers: a clip (B, C, T, H, W) gives the tokens of patches on their grid (B, D, T', H', W').

    Image encoders are applied to each frame. Class and register tokens are dropped, and parameters that the patches do
    not depend on removed. The three colours are normalised as the encoder was trained, whatever the normalisation of
    the clip is. The stages are the embeddings, the layers, and the norm after them.

    Raises:
        OptionError: transformers cannot build a network with this config.
        InputError: the encoder does not accept this size or number of frames.
    """

    def __init__(
        self,
        name: str,
        in_channels: int,
        input: InputSpec,
        *,
        hub: str | None,
        config: Mapping[str, Any],
        normalisation: Mapping[str, Sequence[float]],
    ) -> None:
        super().__init__()
        self.name, self.hub, self.kind = name, hub, KINDS[name]
        self.config = dict(config)
        _check_channels(self.kind, self.config)
        sizes = {self.kind.size_key: input.size, **({self.kind.frames_key: input.frames} if self.is_video else {})}
        if self.kind.positions == "free":
            self.config |= sizes
        built = make_config(self.kind, {**sizes, **self.config, self.kind.channels_key: in_channels})
        self.patch, self.tubelet = _strides(built)
        own_size = _side(self.config.get(self.kind.size_key, 0))
        _check_clip(name, self.kind, built, input, (self.patch, self.tubelet), own_size)
        pairs = zip(input.mean, input.std, normalisation["mean"], normalisation["std"], strict=True)
        own = [(std / own_std, (mean - own_mean) / own_std) for mean, std, own_mean, own_std in pairs]
        own += [(1.0, 0.0)] * (in_channels - 3)
        self.scale, self.shift = zip(*own, strict=True)
        with _refused(name, built):
            with _quiet():
                whole = library().AutoModel.from_config(built)
            self.network: nn.Module = _part(whole, self.kind)
            if name == "timesformer":  # it resamples its positions to the sizes in its config when it is called
                for key, value in sizes.items():
                    setattr(built, key, value)
            features = remove_unused(self, (in_channels, input.frames, input.size, input.size))
        self.output = Site(features.shape[1], (self.tubelet - 1) / 2, self.tubelet)
        self.residual_sites: Mapping[str, Site] = {}
        self.stages: Mapping[str, Sequence[str]] = _stages(self.network)

    @property
    def is_video(self) -> bool:
        """Whether the encoder takes whole clips, not single frames."""
        return bool(self.kind.frames_key)

    def forward(self, clip: Tensor, shortcut: Shortcut | None = None) -> Tensor:
        """Map a clip (B, C, T, H, W) to features (B, D, T', H', W')."""
        if any(factor != 1 for factor in self.scale) or any(self.shift):
            scale, shift = (clip.new_tensor(v).view(-1, 1, 1, 1) for v in (self.scale, self.shift))
            clip = clip * scale + shift
        steps, side = clip.shape[2] // self.tubelet, clip.shape[3] // self.patch
        frames = clip.transpose(1, 2)
        tokens: Tensor = self.network(frames if self.is_video else frames.flatten(0, 1), **self.kind.arguments)[0]
        count = side * side * (steps if self.is_video else 1)
        tokens = tokens[:, tokens.shape[1] - count :].transpose(1, 2)
        features: Tensor
        batch, width = len(clip), tokens.shape[1]
        if self.name == "timesformer":
            features = tokens.reshape(batch, width, side, side, steps).permute(0, 1, 4, 2, 3)
        elif self.is_video:
            features = tokens.reshape(batch, width, steps, side, side)
        else:
            features = tokens.reshape(batch, steps, width, side, side).transpose(1, 2)
        return features

    def load_pretrained(self) -> None:
        """Load the tensors of the Hub model strictly; the Hub's client caches them. Weights beyond RGB are 0.

        Raises:
            WeightsError: no Hub model is named, its config differs, or a tensor is missing or has another shape.
            HubError: it cannot be downloaded, or has no safetensors.
        """
        from fer_zoo.hub.published import fetch_model

        if self.hub is None:
            raise WeightsError(
                f"transformers/{self.name} was given no Hub model to start from.",
                "the option `hub`: OWNER/NAME[@REVISION] on the Hub, or local-dir:PATH",
                'e.g. hub="MCG-NJU/videomae-base" for transformers/videomae; docs/transformers.md has their licences',
            )
        published = fetch_model(self.hub, tensors=True)
        config = published_config(self.name, published)
        self._refuse_other_config(own_fields(config))
        transformers = library()
        try:
            with _quiet():
                whole, found = transformers.AutoModel.from_pretrained(
                    published.folder,
                    config=config,
                    dtype=torch.float32,
                    use_safetensors=True,
                    local_files_only=True,
                    trust_remote_code=False,
                    output_loading_info=True,
                )
        except Exception as error:  # transformers and safetensors raise many types
            raise not_loaded(published.address, error) from error
        prefix = f"{self.kind.part}." if self.kind.part else ""
        absent = {key.removeprefix(prefix) for key in found["missing_keys"]}
        state = {k: v for k, v in _part(whole, self.kind).state_dict().items() if k not in absent}
        first = next(n for n, m in self.network.named_modules() if isinstance(m, nn.Conv2d | nn.Conv3d))
        adopt(self.network, state, {first}, published.address)

    def _refuse_other_config(self, published: Mapping[str, Any]) -> None:
        """Refuse a config that computes something else with the same tensors; shapes are compared with the tensors."""
        free = {self.kind.size_key, self.kind.frames_key, self.kind.channels_key}
        differ = [
            f"{key} is {self.config[key]!r}, published {value!r}"
            for key, value in published.items()
            if key in self.config and key not in free and "drop" not in key and self.config[key] != value
        ]
        if differ:
            raise WeightsError(
                f"The config of transformers/{self.name} is not that of {self.hub}: {'; '.join(differ[:4])}.",
                "the config of the Hub model; only sizes and dropout may differ",
                "leave `config` out, or correct it",
            )


def _part(network: nn.Module, kind: Kind) -> nn.Module:
    return network.get_submodule(kind.part)


def _side(value: Any) -> int:
    return int(value[-1] if isinstance(value, list | tuple) else value)


def _strides(config: Any) -> tuple[int, int]:
    """Pixels and frames that a patch spans."""
    tubelet = getattr(config, "tubelet_size", 1)
    if isinstance(tubelet, list | tuple):
        return _side(tubelet), int(tubelet[0])
    return _side(config.patch_size), int(tubelet)


def _check_channels(kind: Kind, config: Mapping[str, Any]) -> None:
    if (channels := config.get(kind.channels_key, 3)) != 3:
        raise OptionError(
            f"The config has {kind.channels_key}={channels!r}.", "3, for RGB", "choose a model that takes colour frames"
        )


def _check_clip(name: str, kind: Kind, config: Any, input: InputSpec, strides: tuple[int, int], own_size: int) -> None:
    (patch, tubelet), size = strides, _side(getattr(config, kind.size_key))
    given = f"transformers/{name} was given clips of {input.frames} frames of {input.size} x {input.size}"
    frames = int(getattr(config, kind.frames_key)) if kind.frames_key else input.frames
    if kind.positions == "fixed" and (input.size, input.frames) != (size, frames):
        raise InputError(
            f"{given}, but its positions cannot be resampled.",
            f"{frames} frames of {size} x {size}, as in its config",
            f"set frames={frames} and size={size} (input.frames, input.size)",
        )
    if input.size % patch and (input.size != own_size or input.size < patch):
        below = input.size - input.size % patch
        raise InputError(
            f"{given}, which patches of {patch} x {patch} do not cover.",
            f"multiples of {patch}" + (f", or {own_size}, for which it was made" if own_size % patch else ""),
            f"set `size` (input.size) to {f'{below} or ' if below else ''}{below + patch}",
        )
    if input.frames % tubelet:
        raise InputError(
            f"{given}, but its patches span {tubelet} frames.",
            f"a multiple of {tubelet} frames",
            f"set `frames` (input.frames) to {input.frames + tubelet - input.frames % tubelet}",
        )


@contextlib.contextmanager
def _refused(name: str, config: Any) -> Iterator[None]:
    try:
        yield
    except FerZooError:
        raise
    except _REFUSALS as error:
        raise OptionError(
            f"transformers cannot build {name} with this config: {type(error).__name__}: {error}",
            f"settings of transformers' {type(config).__name__} that fit together and give one token per patch",
            "correct `config` (model.backbone.config)",
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from printing what it did not load; that is checked here."""
    logging = library().utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _stages(network: nn.Module) -> dict[str, Sequence[str]]:
    """Group parameters as stem, one stage per layer, and norm."""
    layers = next(name for name, module in network.named_modules() if isinstance(module, nn.ModuleList))
    found: dict[str, list[str]] = {"stem": []}
    for name, _ in network.named_parameters():
        inside = name.startswith(f"{layers}.")
        number = int(name.removeprefix(f"{layers}.").partition(".")[0]) + 1 if inside else 0
        stage = f"stage{number}" if inside else "stem" if len(found) == 1 else "norm"
        prefix = f"network.{layers}.{number - 1}" if inside else f"network.{name}"
        if prefix not in found.setdefault(stage, []):
            found[stage].append(prefix)
    return {stage: tuple(prefixes) for stage, prefixes in found.items() if prefixes}


def _facts(name: str) -> Mapping[str, Any]:
    return {**KINDS[name].facts, "pool": "mean"}


@BACKBONES.register_family(
    "transformers", lambda: tuple(KINDS), _facts, resolve=resolve, sites=("input",), own_normalisation=True
)
def transformers_encoder(
    name: str,
    in_channels: int,
    input: InputSpec,
    *,
    hub: HubModel | None = None,
    config: dict[str, Any] | None = None,
    normalisation: Normalisation | None = None,
    licence: str | None = None,
) -> TransformersEncoder:
    """A video model or per-frame image encoder of transformers, with the config of a Hub model (option `hub`)."""
    found = resolve(name, {"hub": hub, "config": config, "normalisation": normalisation}, False)
    return TransformersEncoder(
        name, in_channels, input, hub=found.get("hub"), config=found["config"], normalisation=found["normalisation"]
    )
