"""How weights read faint and natural expressions, how well intensity fits, and what a baseline changes.

    python tools/natural_check.py incres3d_tiny_lstm_lm_in --ict ict_facekit.npz --subjects 40

Renders held-out subjects in the style "natural": per subject a neutral video, some of labels, with the resting face
before each expression of known strength, and one of an expression that lasts from beginning to end.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_zoo.errors import NoFaceError
from fer_zoo.factory import find_model
from fer_zoo.inference import Timeline, predict_video
from fer_zoo.inference.loading import find_landmarker
from fer_zoo.synth import LABELS, SynthClip, SynthVideo, render_clip, render_video
from fer_zoo.synth.family import HeadFamily, makehuman, styled
from fer_zoo.synth.ict import ict_family

FIRST = 71_000  # subjects that no training uses
REST_S = 1.6  # twice that is long enough for `auto`
STRENGTHS = ((0.25, 0.5), (0.5, 0.75), (0.75, 1.01))
BASELINES = (None, 0.8, "auto")


@dataclass(frozen=True)
class Film:
    """A video with its true label and strengths (frames,), and its prediction."""

    label: str
    kind: str
    intensity: NDArray[np.float32]
    timeline: Timeline

    def at_apex(self, timeline: Timeline) -> list[str | None]:
        """Labels where the expression is near its apex; of a neutral film, in its second half."""
        half = len(self.intensity) // 2
        where = np.arange(half, len(self.intensity))
        if self.label != "neutral":
            where = np.flatnonzero(self.intensity > 0.8 * self.intensity.max())
        return [timeline[int(frame)].label for frame in where]


def films(weights: str, landmarker: str | None, family: HeadFamily, subjects: int, labels: int) -> Iterator[Film]:
    """Render and predict."""
    model = find_model(weights)
    finder = find_landmarker(model, landmarker)

    def film(label: str, kind: str, rendered: SynthVideo | SynthClip) -> Iterator[Film]:
        with suppress(NoFaceError):
            timeline = predict_video(model, rendered.frames, landmarker=finder, fps=25, baseline=None)
            yield Film(label, kind, rendered.intensity, timeline)

    for subject in range(FIRST, FIRST + subjects):
        rng = np.random.default_rng(subject)
        for label in ("neutral", *map(str, rng.permutation(LABELS[1:])[:labels])):
            strength = float(rng.uniform(0.25, 1))
            kind = "neutral"
            if label != "neutral":
                kind = next(f"{low:g} to {min(high, 1):g}" for low, high in STRENGTHS if low <= strength < high)
            video = render_video(
                subject, ["neutral", label], strength=strength, seconds_each=REST_S, size=128, family=family
            )
            yield from film(label, kind, video)
        lasting = str(rng.choice(LABELS[1:]))
        clip = render_clip(subject, lasting, frames=round(50 * REST_S), size=128, family=family)
        yield from film(lasting, "lasting", clip)


def report(found: list[Film]) -> Iterator[str]:
    """Yield lines of figures."""
    true = np.concatenate([film.intensity for film in found])
    seen = np.array([np.nan if row.intensity is None else row.intensity for film in found for row in film.timeline])
    known = np.isfinite(seen)
    fit, error = np.corrcoef(true[known], seen[known])[0, 1], np.abs(true[known] - seen[known]).mean()
    yield f"intensity of {known.sum()} frames: correlation {fit:.2f}, mean error {error:.2f}"
    for baseline in BASELINES:
        right = defaultdict[str, list[float]](list)
        for film in found:
            timeline = film.timeline if baseline is None else film.timeline.with_baseline(baseline)  # type: ignore[arg-type]
            labels = film.at_apex(timeline)
            rest = film.timeline[: int(0.8 * 25)].probabilities[:, film.timeline.labels.index("neutral")]
            rest = rest[np.isfinite(rest)]
            unusual = "unusual rest" if len(rest) and np.median(rest) < 0.5 else "usual rest"
            keys = [film.kind]
            if film.kind != "lasting":
                keys.append(f"{unusual}, {'neutral' if film.kind == 'neutral' else 'expressions'}")
            for key in keys:
                right[key].append(float(np.mean([label == film.label for label in labels])))
        cells = [f"{key}: {np.mean(right[key]):.0%} of {len(right[key])}" for key in sorted(right)]
        yield f"baseline {baseline}: right in {'; '.join(cells)}"


def main() -> None:
    """Print the figures of each dataset."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--ict", type=Path, help="packed ICT-FaceKit")
    parser.add_argument("--landmarker")
    parser.add_argument("--subjects", type=int, default=40)
    parser.add_argument("--labels", type=int, default=3, help="expressions per subject, of six")
    chosen = parser.parse_args()
    families = {"synthmh": makehuman(), **({"synthict": ict_family(chosen.ict)} if chosen.ict else {})}
    for database, family in families.items():
        style = styled(family, "natural")
        found = list(films(chosen.weights, chosen.landmarker, style, chosen.subjects, chosen.labels))
        print(f"{database}, {chosen.subjects} subjects, {len(found)} videos")
        for line in report(found):
            print(f"  {line}", flush=True)


if __name__ == "__main__":
    main()
