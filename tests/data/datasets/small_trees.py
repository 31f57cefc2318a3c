"""A small good tree for each reader, and how to put in a label outside the map and a clip that is there already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reader_trees import tree

from fer_zoo.data.datasets.disfa import UNITS


@dataclass(frozen=True)
class Tree:
    """What a reader's tree is made of.

    Attributes:
        make: makes it below a root.
        keys: of its clips.
        odd, double: add a clip with a label outside the map, and one that is there already.
        labels: the files that say labels, each with the keys of clips that must stay without it.
    """

    make: Callable[[Path], object]
    keys: tuple[str, ...]
    odd: Callable[[Path], object]
    double: Callable[[Path], object]
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def write(root: Path, name: str, text: str) -> None:
    tree(root, name)
    (root / name).write_text(text)


def add(root: Path, name: str, text: str) -> None:
    with (root / name).open("a") as file:
        file.write(text)


def ckplus(root: Path, subject: str, code: int) -> None:
    stem = f"{subject}_001_0000000"
    tree(root, *(f"cohn-kanade-images/{subject}/001/{stem}{number}.png" for number in (1, 2, 3)))
    write(root, f"Emotion/{subject}/001/{stem}3_emotion.txt", f"   {code:.7e}\n")


def mmi(root: Path, session: int, clip: str, emotion: int) -> None:
    place = f"Sessions/{session}"
    tree(root, f"{place}/{clip}.avi")
    write(root, f"{place}/session.xml", '<session><track view="0"/></session>')
    write(root, f"{place}/{clip}.xml", f'<a><Metatag Name="Emotion" Value="{emotion}"/></a>')


def disfa(root: Path, subject: str, smile: int, place: str = "ActionUnit_Labels") -> None:
    for unit in UNITS:
        value = smile if unit in (6, 12) else 0
        write(root, f"{place}/{subject}/{subject}_au{unit}.txt", "".join(f"{n},{value}\n" for n in range(1, 11)))
    tree(root, f"Videos_LeftCamera/LeftVideo{subject}_comp.avi")


def dfew(root: Path) -> None:
    tree(root, *(f"Clip/jpg_256/{clip:05}/{n}.jpg" for clip in (1, 2, 3) for n in (1, 2)))
    write(root, f"{DFEW}/train(single-labeled)/set_1.csv", "video_name,label\n1,1\n")
    write(root, f"{DFEW}/test(single-labeled)/set_1.csv", "video_name,label\n2,2\n")


def ferv39k(root: Path) -> None:
    tree(root, *(f"2_ClipsforFaceCrop/War/Sad/000{n}/1.jpg" for n in (1, 2)))
    write(root, "4_setups/All_scenes/train_All.csv", "War/Sad/0001 Sad\n")
    write(root, "4_setups/All_scenes/test_All.csv", "War/Sad/0002 Sad\n")


def mafw(root: Path) -> None:
    tree(root, *(f"data/clips/0000{n}.mp4" for n in (1, 2, 3)))
    write(root, f"{MAFW}/train.txt", "00001.mp4 fear\n")
    write(root, f"{MAFW}/test.txt", "00002.mp4 anger\n")


def fera(root: Path) -> None:
    tree(root, "train/train_001.avi", "train/train_002.avi", "train/train_003.avi")
    write(root, "fera.csv", "clip,emotion,subject\ntrain_001,joy,a\ntrain_002,fear,b\n")


def csv(root: Path) -> None:
    tree(root, "videos/a.mp4", "pictures/b/1.jpg")
    write(root, "clips.csv", "path,label,subject\nvideos/a.mp4,fear,anna\npictures/b,anger,bo\n")


DFEW, MAFW = "EmoLabel_DataSplit", "split/single/no_caption/set_1"
TREES: Mapping[str, Tree] = {
    "afew": Tree(
        make=lambda root: tree(root, "Train_AFEW/Fear/000000001.avi", "Val_AFEW/Angry/000000002/1.jpg"),
        keys=("train/fear/000000001", "val/anger/000000002"),
        odd=lambda root: tree(root, "Train_AFEW/Bored/000000003.avi"),
        double=lambda root: tree(root, "Train_AFEW/Fear/000000001.mp4"),
    ),
    "ckplus": Tree(
        make=lambda root: (ckplus(root, "S005", 1), ckplus(root, "S006", 5)),
        keys=("S005/001", "S006/001"),
        odd=lambda root: ckplus(root, "S007", 9),
        double=lambda root: ckplus(root, "s005", 1),
        labels={"Emotion/S005/001/S005_001_00000003_emotion.txt": ("S006/001",)},
    ),
    "cremad": Tree(
        make=lambda root: tree(root, "VideoFlash/1001_DFA_ANG_XX.flv", "VideoFlash/1002_DFA_SAD_XX.flv"),
        keys=("1001_DFA_ANG_XX", "1002_DFA_SAD_XX"),
        odd=lambda root: tree(root, "VideoFlash/1001_DFA_SUR_XX.flv"),
        double=lambda root: tree(root, "VideoFlash/1001_DFA_ANG_XX.mp4"),
    ),
    "csv": Tree(
        make=csv,
        keys=("pictures/b", "videos/a.mp4"),
        odd=lambda root: (tree(root, "c.mp4"), add(root, "clips.csv", "c.mp4,sadnes,anna\n")),
        double=lambda root: add(root, "clips.csv", "./videos/a.mp4,fear,anna\n"),
        labels={"clips.csv": ()},
    ),
    "dfew": Tree(
        make=dfew,
        keys=("00001", "00002"),
        odd=lambda root: add(root, f"{DFEW}/train(single-labeled)/set_1.csv", "3,9\n"),
        double=lambda root: (
            tree(root, "Clip/jpg_256/00003/1.jpg"),
            add(root, f"{DFEW}/train(single-labeled)/set_1.csv", "3,1\n3,2\n"),
        ),
        labels={f"{DFEW}/train(single-labeled)/set_1.csv": ("00002",)},
    ),
    "disfa": Tree(
        make=lambda root: (disfa(root, "SN001", 3), disfa(root, "SN002", 2)),
        keys=("SN001/00000", "SN002/00000"),
        odd=lambda root: disfa(root, "SN003", 9),
        double=lambda root: tree(root, "Videos_LeftCamera/LeftVideoSN001_again.avi"),
        labels={"ActionUnit_Labels/SN001/SN001_au6.txt": ("SN002/00000",)},
    ),
    "fera": Tree(
        make=fera,
        keys=("train/train_001", "train/train_002"),
        odd=lambda root: add(root, "fera.csv", "train_003,bored,a\n"),
        double=lambda root: add(root, "fera.csv", "train/train_001.avi,joy,a\n"),
        labels={"fera.csv": ()},
    ),
    "ferv39k": Tree(
        make=ferv39k,
        keys=("War/Sad/0001", "War/Sad/0002"),
        odd=lambda root: (
            tree(root, "2_ClipsforFaceCrop/War/Bored/0003/1.jpg"),
            add(root, "4_setups/All_scenes/train_All.csv", "War/Bored/0003 Bored\n"),
        ),
        double=lambda root: (
            tree(root, "2_ClipsforFaceCrop/War/Sad/0003/1.jpg"),
            add(root, "4_setups/All_scenes/train_All.csv", "War/Sad/0003 Sad\n"),
            add(root, "4_setups/All_scenes/test_All.csv", "War/Sad/0003 Sad\n"),
        ),
        labels={"4_setups/All_scenes/train_All.csv": ("War/Sad/0002",)},
    ),
    "folder": Tree(
        make=lambda root: tree(root, "fear/a.mp4", "Angry/b/1.jpg"),
        keys=("Angry/b", "fear/a.mp4"),
        odd=lambda root: tree(root, "sadnes/c.mp4"),
        # The same name in another folder is another clip here: nothing else says what is one.
        double=lambda root: tree(root, "sadness/"),
    ),
    "mafw": Tree(
        make=mafw,
        keys=("00001", "00002"),
        odd=lambda root: add(root, f"{MAFW}/train.txt", "00003.mp4 bored\n"),
        double=lambda root: add(root, f"{MAFW}/train.txt", "00003.mp4 fear\n00003.mp4 anger\n"),
        labels={f"{MAFW}/train.txt": ("00002",)},
    ),
    "mmi": Tree(
        make=lambda root: (mmi(root, 1, "S001-001", 1), mmi(root, 2, "S002-001", 6)),
        keys=("S001-001", "S002-001"),
        odd=lambda root: mmi(root, 3, "S003-001", 9),
        double=lambda root: mmi(root, 4, "S001-001", 1),
        labels={"Sessions/1/session.xml": ("S002-001",), "Sessions/1/S001-001.xml": ("S002-001",)},
    ),
    "oulu_casia": Tree(
        make=lambda root: tree(root, *(f"OriginalImg/VL/Strong/P00{n}/Fear/000.jpeg" for n in (1, 2))),
        keys=("VL/Strong/P001/fear", "VL/Strong/P002/fear"),
        odd=lambda root: tree(root, "OriginalImg/VL/Strong/P001/Bored/000.jpeg"),
        double=lambda root: tree(root, "OriginalImg/VL/Strong/p001/Fear/000.jpeg"),
    ),
    "ravdess": Tree(
        make=lambda root: tree(root, *(f"Actor_0{n}/02-01-03-01-01-01-0{n}.mp4" for n in (1, 2))),
        keys=("Actor_01/02-01-03-01-01-01-01", "Actor_02/02-01-03-01-01-01-02"),
        odd=lambda root: tree(root, "Actor_01/02-01-09-01-01-01-01.mp4"),
        double=lambda root: tree(root, "again/Actor_01/02-01-03-01-01-01-01.mp4"),
    ),
}
