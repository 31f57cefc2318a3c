"""Synthetic facial-expression clips from a seeded generator, with exact landmarks. See ``docs/synthetic-faces.md``."""

from fer_zoo.synth.character import subject_groups
from fer_zoo.synth.clip import SynthClip, SynthVideo, render_clip, render_video
from fer_zoo.synth.detector_noise import perturb_landmarks
from fer_zoo.synth.prototypes import LABELS

__all__ = ["LABELS", "SynthClip", "SynthVideo", "perturb_landmarks", "render_clip", "render_video", "subject_groups"]
