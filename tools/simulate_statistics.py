"""Simulate how often intervals hold the truth and tests err, for the table of methods in docs/statistics.md.

    python tools/simulate_statistics.py [--repeats 2000] [WORLD ...]

A dataset has subjects of different difficulty, each with an effect of its own for each recipe, and seeds that are
better or worse for all subjects. Two recipes that are equal in expectation give the type I error, two that differ give
the power, one recipe gives the coverage. Compared with the method of `fer_zoo.evaluation.statistics`:

- Satterthwaite: the same variance, with the degrees of freedom of Satterthwaite (1946);
- bootstrap: subjects and seeds both drawn with replacement (the pigeonhole bootstrap, Owen 2007), percentile p;
- Welch: the t-test over the seeds' values, which does not know of subjects.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from fer_zoo.evaluation.variance import Floats, Index, Uncertainty, clip_weights, seed_noise, uncertainties

CLASSES = 7
UNEQUAL = np.array([0.30, 0.22, 0.16, 0.12, 0.10, 0.07, 0.03])
HARDER = np.array([0.8, 0.5, 0.2, 0.0, -0.2, -0.6, -1.2])
RARE = np.array([0.2, 0.2, 0.19, 0.19, 0.1, 0.1, 0.02])
SUBJECT_SD, RECIPE_SD = 0.8, 0.6
Generator = np.random.Generator


@dataclass(frozen=True)
class World:
    """How datasets are drawn; effects are log odds, clips gives the number of clips of each subject."""

    name: str
    subjects: int
    seeds: int = 1
    folds: int = 1
    clips: Callable[[Generator, int], Index] | None = None
    classes: Floats | None = None
    """Probability of each class; None for one clip of every class per subject."""
    easier: Floats | None = None
    base: float = 0.9
    seed_sd: float = 0.35
    """Not used with one seed, whose interval and p do not cover other seeds."""
    difference: float = 0.6

    def truth(self) -> Floats:
        """WAR and UAR over all subjects and seeds."""
        normal = np.random.default_rng(0).normal(0, 1, (2, 200_000))
        effects = SUBJECT_SD * normal[0] + self._seed_sd() * normal[1]
        recall = np.array([_share(self.base + easier + effects).mean() for easier in self._easier()])
        return np.array([recall.mean() if self.classes is None else self.classes @ recall, recall.mean()])

    def draw(self, rng: Generator) -> tuple[Index, Index]:
        """Number of the subject and label of each clip (N,); the subjects of a fold follow each other."""
        counts = np.full(self.subjects, CLASSES) if self.clips is None else self.clips(rng, self.subjects)
        who = np.arange(self.subjects).repeat(counts)
        labels = np.tile(np.arange(CLASSES), self.subjects) if self.classes is None else None
        return who, rng.choice(CLASSES, len(who), p=self.classes) if labels is None else labels

    def hits(self, rng: Generator, who: Index, labels: Index, skill: Floats) -> list[Floats]:
        """For each fold (seeds, clips), 1 where a run is right."""
        logits = self.base + self._easier()[labels] + skill[who]
        fold = who * self.folds // self.subjects
        parts = np.split(logits, np.searchsorted(fold, np.arange(1, self.folds)))
        lucks = rng.normal(0, self._seed_sd(), (self.folds, self.seeds, 1))
        return [
            (rng.random((self.seeds, len(part))) < _share(part + luck)).astype(float)
            for part, luck in zip(parts, lucks, strict=True)
        ]

    def _easier(self) -> Floats:
        return np.zeros(CLASSES) if self.easier is None else self.easier

    def _seed_sd(self) -> float:
        return self.seed_sd if self.seeds > 1 else 0.0


def worlds() -> list[World]:
    """The grid of the table."""
    unequal = {"classes": UNEQUAL, "easier": HARDER}
    found = [World("one clip per class", n, seeds) for n in (10, 30, 150) for seeds in (1, 2, 3, 5)]
    found += [World("one clip per class", n, s, folds=5) for n, s in ((50, 1), (50, 2), (50, 3), (50, 5), (150, 2))]
    for seeds in (1, 3):
        found += [
            World("1 to 5 clips", 118, seeds, clips=lambda rng, n: rng.integers(1, 6, n), **unequal),  # type: ignore[arg-type]
            World("1 to 3 clips", 60, seeds, clips=lambda rng, n: rng.integers(1, 4, n), **unequal),  # type: ignore[arg-type]
            World("2 to 40 clips", 60, seeds, clips=_two_to_forty, **unequal),  # type: ignore[arg-type]
            World("a class in 2 % of clips", 60, seeds, clips=lambda _, n: np.full(n, 5), classes=RARE,
                  easier=np.array([0, 0, 0, 0, 0, 0, -1.0])),
            World("about 97.5 % right", 60, seeds, base=4.0),
        ]  # fmt: skip
    found += [
        World("weak seed noise", 30, seeds, seed_sd=0.1) for seeds in (2, 3)
    ] + [World("strong seed noise", 100, seeds, seed_sd=0.5) for seeds in (2, 3)]  # fmt: skip
    return found


@dataclass
class Rates:
    """What was counted in a world: shares of the datasets, for WAR and UAR where two are given."""

    error: Floats
    satterthwaite: Floats
    bootstrap: float
    welch: float
    power: Floats
    welch_power: float
    coverage: Floats


def rates(world: World, repeats: int, bootstraps: int = 0) -> Rates:
    """Simulate a world: `repeats` datasets of equal recipes and of one, half as many of unequal recipes."""
    seed = [world.subjects, world.seeds, world.folds, *world.name.encode()]
    equal = np.array(
        [p_values(world, np.random.default_rng([*seed, n]), 0.0, n < bootstraps) for n in range(repeats)]
    )  # fmt: skip
    unequal = np.array(
        [p_values(world, np.random.default_rng([*seed, n, 1]), world.difference, False) for n in range(repeats // 2)]
    )
    truth = world.truth()
    covered = [covers(world, np.random.default_rng([*seed, n, 2]), truth) for n in range(repeats)]
    low = [np.where(np.isnan(trial), np.nan, trial < 0.05).mean(axis=0) for trial in (equal, unequal)]
    boot = float((equal[:bootstraps, 5] < 0.05).mean()) if bootstraps else np.nan
    return Rates(low[0][:2], low[0][2:4], boot, low[0][4], low[1][:2], low[1][4], np.mean(covered, axis=0))


def covers(world: World, rng: Generator, truth: Floats) -> list[bool]:
    """Whether the intervals of one recipe's WAR and UAR hold the truth in one dataset."""
    who, labels = world.draw(rng)
    hits = world.hits(rng, who, labels, rng.normal(0, SUBJECT_SD, world.subjects))
    right, weights = _means(hits), clip_weights(labels)
    found = uncertainties(who, labels, right, [seed_noise(who, weights, hits)]) or []
    intervals = [each.around_share(value, 0.95) for each, value in zip(found, weights @ right, strict=True)]
    return [low <= value <= high for (low, high), value in zip(intervals, truth, strict=True)]


def p_values(world: World, rng: Generator, difference: float, bootstrap: bool) -> list[float]:
    """p-values of one dataset: ours for WAR and UAR, Satterthwaite's for both, Welch's and the bootstrap's for WAR."""
    who, labels = world.draw(rng)
    skill = rng.normal(0, SUBJECT_SD, world.subjects)
    sides = [
        world.hits(rng, who, labels, skill + rng.normal(0, RECIPE_SD, world.subjects) + more)
        for more in (difference, 0.0)
    ]
    weights = clip_weights(labels)
    excess = _means(sides[0]) - _means(sides[1])
    found = uncertainties(who, labels, excess, [seed_noise(who, weights, hits) for hits in sides]) or []
    values = (weights @ excess).tolist()
    ours = [each.p_value(value) for each, value in zip(found, values, strict=True)]
    others = [_satterthwaite(each, value) for each, value in zip(found, values, strict=True)]
    return [*ours, *others, _welch(sides), _pigeonhole(rng, who, sides) if bootstrap else 1.0]


def _satterthwaite(found: Uncertainty, value: float) -> float:
    share, seeds = found.seed_share, max(found.seed_freedom, 1)
    freedom = 1 / ((1 - share) ** 2 / found.subject_freedom + share**2 / seeds)
    return float(2 * stdtr(freedom, -abs(value) / found.variance**0.5))


def _welch(sides: Sequence[Sequence[Floats]]) -> float:
    runs = [np.concatenate(hits, axis=1).mean(axis=1) for hits in sides]
    count = len(runs[0])
    if count < 2:
        return np.nan
    parts = [side.var(ddof=1) / count for side in runs]
    if not sum(parts):
        return 1.0
    freedom = sum(parts) ** 2 / sum(part**2 / (count - 1) for part in parts)
    return float(2 * stdtr(freedom, -abs(runs[0].mean() - runs[1].mean()) / sum(parts) ** 0.5))


def _pigeonhole(rng: Generator, who: Index, sides: Sequence[Sequence[Floats]], draws: int = 400) -> float:
    """Of WAR; the seeds of all folds are drawn together."""
    subjects = int(who.max()) + 1
    times = rng.multinomial(subjects, np.full(subjects, 1 / subjects), draws)
    drawn = np.zeros(draws)
    for sign, hits in zip((1, -1), sides, strict=True):
        joined = np.concatenate(hits, axis=1)
        sums = np.array([np.bincount(who, run, subjects) for run in joined])
        seeds = rng.multinomial(len(joined), np.full(len(joined), 1 / len(joined)), draws) / len(joined)
        drawn += sign * ((times @ sums.T) * seeds).sum(axis=1) / (times @ np.bincount(who, minlength=subjects))
    return float(min(1, 2 * min((drawn <= 0).mean(), (drawn >= 0).mean())))


def _means(hits: Sequence[Floats]) -> Floats:
    return np.concatenate([fold.mean(axis=0) for fold in hits])


def _share(logits: Floats) -> Floats:
    return 1 / (1 + np.exp(-logits))


def _two_to_forty(rng: Generator, subjects: int) -> Index:
    return rng.choice([2, 3, 5, 8, 40], subjects, p=[0.3, 0.3, 0.2, 0.15, 0.05])


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("worlds", nargs="*", metavar="WORLD", help="names of worlds; default all")
    parser.add_argument("--repeats", type=int, default=2000)
    arguments = parser.parse_args()
    print("| data | subjects | folds | seeds | type I: ours | Satterthwaite | bootstrap | Welch | power: ours | Welch "
          "| coverage |\n|---|---|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    for world in worlds():
        if arguments.worlds and world.name not in arguments.worlds:
            continue
        of = rates(world, arguments.repeats, bootstraps=min(500, arguments.repeats))
        cells = [world.name, world.subjects, world.folds, world.seeds]
        cells += [_per_cent(of.error), _per_cent(of.satterthwaite), _per_cent(of.bootstrap), _per_cent(of.welch)]
        cells += [_per_cent(of.power), _per_cent(of.welch_power), _per_cent(of.coverage)]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


def _per_cent(shares: Floats | float) -> str:
    return " / ".join("–" if np.isnan(share) else f"{100 * share:.1f}" for share in np.atleast_1d(shares))


if __name__ == "__main__":
    main()
