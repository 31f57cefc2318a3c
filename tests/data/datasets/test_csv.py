"""The user's own list of clips: paths, labels, subjects, frames, and everything that can be wrong with it."""

from __future__ import annotations

import csv as csv_of_python
from pathlib import Path

import pytest
from reader_trees import check, check_reader, database, sources, tree

from fer_zoo.errors import InputError, OptionError


def listed(root: Path, text: str | bytes, name: str = "clips.csv") -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return root


def test_the_module_does_not_hide_the_one_of_python() -> None:
    assert csv_of_python.__file__.endswith("csv.py")
    assert hasattr(csv_of_python, "DictReader")


def test_rows_become_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "a/one.mp4", "two.mov", "seq/2.png", "seq/10.png", "seq/.DS_Store")
    rows = "a/one.mp4,Angry,anna,20,30\na/one.mp4,joy,anna,5,20\nseq,fear,bo,0,2\n\n two.mov , sadness , bo ,,\n"
    listed(tmp_path, f"path,label,subject,start,end\n{rows}")
    found = sources("csv", tmp_path, fps=30)
    assert list(found) == ["a/one.mp4/000005-000020", "a/one.mp4/000020-000030", "seq/000000-000002", "two.mov"]
    assert [source.label for source in found.values()] == ["happiness", "anger", "fear", "sadness"]
    assert [source.subject for source in found.values()] == ["anna", "anna", "bo", "bo"]
    assert [source.frames for source in found.values()] == [(5, 20), (20, 30), (0, 2), None]
    assert found["seq/000000-000002"].files == (Path("seq/2.png"), Path("seq/10.png"))
    assert [source.fps for source in found.values()] == [None, None, 30.0, None]
    assert check(database("csv", tmp_path)) == []
    check_reader("csv", tmp_path, monkeypatch, fps=30)


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfpath,label,subject\r\na.mp4,fear,s\xc3\xbc\r\n",
        "path,label,subject\na.mp4,fear,s\xfc\n".encode("latin-1"),
        "path,label,subject\na.mp4,fear,s\xfc\n".encode("utf-16"),
        'Subject, LABEL ,note,path\ns\xfc,fear,"with, comma",a.mp4\n'.encode(),
        "sep=;\r\npath;label;subject\r\na.mp4;fear;s\xfc\r\n".encode(),
        '\ufeff"sep=,"\r\npath,label,subject\r\na.mp4,fear,s\xfc\r\n'.encode(),
        "sep=\t\npath\tlabel\tsubject\na.mp4\tfear\ts\xfc\n".encode("utf-16"),
        "SEP=|\npath|label|subject\na.mp4|fear|s\xfc\n".encode("latin-1"),
        "path\tlabel\tsubject\r\na.mp4\tfear\ts\xfc\r\n".encode("utf-16-le"),
        "path\tlabel\tsubject\r\na.mp4\tfear\ts\xfc\r\n".encode("utf-16-be"),
        "path,label,subject,,\ra.mp4,fear,s\xfc,,\r,,,,\r\r".encode(),
        "\n\npath,label,subject\na.mp4,fear,s\xfc,,,\n\n\n".encode(),
        'path,label,subject,note\na.mp4,fear,s\xfc,"two\r\nlines, and ""more"""\n'.encode(),
    ],
)
def test_what_spreadsheets_write(text: bytes, tmp_path: Path) -> None:
    tree(tmp_path, "a.mp4")
    (source,) = sources("csv", listed(tmp_path, text)).values()
    assert (source.key, source.label, source.subject) == ("a.mp4", "fear", "s\xfc")


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    tree(tmp_path, "a.mp4")
    text = 'sep=;\r\n\r\npath;label;subject\r\na.mp4;"fear";x\r\n"b\r\n.mp4";fear;x\r\nc.mp4;fear;x\r\n'
    reader = database("csv", listed(tmp_path, text))
    assert len(list(reader.sources())) == 1
    assert [problem.split(":")[0] for problem in reader.problems] == ["line 6", "line 7"]


def test_integers_as_pandas_writes_them(tmp_path: Path) -> None:
    """A column of integers with an empty cell is one of floats to pandas, subjects' numbers too."""
    tree(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    rows = "a.mp4,fear,7.0,0.0,20.0\nb.mp4,fear,007,2e1,3E+01\nc.mp4,fear,8.0,,\n"
    listed(tmp_path, f"path,label,subject,start,end\n{rows}")
    reader = database("csv", tmp_path)
    assert [source.frames for source in reader.sources()] == [(0, 20), (20, 30), None]
    assert len({source.subject for source in reader.sources()}) == 2
    assert reader.problems == []


@pytest.mark.parametrize("empty", ["nan", "NaN", "None", "N/A", "NULL", " "])
def test_subjects_that_are_no_subject(empty: str, tmp_path: Path) -> None:
    tree(tmp_path, "a.mp4", "b.mp4")
    listed(tmp_path, f"path,label,subject\na.mp4,fear,{empty}\nb.mp4,fear,{empty}\n")
    assert [source.subject for source in sources("csv", tmp_path).values()] == [None, None]
    listed(tmp_path, f"path,label,subject\na.mp4,fear,{empty}\nb.mp4,fear,anna\n")
    reader = database("csv", tmp_path)
    assert [source.subject for source in reader.sources()] == ["anna"]
    assert reader.problems[0].startswith("line 2: subject is empty")


def test_one_clip_under_two_spellings_of_its_subject_is_no_contradiction(tmp_path: Path) -> None:
    tree(tmp_path, "a.mp4")
    listed(tmp_path, "path,label,subject\na.mp4,fear,007\na.mp4,fear,7\n")
    reader = database("csv", tmp_path)
    assert len(list(reader.sources())) == 1
    assert reader.problems == ["line 3: the same clip as in line 2"]


def test_paths_begin_at_the_list_or_at_the_root(tmp_path: Path) -> None:
    tree(tmp_path, "lists/near.mp4", "far.mp4", "both.mp4", "lists/both.mp4")
    rows = "near.mp4,fear,\nfar.mp4,fear,\nboth.mp4,fear,\n"
    listed(tmp_path, f"path,label,subject\n{rows}{tmp_path}/far.mp4,fear,\n", "lists/mine.csv")
    reader = database("csv", tmp_path, file="lists/mine.csv")
    found = list(reader.sources())
    assert [source.key for source in found] == ["far.mp4", "lists/both.mp4", "lists/near.mp4"]
    assert all(source.subject is None for source in found)
    assert reader.problems == ["line 5: the same clip as in line 3"]


def test_all_problems_at_once_with_their_lines(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", "ok.mp4", "seq/1.png", "empty/")
    tree(tmp_path, "outside.mp4")
    rows = [
        "ok.mp4,fear,anna,1,9",
        "ok.mp4,fera,anna,9,3",
        "gone.mp4,,anna,1,",
        ",fear,anna,a,2",
        "../outside.mp4,fear,anna,,",
        "seq,fear,anna,0,2",
        "empty,fear,,,",
        "ok.mp4,fear,anna,,,more",
        "ok.mp4,fear,anna,3,3",
        "ok.mp4,calm,,0,1",
        '"ok.mp4","calm","anna",0,"1"',
    ]
    listed(root, "path,label,subject,start,end\n" + "\n".join(rows) + "\n")
    reader = database("csv", root)
    assert [source.key for source in reader.sources()] == ["ok.mp4/000000-000001", "ok.mp4/000001-000009"]
    assert reader.problems == [
        "line 3: 'fera' is not a label (did you mean 'fear'?); start=9 is not before end=3",
        "line 4: label is empty; start and end go together; there is no gone.mp4",
        "line 5: start=a, end=2: must be integers >= 0 (frames), or seconds; path is empty",
        f"line 6: ../outside.mp4 is not below the root {root}",
        "line 7: end is 2, there are 1 pictures",
        "line 8: subject is empty, in other rows it is not; "
        "no picture (.jpg, .jpeg, .png, .bmp, .tif, .tiff) in the folder empty",
        "line 9: more cells than columns",
        "line 10: start=3 is not before end=3",
        "line 11: subject is empty, in other rows it is not",
    ]


def test_a_list_of_which_nothing_is_right(tmp_path: Path) -> None:
    listed(tmp_path, "path,label,subject\na.mp4,fear,x\nb.mp4,fear,x\n")
    with pytest.raises(InputError) as caught:
        sources("csv", tmp_path)
    assert "line 2: there is no a.mp4\n    - line 3: there is no b.mp4" in caught.value.given
    listed(tmp_path, "path,label,subject\n")
    with pytest.raises(InputError, match="no row that can be used"):
        sources("csv", tmp_path)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("a.mp4,fear,anna", "no column path; no column label; no column subject"),
        ("path,lable,subject", r"no column label \(is it 'lable'\?\)"),
        ("path;label;person", r"no column subject"),
        ("path,label,subject,start", "start and end go together"),
        ("path,label,subject,label", "column label comes twice"),
        ("", "no column path"),
    ],
)
def test_a_wrong_header(header: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        sources("csv", listed(tmp_path, f"{header}\na.mp4,fear,anna\n"))
    assert "whose first line is path,label,subject" in caught.value.accepted


def test_a_broken_or_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 2"):
        sources("csv", listed(tmp_path, 'path,label,subject\n"a.mp4,fear,x\n'))
    with pytest.raises(InputError, match=r"CSV files there: clips\.csv") as caught:
        sources("csv", tmp_path, file="clip.csv")
    assert caught.value.do == "did you mean file=clips.csv?"
    with pytest.raises(OptionError, match="fps"):
        sources("csv", tmp_path, fps=0.0)


def test_nonstandard_names_stay_separate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "a b.mp4", "a_b.mp4", "ä.mp4")
    listed(tmp_path, "path,label,subject\na b.mp4,fear,\na_b.mp4,fear,\nä.mp4,fear,\n")
    assert len(sources("csv", tmp_path)) == 3
    check_reader("csv", tmp_path, monkeypatch)


def test_a_root_that_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path / "root", "a.mp4", "b.mp4")
    tree(tmp_path, "outside.mp4")
    listed(root, f"path,label,subject\na.mp4,fear,\n{root}/b.mp4,fear,\n../outside.mp4,fear,\n.,fear,\n")
    monkeypatch.chdir(root)
    reader = database("csv", Path("."))
    assert [source.files for source in reader.sources()] == [(Path("a.mp4"),), (Path("b.mp4"),)]
    assert [problem.split(":")[0] for problem in reader.problems] == ["line 4", "line 5"]


def test_semicolons_and_tabs(tmp_path: Path) -> None:
    tree(tmp_path, "a.mp4", "b, c.mp4")
    for mark in ";\t":
        rows = "path;label;subject;start;end\na.mp4;fear;x;0;5\nb, c.mp4;joy;y;;\n".replace(";", mark)
        found = sources("csv", listed(tmp_path, rows))
        assert [(key, source.label) for key, source in found.items()] == [
            ("a.mp4/000000-000005", "fear"),
            (next(key for key in found if key.startswith("b")), "happiness"),
        ]


@pytest.mark.parametrize("end", ["99999999999999999999999", "9" * 5000])
def test_frame_numbers_that_are_too_large(end: str, tmp_path: Path) -> None:
    tree(tmp_path, "a.mp4", "b.mp4")
    listed(tmp_path, f"path,label,subject,start,end\na.mp4,fear,x,0,{end}\nb.mp4,fear,x,0,999999999\n")
    reader = database("csv", tmp_path)
    assert [source.key for source in reader.sources()] == ["b.mp4/000000-999999999"]
    assert reader.problems == [
        f"line 2: start=0, end=a number of {len(end)} digits: too large; expected 9 digits at most"
    ]


def test_rows_that_contradict_each_other_are_all_left_out(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{name}.mp4" for name in "abcde"))
    rows = [
        "a.mp4,fear,x,0,20",
        "a.mp4,anger,x,15,30",
        "a.mp4,joy,x,30,40",
        "b.mp4,fear,x,0,20",
        "b.mp4,fear,y,20,40",
        "b.mp4,fear,y,30,50",
        "c.mp4,fear,x,,",
        "c.mp4,fear,y,7,9",
        "d.mp4,fear,x,0,9",
        "d.mp4,joy,x,0,9",
        "d.mp4,fear,x,0,9",
        "e.mp4,joy,x,,",
    ]
    listed(tmp_path, "path,label,subject,start,end\n" + "\n".join(rows) + "\n")
    reader = database("csv", tmp_path)
    assert [source.key for source in reader.sources()] == [
        "a.mp4/000030-000040",
        "b.mp4/000000-000020",
        "b.mp4/000020-000040",
        "b.mp4/000030-000050",
        "e.mp4",
    ]
    assert reader.problems == [
        "line 2 and line 3: frames 0 to 20 of a.mp4 is fear of x, but frames 15 to 30 of a.mp4 is anger of x; "
        "both are left out",
        "line 8 and line 9: c.mp4 is fear of x, but frames 7 to 9 of c.mp4 is fear of y; both are left out",
        "line 10 and line 11: frames 0 to 9 of d.mp4 is fear of x, but frames 0 to 9 of d.mp4 is happiness of x; "
        "both are left out",
        "line 12: the same clip as in line 10",
        "line 11 and line 12: frames 0 to 9 of d.mp4 is happiness of x, but frames 0 to 9 of d.mp4 is fear of x; "
        "both are left out",
    ]


def test_one_file_under_several_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(bytes(range(256)) * 2000)
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    (tmp_path / "hard.mp4").hardlink_to(tmp_path / "a.mp4")
    (tmp_path / "copy.mp4").write_bytes((tmp_path / "a.mp4").read_bytes())
    (tmp_path / "other.mp4").write_bytes(b"x" + (tmp_path / "a.mp4").read_bytes()[1:])
    header = "path,label,subject,start,end\n"
    rows = "a.mp4,fear,x,0,20\nlink.mp4,joy,x,10,30\nhard.mp4,fear,y,60,70\ncopy.mp4,fear,z,65,80\n"
    listed(tmp_path, f"{header}{rows}other.mp4,sad,w,0,90\n")
    reader = database("csv", tmp_path)
    assert [source.key for source in reader.sources()] == ["other.mp4/000000-000090"]
    doubt = " (probably the same under two names); both are left out"
    assert reader.problems == [
        f"line 2 and line 3: frames 0 to 20 of a.mp4 is fear of x, but frames 10 to 30 of link.mp4 is happiness of x"
        f"{doubt}",
        f"line 4 and line 5: frames 60 to 70 of hard.mp4 is fear of y, but frames 65 to 80 of copy.mp4 is fear of z"
        f"{doubt}",
    ]
    listed(tmp_path, f"{header}a.mp4,fear,x,0,20\nlink.mp4,fear,x,10,30\ncopy.mp4,fear,y,60,70\n")
    assert [source.key for source in reader.sources()] == ["a.mp4/000000-000020", "copy.mp4/000060-000070"]
    assert reader.problems == ["line 3: the same clip as in line 2 (probably the same under two names)"]
    check_reader("csv", tmp_path, monkeypatch)


def test_further_columns_are_groups(tmp_path: Path) -> None:
    tree(tmp_path, "a.mp4", "b.mp4")
    listed(tmp_path, "path,label,subject,Age,note\na.mp4,fear,anna,20-29,x\nb.mp4,joy,bo,,y\n")
    assert [source.groups for source in sources("csv", tmp_path, groups=["age"]).values()] == [{"age": "20-29"}, {}]
    assert [source.groups for source in sources("csv", tmp_path).values()] == [{}, {}]
    for name, reason in (("ages", r"no column ages \(is it 'age'\?\)"), ("label", "'label' cannot be a group")):
        with pytest.raises(InputError, match=reason):
            sources("csv", tmp_path, groups=[name])
