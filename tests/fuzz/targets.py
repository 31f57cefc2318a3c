"""What is read, from which seeds, how a case is damaged, and what a right result is."""

from __future__ import annotations

import csv
import io
import math
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from .formats import damaged_media, damaged_table, damaged_tensors
from .mutate import damaged_bytes, damaged_json, damaged_yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

STORE_CLIPS = 4
SIGN = "make-hashes-right"  # a file beside the input: whoever damaged it also made its hashes right
SPLIT_CLIPS = {f"k{n}": f"s{n // 2}" for n in range(8)}
STORE = "f" * 64


@dataclass(frozen=True)
class Target:
    """`seed` writes undamaged inputs, one folder each; `damage` changes a copy; `read` reads it and checks the result.

    `cases` is how many a bounded run takes.
    """

    seed: Callable[[Path], None]
    damage: Callable[[Random, Path], None]
    read: Callable[[Path], None]
    cases: int


def rewrite(path: Path, change: Callable[[Random, str], str], rng: Random) -> None:
    text = change(rng, path.read_text(encoding="utf-8"))
    # Surrogate escapes are bytes that are not UTF-8, or cannot be written at all.
    path.write_bytes(text.encode("utf-8", "surrogatepass" if "\ud800" in text else "surrogateescape"))


# Recipes


def seed_recipes(folder: Path) -> None:
    from fer_zoo.recipes import find_recipe

    for number, name in enumerate(("quickstart", "ablations/temporal_gru", "paper/cross_fera")):
        (folder / str(number)).mkdir()
        text = find_recipe(name).read_text()
        (folder / str(number) / "r.yaml").write_text(text.replace("extends: base", "extends: ablations/base"))


def damage_recipe(rng: Random, case: Path) -> None:
    rewrite(case / "r.yaml", damaged_yaml, rng)


def read_recipe(case: Path) -> None:
    from fer_zoo.recipes import dump_recipe, load_recipe

    recipe = load_recipe(case / "r.yaml")
    (case / "again.yaml").write_text(dump_recipe(recipe), encoding="utf-8")
    assert load_recipe(case / "again.yaml") == recipe, "another recipe after writing and reading"


# Weights folders: config, card, recipe; tensors


def seed_weights(folder: Path) -> None:
    from weights_folders import make_folder

    make_folder(folder / "0" / "w")
    make_folder(folder / "1" / "w", max_shard=20_000)  # shards and an index


def damage_weights(rng: Random, case: Path) -> None:
    config, card, recipe = case / "w" / "config.json", case / "w" / "README.md", case / "w" / "recipe.yaml"
    kind = rng.randrange(3)
    if kind == 0:
        rewrite(config, damaged_json, rng)
    elif kind == 1:
        rewrite(recipe, damaged_yaml, rng)
    else:
        _, front, body = card.read_text().split("---\n", 2)
        changed = f"---\n{damaged_yaml(rng, front)}\n---\n{body}"
        card.write_bytes(changed.encode("utf-8", "surrogatepass" if "\ud800" in changed else "surrogateescape"))
    if kind != 2 and rng.random() < 0.8:
        (case / SIGN).touch()


def damage_tensors(rng: Random, case: Path) -> None:
    files = sorted((case / "w").glob("*.safetensors*"))
    file = rng.choice(files)
    if file.suffix == ".json":
        rewrite(file, damaged_json, rng)
    else:
        file.write_bytes(damaged_tensors(rng, file.read_bytes()))
    if rng.random() < 0.8:
        (case / SIGN).touch()


def make_hashes_right(folder: Path) -> None:
    """What a stranger does who means harm: every hash is that of the changed files."""
    from weights_folders import change_record, record, sha256

    card = record(folder)
    recipe = card["beside"]["recipe.yaml"].encode(), sha256(folder / "recipe.yaml").encode()
    for file in folder.glob("model*.safetensors"):
        file.write_bytes(file.read_bytes().replace(*recipe))
    whole = folder / "model.safetensors"
    change_record(
        folder,
        sha256=sha256(whole if whole.exists() else folder / "model.safetensors.index.json"),
        beside={name: sha256(folder / name) for name in card["beside"]},
        files={name: sha256(folder / name) for name in card["files"]} if card.get("files") else None,
    )


def read_weights(case: Path) -> None:
    import torch

    from fer_zoo.weights import check_folder, load_weights, read_folder

    folder = case / "w"
    if (case / SIGN).exists():
        make_hashes_right(folder)
    read_folder(folder)
    model = load_weights(folder)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in model.parameters()), "weights that are not finite"
    check_folder(folder)


# Stores


def seed_stores(folder: Path) -> None:
    from store_clips import small_store

    small_store(folder / "0" / "store", shards=2, per_shard=STORE_CLIPS // 2)
    small_store(folder / "1" / "store", shards=2, per_shard=STORE_CLIPS // 2, encoding="jpeg")


def damage_store(rng: Random, case: Path) -> None:
    files = sorted(path for path in (case / "store").rglob("*") if path.is_file())
    file = rng.choice(files)
    if file.suffix == ".json":
        rewrite(file, damaged_json, rng)
    elif rng.random() < 0.05:
        file.unlink()
    else:
        file.write_bytes(damaged_bytes(rng, file.read_bytes()))


def read_store(case: Path) -> None:
    from store_clips import LABELS, clip

    from fer_zoo.data.store import open_store

    store = open_store(case / "store")
    _ = store.failures(), store.labels(), store.subjects(), store.groupings()
    store.verify()
    clips = [*map(store.clip, range(len(store)))]
    # Clips cannot change while the hashes match; here the hashes were not adapted.
    assert len(clips) == len(store) == STORE_CLIPS, f"{len(clips)} clips in a store that was made of {STORE_CLIPS}"
    for number, found in enumerate(clips):
        made = clip(number)
        assert found.facts == made.facts, "other facts of a clip, and verify says that all is well"
        assert np.array_equal(found.landmarks, made.landmarks, equal_nan=True), "other landmarks"
        if store.header.encoding == "raw":
            assert np.array_equal(found.frames, made.frames), "other pixels"
    chosen = store.as_clip_set(LABELS)
    assert chosen.read(np.arange(len(store))).shape[0] == len(store)


# Tables of the user's own clips


def seed_tables(folder: Path) -> None:
    plain = "path,label,subject\na.mp4,happiness,anna\nb.mp4,surprise,anna\nc.mp4,happiness,ben\nd.mp4,fear,cora\n"
    ranges = "path,label,subject,start,end\na.mp4,happiness,anna,0,20\na.mp4,fear,anna,20,40\nb.mp4,anger,ben,,\n"
    for number, text in enumerate((plain, ranges)):
        (folder / str(number)).mkdir()
        (folder / str(number) / "clips.csv").write_text(text)
        for name in "abcd":
            (folder / str(number) / f"{name}.mp4").write_bytes(name.encode() * 100)


def damage_table(rng: Random, case: Path) -> None:
    file = case / "clips.csv"
    file.write_bytes(damaged_table(rng, file.read_bytes()))


def read_table(case: Path) -> None:
    from fer_zoo.data.reading import open_database

    database = open_database("csv", case, {})
    sources = list(database.sources())
    assert sources, "no source and no error"
    keys = [source.key for source in sources]
    assert len(set(keys)) == len(keys), "two sources of one key"
    for source in sources:
        assert source.label
        assert source.label == source.label.strip()
        assert source.subject is None or source.subject.strip().lower() not in ("", "nan"), "a subject without a name"
        assert source.frames is None or 0 <= source.frames[0] < source.frames[1], "an empty range"
        for file in source.files:
            assert (case / file).is_file()
            assert (case / file).resolve().is_relative_to(case.resolve()), "a file outside the root"


# Split files


def seed_splits(folder: Path) -> None:
    from fer_zoo.data.split_files import write_splits
    from fer_zoo.data.splits import Split

    keys = list(SPLIT_CLIPS)
    (folder / "0").mkdir()
    one = Split("fold 1 of 2", tuple(keys[:4]), tuple(keys[4:6]), tuple(keys[6:]))
    other = Split("fold 2 of 2", tuple(keys[4:]), tuple(keys[:2]), tuple(keys[2:4]))
    write_splits(folder / "0" / "splits.json", [one, other], store=STORE, seed=1)


def damage_splits(rng: Random, case: Path) -> None:
    rewrite(case / "splits.json", damaged_json, rng)


def read_split_file(case: Path) -> None:
    from fer_zoo.data.split_files import read_splits

    for split in read_splits(case / "splits.json", store=STORE, subjects=SPLIT_CLIPS):
        assert isinstance(split.name, str)
        parts = [split.train, split.validation, split.test]
        keys = [key for part in parts for key in part]
        assert set(keys) <= set(SPLIT_CLIPS), "a clip that the store does not have"
        assert len(keys) == len(set(keys)), "a clip twice"
        whose = [{SPLIT_CLIPS[key] for key in part} for part in parts]
        assert sum(map(len, whose)) == len(set().union(*whose)), "a subject in two parts"


# Tables of predictions


def seed_predictions(folder: Path) -> None:
    rows = [["key", "subject", "video", "truth", "p_anger", "p_joy"]]
    rows += [[f"k{n}", f"s{n // 2}", f"v{n}", ("anger", "joy")[n % 2], "0.25", "0.75"] for n in range(6)]
    from fer_zoo.training.predictions import Predictions

    (folder / "0").mkdir()
    columns = [np.array(column) for column in zip(*(row[:3] for row in rows[1:]), strict=True)]
    truth, shares = np.arange(6) % 2, np.tile([0.25, 0.75], (6, 1))
    Predictions(("anger", "joy"), *columns, truth, shares).write(folder / "0" / "test.csv")


def damage_predictions(rng: Random, case: Path) -> None:
    file = case / "test.csv"
    text = file.read_text()
    if rng.random() < 0.5:  # as `write` quotes it
        rows = list(csv.reader(io.StringIO(text)))
        text = "\n".join(",".join(row) for row in rows) + "\n"
    file.write_bytes(damaged_table(rng, text.encode()))


def read_predictions(case: Path) -> None:
    from fer_zoo.training.metrics import figures
    from fer_zoo.training.predictions import Predictions

    found = Predictions.read(case / "test.csv")
    assert np.isfinite(found.probabilities).all()
    assert len(set(found.keys.tolist())) == len(found), "a clip twice"
    if len(found):
        assert 0 <= figures(found).war <= 1
        assert 0 <= figures(found.by_video()).uar <= 1


# Videos and pictures


def seed_media(folder: Path) -> None:
    from PIL import Image
    from video_files import draw, encode, sounding

    images = [draw([("red", 20 + 2 * n, 24, 20)], 64, 48) for n in range(12)]
    videos = {
        "a.mp4": {}, "a.mkv": {"codec": "mpeg4"}, "a.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
        "a.avi": {"codec": "mpeg4"}, "a.webm": {"codec": "libvpx"}, "a.ts": {"codec": "mpeg2video"},
        "a.gif": {"codec": "gif", "pix_fmt": "rgb8"}, "turned.mp4": {"rotation": 90},
    }  # fmt: skip
    for number, (name, options) in enumerate(videos.items()):
        (folder / f"{number:02d}").mkdir()
        encode(folder / f"{number:02d}" / name, images, **options)
    (folder / "20").mkdir()
    sounding(folder / "20" / "sound.mp4", images, seconds=0.4)
    exif = Image.Exif()
    exif[0x0112] = 6
    for number, kind in enumerate(("jpg", "png", "webp", "bmp", "tiff"), 30):
        (folder / str(number)).mkdir()
        options = {"exif": exif} if kind == "jpg" else {}
        Image.fromarray(images[0]).save(folder / str(number) / f"a.{kind}", **options)


def damage_media(rng: Random, case: Path) -> None:
    (file,) = case.iterdir()
    file.write_bytes(damaged_media(rng, file.read_bytes()))


def read_media(case: Path) -> None:
    from fer_zoo.video.reader import open_video

    (file,) = case.iterdir()
    video = open_video(file)
    last = -math.inf
    for number, frame in enumerate(video.frames()):
        assert frame.index == number
        assert math.isfinite(frame.time_s), "a time that is not finite"
        assert frame.time_s > last, "time does not increase"
        assert frame.image.dtype == np.uint8
        assert frame.image.ndim == 3
        assert frame.image.shape[2] == 3
        assert max(frame.image.shape) <= 1920
        last = frame.time_s
        if number > 500:
            break


# The command line


def seed_commands(folder: Path) -> None:
    for number, (make, verb) in enumerate((
        (seed_recipes, "recipes validate {}/r.yaml"),
        (seed_recipes, "recipes diff quickstart {}/r.yaml"),
        (seed_tables, "data check csv --root {} --option file=clips.csv"),
        (seed_stores, "data verify {}/store"),
        (seed_stores, "data split {}/store --folds 3 --out {}/splits.json"),
    )):  # fmt: skip
        made = folder / f"made{number}"
        made.mkdir()
        make(made)
        shutil.move(made / "0", folder / str(number))
        shutil.rmtree(made)
        (folder / str(number) / "command").write_text(verb)


def damage_command(rng: Random, case: Path) -> None:
    damages = {"r.yaml": damage_recipe, "clips.csv": damage_table, "store": damage_store}
    next(damage for name, damage in damages.items() if (case / name).exists())(rng, case)


def read_command(case: Path) -> None:
    from fer_zoo import cli

    words = (case / "command").read_text().split()
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as err:
        code = cli.main([word.format(case) for word in words])
    output = err.getvalue()
    assert code in (0, 2, 4), f"exit code {code}: {output[:500]}"
    assert (code == 0) or ("What to do" in output and "Traceback" not in output), f"exit code {code}: {output[:500]}"


# What the harness must see, for its own test


def seed_probe(folder: Path) -> None:
    (folder / "0").mkdir()
    (folder / "0" / "what").write_text("right")


def read_probe(case: Path) -> None:
    import faulthandler

    from fer_zoo.errors import FerZooError

    what = (case / "what").read_text()
    if what == "bare":
        raise KeyError(what)
    if what == "vague":
        raise FerZooError("Something is wrong.")
    if what == "crash":
        faulthandler._sigsegv()  # type: ignore[attr-defined]
    if what == "memory":
        bytearray(16 * 2**30)
    while what == "loop":
        pass


PROBE = Target(seed_probe, lambda rng, case: None, read_probe, 3)
TARGETS = {
    "recipe": Target(seed_recipes, damage_recipe, read_recipe, 500),
    "weights": Target(seed_weights, damage_weights, read_weights, 150),
    "tensors": Target(seed_weights, damage_tensors, read_weights, 120),
    "store": Target(seed_stores, damage_store, read_store, 600),
    "table": Target(seed_tables, damage_table, read_table, 800),
    "splits": Target(seed_splits, damage_splits, read_split_file, 800),
    "predictions": Target(seed_predictions, damage_predictions, read_predictions, 600),
    "media": Target(seed_media, damage_media, read_media, 400),
    "command": Target(seed_commands, damage_command, read_command, 120),
}
