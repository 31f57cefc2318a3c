"""Head pose in degrees, against rendered faces whose pose is known."""

from __future__ import annotations

import numpy as np

from fer_zoo.inference.pose import head_pose
from fer_zoo.synth.still import render_still


def test_the_pose_of_rendered_faces() -> None:
    stills = [
        still for take in range(24) if np.isfinite((still := render_still(40 + take % 4, take, size=48)).pose).all()
    ]
    errors = head_pose(np.stack([still.landmarks for still in stills])) - [still.pose for still in stills]

    assert np.median(np.abs(errors), axis=0).max() < 5
    assert np.percentile(np.abs(errors), 90) < 14


def test_no_face_has_no_pose() -> None:
    assert np.isnan(head_pose(np.full((2, 68, 2), np.nan, np.float32))).all()
