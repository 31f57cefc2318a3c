"""The grid of an ablation: recipes, settings, a protocol and seeds; and the training runs that follow from it."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from fer_zoo.data import load, open_stores
from fer_zoo.errors import FerZooError, OptionError, RecipeError
from fer_zoo.evaluation.protocols import Protocol, check_apart, runs, split_name
from fer_zoo.evaluation.results import first_of
from fer_zoo.recipe_documents import parse
from fer_zoo.recipes import list_recipes, load_recipe
from fer_zoo.specs import Recipe
from fer_zoo.specs.base import Spec
from fer_zoo.training.preflight import check_clips, check_shares

# Longer names are cut: most file systems take 255 bytes.
_LONGEST = 120
_ACCEPTED = 200


class Grid(Spec):
    """The settings of an ablation; the keys of a grid file."""

    recipes: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names or paths; the first one is the baseline of a report."""
    set: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(default={})
    """Values for keys of the recipes, e.g. `train.lr: [1e-3, 1e-4]`; every combination is trained."""
    protocol: Protocol = Protocol()
    """How each recipe is evaluated; default its own split."""
    seeds: tuple[Annotated[int, Field(ge=0, strict=True)], ...] = ()
    """Seeds of the training runs; default the recipe's own."""


@dataclass(frozen=True)
class CellPlan:
    """One training run of an ablation."""

    name: str
    split: str
    recipe: Recipe

    @property
    def folder(self) -> str:
        """Folder of the run, relative to the ablation's folder."""
        return f"{_file_name(self.name)}/{_file_name(self.split)}/seed-{self.recipe.seed}"

    def __str__(self) -> str:
        return f"{self.name}, {self.split}, seed {self.recipe.seed}"

    def entry(self) -> dict[str, Any]:
        """Its entry in grid.json."""
        return {"recipe": self.name, "split": self.split, "seed": self.recipe.seed, "folder": self.folder}


def read_grid(path: str | Path) -> Grid:
    """Read a grid file.

    Raises:
        RecipeError: it is not YAML, or has a duplicate key.
        OptionError: it has unknown keys or wrong values.
    """
    try:
        data = parse(
            Path(path), keys="recipes, set, protocol and seeds", see="Protocols and ablations in the documentation"
        ).data
    except OSError as error:
        raise OptionError(f"{path} cannot be read: {error.strerror}.", "a YAML file", "check the path") from error
    if isinstance(values := data.get("set"), Mapping):
        data["set"] = {key: _listed(value) for key, value in values.items()}
    return Grid.checked(data | {key: _listed(data[key]) for key in ("recipes", "seeds") if key in data})


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def plan(grid: Grid, overrides: Sequence[str] = (), stores: Path | None = None) -> list[CellPlan]:
    """Return the training runs of a grid, seed by seed, after checking that each can start.

    Args:
        overrides: settings of every recipe, such as "data.dataset=synthict".
        stores: folder of the stores that the recipes do not name by a path; default `stores_root()`.

    Raises:
        RecipeError: lists every problem with the recipes, the protocol, the stores and their splits.
    """
    problems: dict[str, list[str]] = {}
    named: list[tuple[str, Recipe]] = []
    for recipe_name, values in itertools.product(grid.recipes, itertools.product(*grid.set.values())):
        settings = [_setting(key, value) for key, value in zip(grid.set, values, strict=True)]
        varied = [setting for setting, choices in zip(settings, grid.set.values(), strict=True) if len(choices) > 1]
        # A packaged recipe's name, or a file's without its folders.
        short = recipe_name if recipe_name in list_recipes() else Path(recipe_name).stem
        name = ", ".join([short, *varied])
        with _noted(problems, name):
            recipe = load_recipe(recipe_name, [*overrides, *settings])
            check_shares(recipe)
            named += [(name, run) for run in runs(recipe, grid.protocol, stores)]
    cells = [
        CellPlan(name, split_name(run), run.model_copy(update={"seed": run.seed if seed is None else seed}))
        for seed in (grid.seeds or (None,))
        for name, run in named
    ]
    # Lowercase: some file systems ignore case.
    counts = Counter(cell.folder.lower() for cell in cells)
    for cell in cells:
        if counts[cell.folder.lower()] > 1:
            text = "occurs more than once, or shares its folder with another run; list it once, or rename it"
            problems.setdefault(text, []).append(str(cell))
    _check_data(cells, stores, problems)
    if problems:
        texts = [f"{first_of(names, 3)}: {text}" for text, names in problems.items()]
        raise RecipeError(
            f"Nothing was started: {len(texts)} problem{'s' * (len(texts) != 1)}:",
            "recipes that load, and stores that match them",
            "fix the problems above",
            problems=texts,
        )
    return cells


def _setting(key: str, value: Any) -> str:
    # JSON is YAML; a list or a mapping in one line.
    return f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"


def _check_data(cells: Iterable[CellPlan], stores: Path | None, problems: dict[str, list[str]]) -> None:
    """Open the stores and make the splits as a training run does, once for recipes with the same data."""
    same: dict[str, list[CellPlan]] = {}
    for cell in cells:
        recipe = cell.recipe
        # What the clips of the sets depend on, and how many of them are needed.
        used = recipe.model_dump(mode="json", include={"data", "split", "seed"})
        model = recipe.model.model_dump(mode="json", include={"labels", "input"})
        batches = [stage and (stage.batch_size, stage.neutral_below) for stage in (recipe.pretrain, recipe.train)]
        same.setdefault(json.dumps([used, model, batches], sort_keys=True), []).append(cell)
    for alike in same.values():
        recipe = alike[0].recipe
        with _noted(problems, *map(str, alike)):
            if opened := open_stores(recipe, stores):  # else clips are made on demand, which may take hours
                parts = load(recipe, opened=opened)
                if "test" not in parts:
                    raise RecipeError(
                        "The split has no test set, so there is nothing to compare.",
                        "a split that holds subjects out for a test",
                        "use --folds, or train this recipe with `fer-zoo train`",
                    )
                check_apart(recipe, parts, opened)
                check_clips(recipe, parts)


@contextmanager
def _noted(problems: dict[str, list[str]], *names: str) -> Iterator[None]:
    """Note an error of the block as a problem of these runs."""
    try:
        yield
    except FerZooError as error:
        texts = list(error.problems) if isinstance(error, RecipeError) else []
        # The full list of names would fill a page for each problem.
        accepted = textwrap.shorten(error.accepted, _ACCEPTED, placeholder=" ...")
        for text in texts or [" ".join(f"{error.given} Accepted: {accepted}. What to do: {error.do}".split())]:
            problems.setdefault(text, []).extend(names)


def _file_name(text: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_.=+-]+", "__", text)
    if len(plain) <= _LONGEST:
        return plain
    return f"{plain[:_LONGEST]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
