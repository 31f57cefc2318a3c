"""MMI: videos of posed expressions, from neutral over the peak to neutral, one folder per session."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from fer_zoo.data.datasets._layout import find_file, find_folder, missing, safe_key, visible_folders
from fer_zoo.data.datasets._reading import Reader, sift
from fer_zoo.data.datasets._videos import visible_videos
from fer_zoo.data.sources import Source
from fer_zoo.errors import InputError
from fer_zoo.registry import register_dataset

# Larger codes are other states than the six; one public script is the source of 1 to 6.
CODES = {"1": "anger", "2": "disgust", "3": "fear", "4": "happiness", "5": "sadness", "6": "surprise"}
FRONTAL, DUAL = "0", "2"
HALVES = {"left": (0.0, 0.0, 0.5, 1.0), "right": (0.5, 0.0, 0.5, 1.0)}
# Usual counts of published work, sequences and subjects; general knowledge, not confirmed by a file.
_USUAL = {"clips": range(205, 214), "subjects": range(30, 33)}


@register_dataset(
    "mmi",
    synthetic=False,
    labels=tuple(CODES.values()),
    licence="gated: account and signed agreement with the makers of the MMI database; text not in this package",
    terms="Academic research; testing of commercial systems and redistribution are restricted. "
    "Whether trained weights may be passed on is unknown.",
    training_data="MMI: posed expressions from neutral over the peak to neutral; number of sequences used: unknown.",
    may_use="academic research, after signing; testing of commercial systems is restricted",
    share_weights="unknown",
    terms_source="data register of py-feat 2.1.5, reviewed 2026-10-08; the agreement itself was not read",
)
def mmi(
    root: Path,
    *,
    frontal_half: Literal["left", "right"] = "right",
    part: Literal["all", "middle", "last"] = "middle",
) -> Reader:
    """MMI: videos of the six basic emotions, frontal and dual view, from `Sessions/<number>/`.

    Of a dual view (face and its profile side by side) the half `frontal_half` is used. Which one shows the face is
    unverified, and it may differ between videos: look at a few. Frontal videos that lie on their side are turned by a
    quarter clockwise, as the one public script for them does.

    Videos begin and end neutral, and the label is that of the peak between (unverified): of each, the clip round its
    middle is taken. `part="all"` takes every clip, neutral ones under the label too. Where the peak really is, no file
    of all sessions says; that of the sessions with action units does, in a form that nothing public shows.

    XML that cannot be read or lacks what it should state becomes a problem, as do the numbers of videos that are left
    out: emotion codes above 6, profile views. Videos without an emotion are usual.

    Raises (from `sources`):
        InputError: no folder with a `session.xml` is there.
    """

    def read(problems: list[str]) -> Iterator[Source]:
        folder = find_folder(root, ("Sessions", "."), "sessions of MMI")
        sessions = [file for place in visible_folders(folder) if (file := find_file(place, "session.xml"))]
        if not sessions:
            raise missing(root, ["Sessions"], "sessions of MMI (folders with a session.xml)")
        videos = [(session, video) for session in sessions for video in visible_videos(session.parent)]

        def parse(found: tuple[Path, Path]) -> Source | str | None:
            session, video = found
            if (label := _emotion(video)) is None:
                return None
            if label not in CODES:
                return f"videos of emotion code {label}"
            if (named := re.match(r"(S\d+)-", video.stem, re.IGNORECASE)) is None:
                return "videos whose names do not begin with a subject, as S001-001.avi"
            view, upright = _view(session)
            if view not in (FRONTAL, DUAL):
                return f"videos of view {view}"
            return Source(
                key=safe_key(video.stem.upper()),
                files=(video.relative_to(root),),
                label=CODES[label],
                subject=named[1].upper(),
                rotate=int(view == FRONTAL and not upright),
                region=HALVES[frontal_half] if view == DUAL else None,
                part=part,
            )

        return sift(videos, parse, lambda found: f"{found[1].parent.name}/{found[1].name}", problems, fatal=False)

    return Reader(read, _USUAL, " (usual number, unverified)")


def _emotion(video: Path) -> str | None:
    """Emotion code of a video, or None if it has none."""
    described = find_file(video.parent, f"{video.stem}.xml")
    if described is None:
        return None
    tags = [tag for tag in _elements(described, "Metatag") if tag.get("Name", "").lower() == "emotion"]
    return tags[0].get("Value", "").strip() if tags else None


def _view(session: Path) -> tuple[str, bool]:
    """View of a session's track, and whether a frontal one is stored upright."""
    tracks = _elements(session, "track")
    if not tracks or "view" not in tracks[0].attrib:
        raise InputError("session.xml says no view of the track.", "a track with the attribute view")
    annotations = _elements(session, "annotation")
    # The one public script that reads these says so: videos whose last annotation is of action units over onset, apex
    # and offset are upright, all other frontal ones lie on their side.
    return tracks[0].attrib["view"].strip(), bool(annotations) and "oao_aucs" in annotations[-1].get("filename", "")


def _elements(path: Path, name: str) -> list[ElementTree.Element]:
    """Elements of an XML file by name, namespaces and case aside."""
    try:
        tree = ElementTree.parse(path)
    except (OSError, ValueError, LookupError, ElementTree.ParseError) as error:
        raise InputError(f"{path.name} cannot be read: {error}.", "well-formed XML") from error
    return [item for item in tree.iter() if item.tag.rpartition("}")[2].lower() == name.lower()]
