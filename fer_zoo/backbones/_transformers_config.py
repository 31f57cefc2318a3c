"""Types of transformers' models that are backbones, and their configs: given, published on a Hub, or by default."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from fer_zoo.errors import MissingExtraError, OptionError, WeightsError

Colour = tuple[float, float, float]
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_SLOWFAST = ((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))
# Its preprocessing scales pixels to -1..1 and then applies mean and std of 0.5.
_VIVIT = ((0.75, 0.75, 0.75), (0.25, 0.25, 0.25))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True)
class Kind:
    """A type of model: `config` is transformers' name of its config, `whole` that of a model which holds it.

    normalisation: of its pixels, where the Hub model states none. positions: whether clips must have the size and
    frames of the config ("fixed"), or may have others, as positions are resampled, or are relative ("free"). part: the
    submodule that computes features. settings: of the config, to leave out what is not used.
    """

    config: str
    normalisation: tuple[Colour, Colour]
    positions: Literal["fixed", "resampled", "free"] = "resampled"
    whole: str = ""
    facts: Mapping[str, Any] = field(default_factory=lambda: {"size": 224, "frame_wise": True})
    size_key: str = "image_size"
    frames_key: str = ""
    channels_key: str = "num_channels"
    part: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)


def _video(size: int, frames: int, fps: float) -> Mapping[str, Any]:
    return {"size": size, "frames": frames, "fps": fps}


_RESAMPLED = {"interpolate_pos_encoding": True}
KINDS = {
    "videomae": Kind(
        "videomae", _IMAGENET, "fixed", facts=_video(224, 16, 7.5), frames_key="num_frames"
    ),
    "vjepa2": Kind(
        "vjepa2", _IMAGENET, "free", facts=_video(256, 16, 7.5), size_key="crop_size", frames_key="frames_per_clip",
        channels_key="in_chans", part="encoder", settings={"pred_num_hidden_layers": 0},
    ),
    "timesformer": Kind(
        "timesformer", _SLOWFAST, facts=_video(224, 8, 7.5), frames_key="num_frames"
    ),
    "vivit": Kind(
        "vivit", _VIVIT, "fixed", facts=_video(224, 32, 15.0), frames_key="num_frames"
    ),
    "clip": Kind("clip_vision_model", _CLIP, whole="clip", arguments=_RESAMPLED),
    "siglip": Kind(
        "siglip_vision_model", _HALF, whole="siglip", settings={"vision_use_head": False}, arguments=_RESAMPLED
    ),
    "dinov2": Kind("dinov2", _IMAGENET),
    "dinov2_with_registers": Kind("dinov2_with_registers", _IMAGENET),
    "dinov3_vit": Kind("dinov3_vit", _IMAGENET, "free"),
    "vit": Kind("vit", _HALF, arguments=_RESAMPLED),
}  # fmt: skip
# Settings that concern other parts than the encoder, or only random weights.
_UNUSED = re.compile(r"decoder_|pred_|pooler|num_pooler|initializer|out_|stage_names|norm_pix|encoder_stride|projection"
                     r"|reshape_hidden|vision_use_head|use_mask_token")  # fmt: skip


def _hub_model(hub: str) -> str:
    from fer_zoo.hub.published import address_of

    try:
        address_of(hub)
    except OptionError as error:
        raise ValueError(f"{error.given} Accepted: {error.accepted}") from error
    return hub


def _colours(normalisation: dict[str, list[float]]) -> dict[str, list[float]]:
    if normalisation.keys() != {"mean", "std"} or any(len(values) != 3 for values in normalisation.values()):
        raise ValueError("write {mean: [R, G, B], std: [R, G, B]}")
    if not all(map(math.isfinite, normalisation["mean"])) or not all(0 < s < math.inf for s in normalisation["std"]):
        raise ValueError("mean must be finite, and std above 0")
    return normalisation


HubModel = Annotated[str, AfterValidator(_hub_model)]
Normalisation = Annotated[dict[str, list[float]], AfterValidator(_colours)]


def library() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError.for_extra("transformers", "transformers") from error
    return transformers


def make_config(kind: Kind, fields: Mapping[str, Any]) -> Any:
    return library().CONFIG_MAPPING[kind.config](**{**fields, **kind.settings})


def own_fields(config: Any) -> dict[str, Any]:
    """The settings of an encoder's config, without those that all configs of transformers have."""
    shared = library().PreTrainedConfig().to_dict()
    return {k: v for k, v in config.to_dict().items() if k not in shared and not _UNUSED.match(k)}


def published_config(name: str, published: Any) -> Any:
    """Return the encoder's config of a Hub model.

    Raises:
        OptionError: it is a model of another type.
    """
    from fer_zoo.hub.published import CONFIG

    kind, fields = KINDS[name], published.read(CONFIG)
    found = str(fields.get("model_type"))
    if found == kind.whole:
        fields = fields.get("vision_config") or {}
    elif found != kind.config:
        other = next((n for n, k in KINDS.items() if found in (k.config, k.whole)), None)
        what = f"a model of type {found!r}" if "model_type" in fields else "no model of transformers"
        code = ", whose code is in the repository and is never run" if "auto_map" in fields and not other else ""
        given = f"{published.address} is {what}{code}; transformers/{name} cannot be built from it."
        accepted = f"{' or '.join(filter(None, (kind.config, kind.whole)))}; all types: {', '.join(KINDS)}"
        do = f"the backbone transformers/{other}" if other else "a video model or image encoder of these types"
        raise OptionError(given, accepted, f"{'use' if other else 'choose'} {do}")
    try:
        return library().CONFIG_MAPPING[kind.config].from_dict(fields)
    except Exception as error:  # huggingface_hub's strict dataclasses raise their own types
        raise WeightsError(
            f"The config of {published.address} is wrong: {error}", "a valid config", "tell its owner"
        ) from error


def _published_normalisation(kind: Kind, published: Any) -> dict[str, list[float]]:
    """Mean and std of pixels in 0..1 that a Hub model's preprocessing amounts to."""
    from fer_zoo.hub.published import PREPROCESSING

    fields: dict[str, Any] = next(filter(None, map(published.read, PREPROCESSING)), {})
    fields = fields.get("video_processor") or fields.get("image_processor") or fields
    mean, std = map(list, kind.normalisation)
    white = 1.0
    if fields.get("do_normalize", True) and "image_mean" in fields and "image_std" in fields:
        scaled = fields.get("do_rescale", True)
        white = 255 * float(fields.get("rescale_factor", 1 / 255)) if scaled else 255.0
        offset = float(bool(scaled and fields.get("offset", kind.config == "vivit")))
        mean, std = (v if isinstance(v, list) else [v] * 3 for v in (fields["image_mean"], fields["image_std"]))
        mean = [float(v) + offset for v in mean]
    return {"mean": [round(v / white, 8) for v in mean], "std": [round(v / white, 8) for v in std]}


def resolve(name: str, options: Mapping[str, Any], weights: bool) -> dict[str, Any]:
    """Return options that build the same network anywhere: a whole config, and the Hub model named by its commit.

    The Hub is asked only for what the options do not say; with `weights`, also for the commit.
    """
    from fer_zoo.hub.names import HubName
    from fer_zoo.hub.published import address_of, fetch_model

    kind, found = KINDS[name], {key: value for key, value in options.items() if value is not None}
    address = address_of(found["hub"]) if "hub" in found else None
    open_ = isinstance(address, HubName) and not address.is_pinned
    if address is not None and ("config" not in found or (weights and open_)):
        published = fetch_model(found["hub"], tensors=False)
        config = published_config(name, published)
        found["hub"] = published.address
        found.setdefault("config", own_fields(config))
        found.setdefault("normalisation", _published_normalisation(kind, published))
        found.setdefault("licence", published.licence())
    mean, std = kind.normalisation
    found.setdefault("normalisation", {"mean": list(mean), "std": list(std)})
    return {**found, "config": _complete(kind, found.get("config", {}))}


def _complete(kind: Kind, given: Mapping[str, Any]) -> dict[str, Any]:
    """Add transformers' defaults to a config, except for sizes, which are by default those of the clip."""
    known = own_fields(make_config(kind, {}))
    if unknown := [key for key in given if key not in known]:
        given_keys = f"config has unknown settings: {', '.join(map(str, unknown[:6]))}."
        raise OptionError(given_keys, ", ".join(known), "correct config")
    try:
        whole = own_fields(make_config(kind, given))
    except Exception as error:  # huggingface_hub's strict dataclasses raise their own types
        reason = " ".join(str(error).split())
        raise OptionError(f"config is wrong: {reason}", f"settings of {kind.config}", "correct config") from error
    sizes = (kind.size_key, kind.frames_key, kind.channels_key)
    return {k: v for k, v in whole.items() if k in given or k not in sizes}
