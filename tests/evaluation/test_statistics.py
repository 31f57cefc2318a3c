"""Intervals and tests: small cases by hand, independent paths to the same number, simulations and properties."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_zoo.errors import InputError, OptionError
from fer_zoo.evaluation import compare, estimate, holm, over_folds, spread
from fer_zoo.evaluation.variance import SeedNoise, seed_noise, uncertainties
from fer_zoo.training.metrics import figures
from fer_zoo.training.predictions import Predictions

LABELS = ("a", "b", "c")
Generator = np.random.Generator
NO_NOISE = SeedNoise(np.zeros(2), np.zeros(2), 0)


def run(right: npt.ArrayLike, truth: npt.ArrayLike, subjects: Sequence[object], fold: str = "") -> Predictions:
    """Predictions that are correct where `right`, otherwise the next label; names begin with the fold's."""
    truth = np.asarray(truth)
    guesses = np.where(right, truth, (truth + 1) % len(LABELS))
    keys = np.array([f"{fold}clip {n}" for n in range(len(truth))])
    who = np.array([f"{fold}{name}" if name != "" else "" for name in subjects])
    return Predictions(LABELS, keys, who, keys, truth, np.eye(len(LABELS))[guesses])


def clips_of(subjects: int, each: int = 6) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Labels and subjects of clips: `each` clips per subject, the labels in turn."""
    return np.tile(np.arange(each) % len(LABELS), subjects), np.arange(subjects).repeat(each)


def simulated(rng: Generator, skills: npt.NDArray[np.float64], fold: str = "") -> Predictions:
    """A run in which each subject has its own log odds of a correct prediction."""
    truth, who = clips_of(len(skills))
    return run(rng.random(len(truth)) < 1 / (1 + np.exp(-skills[who])), truth, who.tolist(), fold)


def test_the_values_are_those_of_the_figures() -> None:
    rng = np.random.default_rng(0)
    one, other = (simulated(rng, rng.normal(1, 1, 20)) for _ in range(2))
    them = estimate([one])
    assert (them.war.value, them.uar.value) == pytest.approx((figures(one).war, figures(one).uar))
    difference = compare([one], [other])
    assert difference.war.value == pytest.approx(figures(one).war - figures(other).war)
    assert difference.uar.value == pytest.approx(figures(one).uar - figures(other).uar)
    back = compare([other], [one])
    assert back.war.value == -difference.war.value
    many, few = difference.uar.interval, back.uar.interval
    assert many is not None
    assert few == pytest.approx((-many[1], -many[0]))


def test_the_interval_of_two_subjects_by_hand() -> None:
    """One is always right, one never: the mean is 1/2, its variance 1/4, and t has one degree of freedom."""
    them = estimate([run([1, 1, 0, 0], [0, 1, 0, 1], "xxyy")])
    assert them.war.value == 0.5
    trials, t = 0.25 / 0.25, 12.706204736
    reach = t * np.sqrt(0.25 / trials + t**2 / trials**2 / 4) / (1 + t**2 / trials)
    assert them.war.interval == pytest.approx((0.5 - reach, 0.5 + reach))


def test_a_balanced_paired_comparison_is_the_t_test_over_subjects() -> None:
    rng = np.random.default_rng(2)
    truth, who = clips_of(25)
    one, other = (run(rng.random(150) < p, truth, who.tolist()) for p in (0.8, 0.6))
    by_subject = np.bincount(who, (one.predicted == truth) * 1.0 - (other.predicted == truth)) / 6
    t = by_subject.mean() / (by_subject.std(ddof=1) / 5)
    them = compare([one], [other])
    assert them.war.p == pytest.approx(2 * scipy.stats.t.sf(abs(t), 24))
    reach = scipy.stats.t.ppf(0.975, 24) * by_subject.std(ddof=1) / 5
    assert them.war.interval == pytest.approx((by_subject.mean() - reach, by_subject.mean() + reach))


def test_unequal_subjects_have_the_jackknife_variance() -> None:
    """Against leaving out one subject after the other."""
    rng = np.random.default_rng(3)
    who = np.arange(12).repeat(rng.integers(1, 9, 12))
    truth = rng.integers(0, 3, len(who))
    one, other = (run(rng.random(len(who)) < p, truth, who.tolist()) for p in (0.8, 0.5))
    excess = (one.predicted == truth) * 1.0 - (other.predicted == truth)
    left_out = np.array([excess[who != subject].mean() for subject in range(12)])
    found = uncertainties(who, truth, excess, [NO_NOISE])
    assert found is not None
    assert found[0].variance == pytest.approx(11 / 12 * ((left_out - excess.mean()) ** 2).sum())


def test_one_subject_who_differs_proves_nothing() -> None:
    truth, who = clips_of(10)
    one, other = run(np.full(60, True), truth, who.tolist()), run(who != 3, truth, who.tolist())
    for found in (compare([one], [other]).war, compare([one], [other]).uar):
        assert found.p is not None
        assert found.p > 0.3
        assert contains(found, 0)


def test_a_recipe_does_not_differ_from_itself() -> None:
    one = simulated(np.random.default_rng(3), np.zeros(10))
    them = compare([one], [one])
    assert (them.war.value, them.war.p, them.uar.p) == (0, 1, 1)
    # As if half of one of the ten subjects differed: 2.26 times 0.05.
    assert them.war.interval == pytest.approx((-0.1131, 0.1131), abs=1e-4)
    assert any(note.startswith("All subjects have the same result") for note in them.basis.notes)


def test_all_right_is_not_certain() -> None:
    """Wilson's interval for as many successes as subjects."""
    truth, who = clips_of(40)
    them = estimate([run(np.full(240, True), truth, who.tolist())])
    t = scipy.stats.t.ppf(0.975, 39)
    assert them.war.interval == pytest.approx((1 / (1 + t**2 / 40), 1))
    assert them.uar.interval is not None
    assert them.uar.interval == pytest.approx((1 / (1 + t**2 / 40), 1), abs=1e-3)
    none = estimate([run(np.full(240, False), truth, who.tolist())])
    assert none.war.interval == pytest.approx((0, 1 - 1 / (1 + t**2 / 40)))


def test_p_is_never_zero() -> None:
    truth, who = clips_of(400)
    one, other = run(np.full(2400, True), truth, who.tolist()), run(np.full(2400, False), truth, who.tolist())
    for found in (compare([one], [other]).war, compare([one], [other]).uar):
        assert found.p is not None
        assert 0 < found.p < 1e-100


def test_a_class_of_one_subject_is_noted() -> None:
    truth = [0, 0, 1, 0, 0, 0, 1, 0]
    them = estimate([run([1, 0, 1, 1, 0, 1, 1, 1], truth, "xxyzzuyu")])
    assert any("All clips of b are of one subject" in note for note in them.basis.notes)


def test_correlated_clips_of_a_subject_widen_the_interval() -> None:
    truth, who = clips_of(40)
    right = np.random.default_rng(4).random(40)[who] < 0.6  # a subject is always right or always wrong
    by_people, by_clips = estimate([run(right, truth, who.tolist())]), estimate([run(right, truth, [""] * 240)])
    assert width(by_people.war) == pytest.approx(np.sqrt(6) * width(by_clips.war), rel=0.1)
    assert (by_people.basis.subjects, by_people.basis.lone_clips) == (40, 0)
    assert (by_clips.basis.subjects, by_clips.basis.lone_clips) == (0, 240)
    assert any(note.startswith("240 clips have no subject") for note in by_clips.basis.notes)


def test_clips_without_a_subject_next_to_known_subjects() -> None:
    truth, who = clips_of(20)
    names = ["" if person >= 10 else str(person) for person in who]
    them = estimate([run(np.random.default_rng(5).random(120) < 0.7, truth, names)])
    assert (them.basis.clips, them.basis.subjects, them.basis.lone_clips) == (120, 10, 60)


def test_one_subject_has_no_interval() -> None:
    truth, _ = clips_of(1)
    one, other = run([1, 1, 0, 1, 1, 1], truth, "xxxxxx"), run([1, 1, 0, 0, 0, 1], truth, "xxxxxx")
    them = compare([one], [other])
    assert them.war.value == pytest.approx(2 / 6)
    assert (them.war.interval, them.war.p, estimate([one]).uar.interval) == (None, None, None)
    assert "All clips are of one subject: no interval for other subjects." in them.basis.notes


def test_few_subjects_are_noted() -> None:
    few, enough = (estimate([simulated(np.random.default_rng(0), np.zeros(n))]) for n in (9, 10))
    assert len(few.basis.notes) == len(enough.basis.notes) + 1
    assert few.basis.notes[0].startswith("Fewer than 10 subjects")


def test_a_true_difference_is_found() -> None:
    rng = np.random.default_rng(8)
    subjects = rng.normal(0, 1, 60)
    them = compare([simulated(rng, subjects + 1)], [simulated(rng, subjects)])
    assert them.war.p is not None
    assert them.war.p < 0.001
    assert them.war.interval is not None
    assert them.war.interval[0] > 0


def trained(
    rng: Generator, subjects: npt.NDArray[np.float64], folds: int, seeds: int, noise: float
) -> list[Predictions]:
    """Training runs with random effects of the seed, the same for all subjects of a run."""
    parts = np.array_split(subjects, folds)
    return [
        simulated(rng, part + rng.normal(0, noise), f"{fold} ") for fold, part in enumerate(parts) for _ in range(seeds)
    ]


def test_subjects_crossed_with_seeds_by_analysis_of_variance() -> None:
    """Against the sums of squares of a two-way table, subjects by seeds."""
    rng = np.random.default_rng(12)
    truth, who = clips_of(8)
    sides = [[run(rng.random(48) < p, truth, who.tolist()) for _ in range(3)] for p in (0.7, 0.6)]
    tables = [
        np.array([np.bincount(who, (one.predicted == truth) * 1.0) / 6 for one in runs]) for runs in sides
    ]  # (seeds, subjects)
    between = (tables[0].mean(axis=0) - tables[1].mean(axis=0)).var(ddof=1) / 8
    run_variance, shared = 0.0, 0.0
    for table in tables:
        seeds, subjects = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
        run_variance += seeds.var(ddof=1) / 3
        residual = ((table - seeds - subjects + table.mean()) ** 2).sum() / (2 * 7)
        shared += residual / 8 / 3
    variance = between + max(0, run_variance - shared)
    weight = run_variance / (run_variance + between)
    t = abs(tables[0].mean() - tables[1].mean()) / np.sqrt(variance)
    p = (1 - weight) * 2 * scipy.stats.t.sf(t, 7) + weight * 2 * scipy.stats.t.sf(t, 4)
    assert compare(*sides).war.p == pytest.approx(p)


def test_folds_of_one_subject_have_no_noise_beside_the_subjects() -> None:
    """Leaving one subject out, each run has a subject of its own: the variance over subjects contains all."""
    rng = np.random.default_rng(13)
    hits = [rng.integers(0, 2, (2, 6)).astype(float) for _ in range(20)]
    noise = seed_noise(np.arange(20).repeat(6), np.full((2, 120), 1 / 120), hits)
    assert noise.run == pytest.approx(noise.shared)


def test_the_variance_between_seeds_by_hand() -> None:
    # Two folds of two subjects with two clips; the two seeds have 1 and 3 of 4 right, then 2 and 4.
    truth, who = [0, 1, 0, 1], ["x", "x", "y", "y"]
    hits = {"1 ": ([1, 0, 0, 0], [1, 1, 1, 0]), "2 ": ([1, 0, 1, 0], [1, 1, 1, 1])}
    runs = [run(right, truth, who, fold) for fold, both in hits.items() for right in both]
    them = estimate(runs)
    assert them.war.value == 10 / 16
    # Of a share of 8 clips: 1 and 3, 2 and 4; each pair has the variance 2/64, a mean of two half of it, two folds add.
    assert them.war.training_error == pytest.approx(np.sqrt(2 * 2 / 64 / 2))
    assert them.basis.trainings == (4,)
    assert not any("One seed per fold" in note for note in them.basis.notes)
    one_seed = estimate(runs[::2])
    assert one_seed.war.training_error is None
    assert any("One seed per fold" in note for note in one_seed.basis.notes)
    # A cell that failed: the fold with one seed shares the other's variance.
    three = estimate(runs[:3]).war
    assert three.value == pytest.approx((4 / 2 + 2) / 8)
    assert three.training_error == pytest.approx(np.sqrt(2 / 64 * (1 / 2 + 1)))


def test_seeds_without_noise_change_nothing() -> None:
    folds = [simulated(np.random.default_rng(n), np.full(15, 0.5), f"{n} ") for n in range(3)]
    once, thrice = estimate(folds), estimate(folds * 3)
    assert thrice.war.training_error == 0
    assert thrice.war.value == pytest.approx(once.war.value)
    assert thrice.war.interval == pytest.approx(once.war.interval)


def test_the_order_of_runs_and_clips_does_not_matter() -> None:
    rng = np.random.default_rng(10)
    runs = [simulated(rng, np.zeros(8), f"{fold} ") for fold in range(3) for _ in range(2)]
    others = [simulated(rng, np.zeros(8), f"{fold} ") for fold in range(3)]
    shuffled = [runs[n].take(rng.permutation(48)) for n in (3, 5, 0, 1, 4, 2)]
    one, other = compare(runs, others), compare(shuffled, others[::-1])
    assert one.war.interval == pytest.approx(other.war.interval)
    assert one.model_dump(exclude={"war": {"interval"}, "uar": {"interval"}}) == approx(
        other.model_dump(exclude={"war": {"interval"}, "uar": {"interval"}})
    )


def approx(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: approx(value) for key, value in tree.items()}
    return pytest.approx(tree) if isinstance(tree, float) else tree


CLIPS = st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.sampled_from("uvwxyz")), min_size=2, max_size=30)


@given(CLIPS, st.randoms())
@settings(max_examples=50, deadline=None)
def test_permuted_or_doubled_clips_give_the_same_interval(clips: list[tuple[bool, int, str]], random: Any) -> None:
    def estimated(rows: list[tuple[bool, int, str]]) -> Any:
        right, truth, who = zip(*rows, strict=True)
        them = estimate([run(right, truth, who)])
        return [value for e in (them.war, them.uar) for value in (e.value, *(e.interval or ()))]

    plain = estimated(clips)
    assert estimated(random.sample(clips, len(clips))) == pytest.approx(plain)
    assert estimated(clips + clips) == pytest.approx(plain)
    assert all(0 <= value <= 1 for value in plain)


@given(CLIPS)
@settings(max_examples=50, deadline=None)
def test_exchanging_the_sides_turns_the_sign(clips: list[tuple[bool, int, str]]) -> None:
    right, truth, who = zip(*clips, strict=True)
    one, other = run(right, truth, who), run(right[::-1], truth, who)
    there, back = compare([one], [other]), compare([other], [one])
    for ours, theirs in ((there.war, back.war), (there.uar, back.uar)):
        assert ours.value == pytest.approx(-theirs.value)
        assert ours.p == theirs.p


@given(CLIPS, st.randoms(), st.floats(0.5, 0.99))
@settings(max_examples=50, deadline=None)
def test_interval_and_p_are_of_one_test(clips: list[tuple[bool, int, str]], random: Any, level: float) -> None:
    """Also with seeds; p is below 1 - level exactly where the interval excludes 0."""
    right, truth, who = zip(*clips, strict=True)
    sides = [[run(random.sample(right, len(right)), truth, who) for _ in range(2)] for _ in range(2)]
    for seeds in (1, 2):
        them = compare(*(side[:seeds] for side in sides), level=level)
        for found in (them.war, them.uar):
            if found.p is not None and abs(found.p - (1 - level)) > 1e-6:
                assert found.p > 0
                assert (found.p < 1 - level) != contains(found, 0)
                assert width(found) > 0


def test_thousands_of_clips_take_under_two_seconds() -> None:
    truth, _ = clips_of(300, each=7)
    rng = np.random.default_rng(11)
    one, other = ([run(rng.random(2100) < 0.8, truth, [""] * 2100) for _ in range(3)] for _ in range(2))
    began = time.process_time()
    compare(one, other)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (run([1] * 6, [0, 1, 2, 0, 1, 2], "xxxyyz"), "subjects"),
        (run([1] * 6, [0, 1, 2, 0, 1, 1], "xxxyyy"), "truth"),
        (run([1] * 7, [0, 1, 2, 0, 1, 2, 0], "xxxyyyy"), "6 and 7 clips; 1 are on one side only, e.g. 'clip 6'"),
        (run([1] * 6, [0, 1, 2, 0, 1, 2], "xxxyyy", "other "), "12 are on one side only"),
    ],
)
def test_two_recipes_on_other_clips_are_not_compared(other: Predictions, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        compare([run([1] * 6, [0, 1, 2, 0, 1, 2], "xxxyyy")], [other])
    assert error.value.do


def test_runs_that_are_no_folds_are_refused() -> None:
    truth, who = clips_of(3)
    one = run(np.ones(18), truth, who.tolist())
    with pytest.raises(InputError, match="12 clips are in two"):
        estimate([one, one.take(np.arange(12))])
    with pytest.raises(InputError, match="truth"):
        estimate([one, run(np.ones(18), truth[::-1], who.tolist())])
    with pytest.raises(InputError, match="one part or more"):
        estimate([])


@pytest.mark.parametrize("options", [{"level": 0}, {"level": 95}])
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="level"):
        estimate([run([1, 1], [0, 1], "xy")], **options)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.5, None, 0.02]) == (0.5, None, 0.04)
    assert holm([0.9, 0.8]) == (1, 1)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_rejects_as_step_by_step(p_values: list[float]) -> None:
    """Against the procedure as Holm states it, at 5 %; the adjusted values keep the order."""
    rejected, ranked = set(), sorted(range(len(p_values)), key=lambda n: p_values[n])
    for rank, place in enumerate(ranked):
        if p_values[place] * (len(p_values) - rank) > 0.05:
            break
        rejected.add(place)
    adjusted = holm(p_values)
    assert {place for place, p in enumerate(adjusted) if p is not None and p <= 0.05} == rejected
    assert all(adjusted[a] <= adjusted[b] for a, b in pairwise(ranked))  # type: ignore[operator]


def test_folds_by_hand() -> None:
    truth, who = [0, 1, 0, 1], ["x", "x", "y", "y"]
    hits = {"1 ": ([1, 0, 0, 0], [1, 1, 1, 0]), "2 ": ([1, 1, 1, 1], [1, 1, 1, 1]), "3 ": ([0] * 4, [1, 1, 0, 0])}
    them = over_folds([run(right, truth, who, fold) for fold, both in hits.items() for right in both])
    shares = [0.5, 1, 0.25]
    assert (them.war.mean, them.war.deviation, them.war.count) == pytest.approx((np.mean(shares), 0.38188, 3), abs=1e-5)
    with pytest.raises(InputError, match="No values"):
        spread([])


def width(estimated: Any) -> float:
    assert estimated.interval is not None
    return float(estimated.interval[1] - estimated.interval[0])


def contains(estimated: Any, value: float) -> bool:
    assert estimated.interval is not None
    return bool(estimated.interval[0] <= value <= estimated.interval[1])
