"""lm_traj: normalised trajectories against plain loops, and their invariances."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_zoo.fusion.lm_traj import trajectories
from fer_zoo.registry import FUSIONS

CLIP = (64, 64)


def points(seed: int = 0, frames: int = 6) -> torch.Tensor:
    return 10 + torch.rand(2, frames, 68, 2, generator=torch.Generator().manual_seed(seed)) * 40


def slow_trajectories(clip: np.ndarray) -> np.ndarray:
    """Mean of all known points to 0, root mean square distance to 1, missing points to 0."""
    there = [(t, k) for t in range(len(clip)) for k in range(clip.shape[1]) if not np.isnan(clip[t, k]).any()]
    out = np.zeros_like(clip)
    if not there:
        return out
    centre = sum(clip[at] for at in there) / len(there)
    scale = math.sqrt(sum(float(((clip[at] - centre) ** 2).sum()) for at in there) / len(there))
    for at in there:
        out[at] = (clip[at] - centre) / scale
    return out


def test_equals_loops() -> None:
    given_points = points()
    given_points[0, 2] = torch.nan
    given_points[1, 1, 5:30] = torch.nan
    given_points[1, 0, 3, 0] = torch.nan
    paths, found = trajectories(given_points, CLIP)
    for b in range(2):
        np.testing.assert_allclose(paths[b].numpy(), slow_trajectories(given_points[b].numpy()), atol=1e-5)
    assert found.tolist() == [[True, True, False, True, True, True], [True] * 6]


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 1000),
    st.floats(0.3, 3.0),
    st.tuples(st.floats(-60, 60), st.floats(-60, 60)),
    st.sets(st.integers(0, 5), max_size=5),
)
def test_position_and_size_of_the_face_do_not_matter_but_motion_does(
    seed: int, scale: float, shift: tuple[float, float], lost: set[int]
) -> None:
    clip = points(seed)
    clip[:, list(lost)] = torch.nan
    paths, found = trajectories(clip, CLIP)
    moved, still_found = trajectories(clip * scale + torch.tensor(shift), CLIP)
    torch.testing.assert_close(moved, paths, rtol=0, atol=2e-4)
    assert torch.equal(found, still_found)
    kept = [frame for frame in range(6) if frame not in lost]
    nod = clip.clone()
    nod[:, kept[-1], :, 1] += 5
    assert torch.allclose(trajectories(nod, CLIP)[0], paths, atol=1e-3) == (len(kept) == 1)


@pytest.mark.parametrize(("subset", "first"), [("all", 0), ("inner", 17)])
def test_appends_the_state_after_the_last_frame_with_a_face(subset: str, first: int) -> None:
    torch.manual_seed(0)
    fusion = FUSIONS.get("lm_traj").build(options={"points": subset, "traj_hidden": 4}, in_features=3)
    assert fusion.out_features == 7
    clip = points()
    clip[0, 3] = torch.nan  # between faces: zeros and the flag
    clip[0, 5] = torch.nan  # after the last face: not read
    clip[1, 1:] = torch.nan
    embedding = torch.randn(2, 3)
    out = fusion(embedding, clip, CLIP)
    assert torch.equal(out[:, :3], embedding)
    for b, frames in enumerate((5, 1)):
        paths = slow_trajectories(clip[b, :, first:].numpy())
        flags = [[0.0 if bool(clip[b, t].isnan().all()) else 1.0] for t in range(frames)]
        seen = np.concatenate([paths[:frames].reshape(frames, -1), flags], 1)
        state = fusion.gru(torch.tensor(seen, dtype=torch.float32)[None])[0][0, -1]
        torch.testing.assert_close(out[b, 3:], state, rtol=1e-4, atol=1e-5)


def test_frames_after_the_last_face_do_not_matter() -> None:
    """So padding does not matter either: the network sets its landmarks to NaN."""
    fusion = FUSIONS.get("lm_traj").build(options={}, in_features=3)
    clip = points()
    clip[:, 4:] = torch.nan
    embedding = torch.randn(2, 3)
    torch.testing.assert_close(fusion(embedding, clip, CLIP), fusion(embedding, clip[:, :4], CLIP))


def test_no_face_at_all_appends_zeros() -> None:
    fusion = FUSIONS.get("lm_traj").build(options={}, in_features=3)
    clip = points()
    clip[1] = torch.nan
    out = fusion(torch.randn(2, 3), clip, CLIP)
    assert out[1, 3:].eq(0).all()
    assert out[0, 3:].abs().sum() > 0
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in fusion.parameters())


def test_points_all_in_one_place_are_finite() -> None:
    assert trajectories(torch.full((1, 3, 68, 2), 7.0), CLIP)[0].eq(0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_points_in_half_precision_do_not_overflow(dtype: torch.dtype) -> None:
    """The sum of squares over a clip of 224 pixels exceeds the range of float16."""
    clip = (points() * 4).to(dtype)
    paths, found = trajectories(clip, (224, 224))
    expected, wanted_found = trajectories(clip.float(), (224, 224))
    assert paths.dtype == torch.float32
    assert torch.equal(paths, expected)
    assert torch.equal(found, wanted_found)
    fusion = FUSIONS.get("lm_traj").build(options={}, in_features=3)
    embedding = torch.randn(2, 3)
    halved = copy.deepcopy(fusion).to(dtype)(embedding.to(dtype), clip, (224, 224))
    torch.testing.assert_close(halved.float(), fusion(embedding, clip.float(), (224, 224)), rtol=0, atol=0.02)


def test_double_precision_is_kept() -> None:
    assert trajectories(points().double(), CLIP)[0].dtype == torch.float64
