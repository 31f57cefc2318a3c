"""The four databases of Hasani & Mahoor 2017, so that recipes can name them. No clip of theirs can be read yet.

All four are given only to those who sign for them; nothing here downloads. The labels are those of the paper's
protocol, in the order that the recipes under `paper/` use.
"""

from __future__ import annotations

from collections.abc import Callable

from fer_zoo.data.clips import ClipRequest, ClipSet
from fer_zoo.errors import InputError
from fer_zoo.registry import register_dataset

_WEIGHTS = "Whether trained weights may be passed on is unknown."


def _unreadable(name: str, title: str) -> Callable[[ClipRequest], ClipSet]:
    def factory(request: ClipRequest) -> ClipSet:
        raise InputError(
            f"No clips of {name!r} can be read: the reader of {title} is not part of this version.",
            "synthmh, or a dataset of a plug-in (fer_zoo.register_dataset)",
            "train on another dataset; the network alone is built by create_model(recipe=...)",
        )

    factory.__doc__ = f"{title}; named by recipes, no clip of it can be read in this version."
    return factory


ckplus = register_dataset(
    "ckplus",
    synthetic=False,
    labels=("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"),
    licence="gated: signed agreement with the University of Pittsburgh; text not in this package",
    terms=f"Non-commercial research. {_WEIGHTS}",
    training_data="CK+: posed expressions, 327 labelled sequences of 118 subjects; each ends at its peak.",
)(_unreadable("ckplus", "CK+ (Extended Cohn-Kanade)"))

mmi = register_dataset(
    "mmi",
    synthetic=False,
    labels=("anger", "disgust", "fear", "happiness", "sadness", "surprise"),
    licence="gated: account and signed agreement with the makers of the MMI database; text not in this package",
    terms=f"Academic research; testing of commercial systems and redistribution are restricted. {_WEIGHTS}",
    training_data="MMI: posed expressions from neutral over the peak to neutral; number of sequences used: unknown.",
)(_unreadable("mmi", "MMI"))

fera = register_dataset(
    "fera",
    synthetic=False,
    labels=("anger", "fear", "joy", "relief", "sadness"),
    licence="gated: signed agreement for the FERA 2011 challenge (GEMEP-FERA); text unknown",
    terms=f"Unknown; see the agreement. {_WEIGHTS}",
    training_data="GEMEP-FERA 2011, emotion sub-challenge: acted portrayals; layout of its labels: unknown.",
)(_unreadable("fera", "GEMEP-FERA 2011"))

disfa = register_dataset(
    "disfa",
    synthetic=False,
    labels=("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise"),
    licence="gated: signed agreement with the University of Denver; text not in this package",
    terms=f"Research only. {_WEIGHTS}",
    training_data="DISFA: spontaneous, 27 subjects, action units per frame; the rule from units to emotions: unknown.",
)(_unreadable("disfa", "DISFA"))
