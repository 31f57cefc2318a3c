"""The style "natural": its table, strengths that show, resting faces, and the same bytes for the same arguments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ict_heads import made_up_pack, real_pack

from fer_zoo.errors import OptionError
from fer_zoo.synth import LABELS, render_clip, render_video
from fer_zoo.synth import clip as clips
from fer_zoo.synth import expression as ex
from fer_zoo.synth.character import Character, build_character
from fer_zoo.synth.expression_table import table
from fer_zoo.synth.family import HeadFamily, makehuman, styled
from fer_zoo.synth.head import EYE, Head, Traits, load_head
from fer_zoo.synth.ict import ict_family
from fer_zoo.synth.movement import GAZE, HEAD, MOVEMENTS
from fer_zoo.synth.natural import _sided, add_folds, draw_apex, draw_intensity, draw_rest, draw_tracks, head_units
from fer_zoo.synth.prototypes import prototype_weights, sides
from fer_zoo.synth.raster import rasterize

EXPRESSIONS = [label for label in LABELS if label != "neutral"]
HEAD_UNITS = head_units("synthmh")
# Landmarks of a clip and its brightness, from before there were styles.
GOLDEN = [[19.466, 19.571], [16.917, 27.828], [26.180, 27.153]]
GOLDEN_BRIGHTNESS = 71.17


def natural() -> HeadFamily:
    return styled(makehuman(), "natural")


def landmarks(tracks: dict[str, np.ndarray], frame: int, head: Head | None = None) -> np.ndarray:
    head = head or load_head()
    return (head.base + head.offsets({name: float(track[frame]) for name, track in tracks.items()}))[
        head.landmark_vertices
    ]


def tables_units() -> set[str]:
    """All units that the table names anywhere."""
    parts = table()
    groups = [*parts["action_units"].values(), *parts["lips"], *parts["consonants"], *parts["vowels"], parts["loose"]]
    groups += [entry.get("units", {}) for entry in parts["movements"].values()]
    groups += parts["rest_base"].values()
    groups += [units for row in parts["rest"] for units in row[:2]]
    groups += [own for unit_set in parts["heads"] for own in (head_units(unit_set), *head_units(unit_set).values())]
    return {name for group in groups for name in group} - {*HEAD, *GAZE}


def test_the_table_is_consistent() -> None:
    parts = table()
    assert set(parts["labels"]) == set(LABELS)
    for entry in parts["labels"].values():
        assert all(variant["share"] > 0 for variant in entry["variants"])
        assert {unit for variant in entry["variants"] for unit in variant["units"]} <= set(parts["action_units"])
        assert set(entry["often"]) <= set(parts["action_units"])
        assert all(0 <= probability <= 1 for probability in entry["often"].values())
    combinations = {label: {tuple(v["units"]) for v in entry["variants"]} for label, entry in parts["labels"].items()}
    assert all(len(combinations[label]) >= 5 for label in EXPRESSIONS)
    for one in EXPRESSIONS:
        assert not any(combinations[one] & combinations[other] for other in EXPRESSIONS if other != one)
    assert list(parts["movements"]) == list(MOVEMENTS)
    assert set(parts["heads"]) == set(parts["rest_base"]) == {"synthmh", "synthict"}
    for entry in parts["movements"].values():
        assert 0 <= entry["neutral"] <= 1
        assert 0 <= entry["others"] <= 1


@pytest.mark.parametrize("kind", ["synthmh", "synthict", "made up"])
def test_every_unit_of_the_table_exists_in_every_head(kind: str, tmp_path: Path) -> None:
    if kind == "synthmh":
        family = makehuman()
    else:
        family = ict_family(real_pack() if kind == "synthict" else made_up_pack(tmp_path))
        assert family.unit_set == "synthict"
    assert {side for name in tables_units() for side in sides(name)} <= set(family.head.targets)


@pytest.mark.parametrize("label", EXPRESSIONS)
def test_an_apex_varies_in_its_units_its_strength_and_its_sides(label: str) -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_apex(label, HEAD_UNITS, rng) for _ in range(200)]
    assert len({tuple(sorted(apex)) for apex in drawn}) > 40
    assert all(weight > 0 for apex in drawn for weight in apex.values())
    left, right = (
        np.array([sum(w for name, w in apex.items() if name.endswith(side)) for apex in drawn])
        for side in ("Left", "Right")
    )
    uneven = np.abs(left - right) / (left + right + 1e-9)
    assert np.median(uneven) > 0.01
    assert (uneven > 0.1).mean() > 0.03


def test_what_makes_a_label_is_never_dropped() -> None:
    rng = np.random.default_rng(1)
    assert draw_apex("neutral", HEAD_UNITS, rng) == {}
    for label, units in {
        "happiness": ["mouthSmile"],
        "anger": ["browDown"],
        "surprise": ["eyeWide", "browOuterUp"],
    }.items():
        for _ in range(200):
            apex = draw_apex(label, {}, rng)
            assert max(apex.get(side, 0.0) for unit in units for side in sides(unit)) > 0.4


def test_strengths_reach_from_faint_to_full() -> None:
    rng = np.random.default_rng(2)
    for frames in (1, 10, 40):
        curves = [draw_intensity("fear", frames, 25.0, rng) for _ in range(300)]
        peaks = np.array([curve.max() for curve in curves])
        assert (peaks < 0.5).mean() > 0.1
        assert (peaks > 0.9).mean() > 0.1
        assert min(curve.mean() for curve in curves) >= 0.2
        assert min(curve.min() for curve in curves) >= 0
        assert peaks.max() <= 1
    assert (draw_intensity("neutral", 10, 25.0, rng) == 0).all()


@pytest.mark.parametrize("label", EXPRESSIONS)
def test_the_intensity_is_the_strength_of_the_face(label: str) -> None:
    rng, rest = np.random.default_rng(3), {}
    strengths, displacements = [], []
    for _ in range(30):
        curve = np.linspace(0, rng.uniform(0.3, 1), 6)
        tracks, _ = draw_tracks([(label, curve)], rest, HEAD_UNITS, 25.0, rng, still=True)
        faces = [landmarks(tracks, t) for t in range(6)]
        moved = np.array([np.linalg.norm(face - faces[0], axis=1).mean() for face in faces])
        assert moved[0] == 0
        assert np.corrcoef(curve, moved)[0, 1] > 0.95
        strengths += curve.tolist()
        displacements += moved.tolist()
    assert np.corrcoef(strengths, displacements)[0, 1] > 0.6  # a wail moves landmarks more than a pout


def test_resting_faces_differ_more_than_posed_ones() -> None:
    def features(rest: ex.Rest) -> tuple[float, ...]:
        marks = landmarks({name: np.array([weight]) for name, weight in rest.items()}, 0)[:, 1]
        return (
            marks[[48, 54]].mean() - marks[[51, 57]].mean(),  # corners of the mouth
            marks[17:27].mean(),  # brows
            marks[[37, 38, 43, 44]].mean() - marks[[40, 41, 46, 47]].mean(),  # lids
        )

    rng = np.random.default_rng(4)
    posed = np.array([features(ex.draw_rest(rng)) for _ in range(150)])
    ours = np.array([features(draw_rest("synthmh", rng)) for _ in range(150)])
    assert (ours.std(0) > 1.25 * posed.std(0)).all()
    units = [draw_rest("synthmh", rng) for _ in range(150)]
    for unit in ("mouthSmile", "mouthFrown", "browDown", "browOuterUp", "eyeBlink"):
        assert np.mean([drawn.get(f"unit/{unit}Left", 0.0) > 0.1 for drawn in units]) > 0.15, unit


def test_folds_at_rest_deepen_with_age() -> None:
    skin = build_character(0, 3).skin

    def darkened(age: float) -> float:
        traits = Traits(skin_tone=0.3, age=age, sex=0.5, weight=0.5, races=(1.0, 0.0, 0.0))
        drawn = [add_folds(skin, traits, np.random.default_rng(k)).albedo for k in range(8)]
        return float(np.mean([skin.albedo.sum() - albedo.sum() for albedo in drawn]))

    assert 0 < darkened(0.1) < 0.6 * darkened(0.9)


def test_a_natural_clip_has_the_same_bytes_again_and_another_face_than_a_posed_one() -> None:
    clips = []
    for _ in range(2):
        build_character.cache_clear()
        clips.append(render_clip(5, "sadness", 1, frames=2, size=48, family=natural()))
    assert clips[0].frames.tobytes() == clips[1].frames.tobytes()
    assert clips[0].landmarks.tobytes() == clips[1].landmarks.tobytes()
    posed = render_clip(5, "sadness", 1, frames=2, size=48)
    assert posed.frames.tobytes() != clips[0].frames.tobytes()
    assert posed.attributes == clips[0].attributes


def test_a_natural_video_shows_its_labels_one_after_the_other() -> None:
    video = render_video(2, ["happiness", "neutral", "anger"], seconds_each=0.4, size=32, fps=10, family=natural())
    assert video.frames.shape == (12, 32, 32, 3)
    assert video.labels[1:3] == ("happiness", "happiness")
    assert set(video.labels[4:8]) == {"neutral"}
    assert (video.intensity[4:8] == 0).all()


def test_something_is_before_some_natural_faces_and_never_before_posed_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(family: HeadFamily | None, plain: bool = False) -> int:
        seen: list[int] = []
        original = clips._covered
        monkeypatch.setattr(clips, "_covered", lambda *given: seen.append(1) or original(*given))
        for number in range(24):
            render_clip(0, "fear", number, frames=1, size=32, family=family, plain=plain)
        monkeypatch.setattr(clips, "_covered", original)
        return len(seen)

    assert 1 <= count(natural()) <= 8
    assert count(natural(), plain=True) == count(None) == 0


def test_a_hand_moves_with_the_face() -> None:
    grey, marks = np.full((96, 96, 3), 120, np.uint8), render_clip(1, "fear", frames=1, size=64).landmarks[0] + 8
    for seed in range(6):
        before, after = (
            (clips._covered(grey, marks + shift, np.random.default_rng(seed)) != grey).any(-1)[20:76, 20:76]
            for shift in ((0, 0), (6, 4))
        )
        assert before.any()
        assert (before[:-4, :-6] == after[4:, 6:]).mean() > 0.94  # edges may be soft


def test_the_default_style_draws_what_it_always_drew() -> None:
    clip = render_clip(5, "fear", 2, frames=2, size=48, seed=3)
    np.testing.assert_allclose(clip.landmarks[1, [30, 48, 54]], GOLDEN, atol=0.01)
    assert clip.frames.mean() == pytest.approx(GOLDEN_BRIGHTNESS, abs=0.3)


def test_styles_and_movements_are_checked() -> None:
    assert styled(makehuman(), "posed") is makehuman()
    assert styled(makehuman(), "natural") is natural()
    assert styled(makehuman(), "natural", "speech, gaze").without == {"speech", "gaze"}
    with pytest.raises(OptionError, match="natural"):
        styled(makehuman(), "candid")
    with pytest.raises(OptionError, match="chewing"):
        styled(makehuman(), "natural", "yawning")
    with pytest.raises(OptionError, match="posed"):
        styled(makehuman(), "posed", "speech")


def eye_pixels(character: Character, units: dict[str, float]) -> int:
    """How much of the eyes is seen from the front."""
    head = character.head
    vertices = character.shape + head.offsets(units)
    at = (vertices[:, :2] - [0, 7.2]) * [100, -100] + 128
    visible = rasterize(at, -vertices[:, 2], head.triangles, 256)
    return int((head.material[visible.triangle] == EYE).sum())


@pytest.mark.parametrize("unit_set", ["synthmh", "synthict"])
def test_eyes_stay_open_under_lowered_brows_and_tightened_lids(unit_set: str) -> None:
    """Brows that come down over the eyes look like closed eyes, which nobody calls angry."""
    family = natural() if unit_set == "synthmh" else styled(ict_family(real_pack()), "natural")
    own = _sided({"browDown": 1.1, "eyeSquint": 0.7}, head_units(unit_set), 0.0, np.random.default_rng(0))
    people = [build_character(0, subject, family) for subject in range(300, 306)]
    left = [eye_pixels(person, own) / eye_pixels(person, {}) for person in people]
    assert np.median(left) > 0.75, np.round(left, 2)


def test_sad_heads_are_lowered_now_and_then() -> None:
    def pitches(label: str) -> np.ndarray:
        drawn = []
        for seed in range(60):
            rng = np.random.default_rng(seed)
            _, turns = draw_tracks([(label, np.ones(3))], {}, HEAD_UNITS, 25.0, rng, still=True)
            drawn.append(turns[1])
        return np.array(drawn)

    sad = pitches("sadness")
    assert (sad[:, [HEAD.index("yaw"), HEAD.index("roll")]] == 0).all()
    lowered = sad[:, HEAD.index("pitch")]
    assert 0.15 < (lowered > 2).mean() < 0.7
    assert lowered.min() >= 0
    assert lowered.max() < 20
    assert (pitches("happiness") == 0).all()


@pytest.mark.parametrize("label", ["anger", "disgust"])
@pytest.mark.parametrize("unit_set", ["synthmh", "synthict"])
def test_posed_expressions_keep_the_eyes_open(unit_set: str, label: str) -> None:
    family = makehuman() if unit_set == "synthmh" else ict_family(real_pack())
    people = [build_character(0, subject, family) for subject in range(300, 306)]
    for _, text in family.prototypes[label]:
        units = {side: weight for name, weight in prototype_weights(text).items() for side in sides(name)}
        left = [eye_pixels(person, units) / eye_pixels(person, {}) for person in people]
        assert np.median(left) > 0.5, (text, np.round(left, 2))


@pytest.mark.parametrize("unit_set", ["synthmh", "synthict"])
def test_brows_raised_and_drawn_together_slant_upwards(unit_set: str) -> None:
    """Action units 1 and 4 make the brows of sadness and fear; a 4 that undoes the 1 makes those of anger."""
    family = natural() if unit_set == "synthmh" else styled(ict_family(real_pack()), "natural")
    head = family.head

    def slant(units: dict[str, float]) -> float:
        own = _sided(units, head_units(unit_set), 0.0, np.random.default_rng(0))
        moved = head.offsets(own)[head.landmark_vertices, 1]
        return float(moved[[21, 22]].mean() - moved[[17, 26]].mean())  # inner ends, outer ends

    assert slant({"browInnerUp": 1.0, "browDown": 0.6}) > 0.65 * slant({"browInnerUp": 1.0})
    assert slant({"browDown": 1.0}) < 0


def test_resting_faces_below_the_mean_are_not_exaggerated() -> None:
    """A unit that is negative at rest is not meant, so what others take back of it stays as in the table."""
    units, heads = {"browDown": -0.2, "browInnerUp": -0.35}, head_units("synthict")
    together, alone = (_sided(given, heads, 0.0, np.random.default_rng(0)) for given in (units, {"browDown": -0.2}))
    own = _sided({"browInnerUp": -0.35}, heads, 0.0, np.random.default_rng(0))
    expected = alone["unit/browInnerUp"] + own["unit/browInnerUp"]
    assert together["unit/browInnerUp"] == pytest.approx(expected, rel=0.2)  # sides are drawn for each unit
