"""A program as a policy: what it is given, how its answer is read, and that it never hangs and never fails without words."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from policies import external
from policies.external import External, read_answer
from policies.log import FeedbackLog, ItemData
from policies.program import ProgramFailed, run, workspace
from simulator.draws import Draws

ROOT = Path(__file__).parents[2]
STREAM = Draws(0).at(1)("slate")
N, M = 6, 9                                 # users, items


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders go in these tests."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def items() -> ItemData:
    topics = torch.eye(4)[torch.arange(M) % 4]
    return ItemData(topics, topics, [f"film {item}" for item in range(M)])


@pytest.fixture
def log() -> FeedbackLog:
    """Item 0 is taken five times, items 1 to 4 once; user 5 has no history."""
    log = FeedbackLog(N, M)
    log.record(0, torch.arange(5), torch.zeros(5, dtype=torch.int64))
    log.record_slates(1, torch.tensor([3, 1]), torch.tensor([[1, 4, 6], [2, 5, 6]]))
    log.record(1, torch.tensor([3, 1]), torch.tensor([4, 2]))
    log.record_slates(2, torch.tensor([0]), torch.tensor([[3, 1, 8]]))
    log.record(2, torch.tensor([0, 0]), torch.tensor([3, 1]))
    return log


Answering = Callable[..., dict[str, pd.DataFrame]]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Let a table stand for the program; what that would have been given is returned after the fit."""

    def answer(**files: dict[str, list]) -> dict[str, pd.DataFrame]:
        given: dict = {}

        def stand_in(command: tuple[str, ...], folder: Path, timeout: float) -> None:
            given.update({file.stem: pd.read_parquet(file) for file in folder.glob("*.parquet")})
            given["request"] = json.loads((folder / "request.json").read_text())
            for name, columns in files.items():
                pd.DataFrame(columns).to_parquet(folder / f"{name}.parquet")

        monkeypatch.setattr(external, "run", stand_in)
        return given

    return answer


def fit(policy: External, log: FeedbackLog, items: ItemData, seed: int = 0) -> External:
    return policy.fit(log, items, torch.Generator().manual_seed(seed), k=3)


# ---- what the program is given


def test_the_log_is_in_the_order_of_time_and_items_are_described(answering, log, items, monkeypatch):
    monkeypatch.setattr(External, "held_out_share", 0.0)
    given = answering(slates={"user": [0], "item": [5], "rank": [1]})
    fit(External(("program",), length=50), log, items)
    assert given["log"].to_dict("list") == {
        "user": [0, 1, 2, 3, 4, 3, 1, 0, 0], "item": [0, 0, 0, 0, 0, 4, 2, 3, 1], "round": [0, 0, 0, 0, 0, 1, 1, 2, 2],
    }
    assert given["impressions"].to_dict("list") == {
        "round": [1, 1, 1, 1, 1, 1, 2, 2, 2], "user": [3, 3, 3, 1, 1, 1, 0, 0, 0],
        "position": [0, 1, 2, 0, 1, 2, 0, 1, 2], "item": [1, 4, 6, 2, 5, 6, 3, 1, 8],
    }
    assert given["users"]["user"].tolist() == list(range(N))
    assert given["items"]["title"].tolist() == items.titles
    assert np.array_equal(np.stack(given["items"]["topics"]), items.topics.numpy())
    request = given["request"]
    assert 0 <= request.pop("seed") < 2**31
    assert request == {"protocol": 1, "answer": "slates", "length": M, "slate_size": 3, "users": N, "items": M}


def test_what_is_held_out_is_neither_in_the_log_nor_among_the_impressions(answering, log, items, monkeypatch):
    monkeypatch.setattr(External, "held_out_share", 1.0)
    given = answering(slates={"user": [0], "item": [5], "rank": [1]})
    policy = fit(External(("program",)), log, items)
    held = {(3, 4), (1, 2), (0, 1)}
    for name in ("log", "impressions"):
        assert not held & set(zip(given[name]["user"], given[name]["item"], strict=True))
    assert len(given["log"]) == 6
    assert len(given["impressions"]) == 6
    assert policy.training_[0].recall is not None


def test_without_slates_there_are_no_impressions_and_without_titles_no_titles(answering, items):
    log = FeedbackLog(N, M)
    log.record(0, torch.tensor([1]), torch.tensor([2]))
    given = answering(slates={"user": [0], "item": [5], "rank": [1]})
    fit(External(("program",)), log, ItemData(items.topics, items.features))
    assert "impressions" not in given
    assert given["items"]["title"].isna().all()


def test_the_seed_is_that_of_the_training(answering, log, items):
    given = answering(slates={"user": [0], "item": [5], "rank": [1]})
    seeds = []
    for seed in (1, 1, 2):
        fit(External(("program",)), log, items, seed)
        seeds.append(given["request"]["seed"])
    assert seeds[0] == seeds[1] != seeds[2]


def test_nothing_is_run_before_anything_has_been_taken(items):
    policy = fit(External(("there-is-no-such-program",)), FeedbackLog(N, M), items)
    assert policy.unknown(torch.arange(N), policy.log_).all()


# ---- how its answer is read


def test_listed_items_come_first_then_the_popular_and_what_was_taken_since_is_left_out(answering, log, items, monkeypatch):
    monkeypatch.setattr(External, "held_out_share", 0.0)
    answering(slates={"user": [2, 2, 2, 4], "item": [7, 8, 6, 5], "rank": [2, 1, 3, 1]})
    policy = fit(External(("program",)), log, items)
    ranked = policy.rank(torch.tensor([2, 4, 5]), 5, log, STREAM)[0].tolist()
    assert ranked[0][:3] == [8, 7, 6]
    assert set(ranked[0][3:]) < {1, 2, 3, 4}
    assert ranked[1][0] == 5
    assert ranked[2][0] == 0                    # she is in no row of the answer: what is popular
    assert policy.unknown(torch.tensor([2, 4, 5]), log).tolist() == [False, False, True]
    log.record(3, torch.tensor([2]), torch.tensor([8]))
    assert policy.rank(torch.tensor([2]), 2, log, STREAM)[0].tolist() == [[7, 6]]


def test_the_spacing_of_scores_is_kept_within_each_user(answering, log, items):
    answering(scores={"user": [0, 0, 0, 1, 1], "item": [5, 6, 7, 5, 6], "score": [-30.0, 10.0, -10.0, 1e12, 0.0]})
    scores = fit(External(("program",), answer="scores"), log, items).score(torch.tensor([1, 0]), log)
    assert scores[1, [6, 7, 5]].tolist() == pytest.approx([2.0, 1.5, 1.0])
    assert scores[0, [5, 6]].tolist() == pytest.approx([2.0, 1.0])
    assert scores[0, [0, 1, 2, 3, 4, 7, 8]].max() <= 0.5


@given(st.data())
def test_the_order_of_the_answer_is_the_order_of_the_values(data: st.DataObject):
    """Ties, tiny and huge differences, users out of order: the values fall strictly all the same."""
    users = data.draw(st.lists(st.integers(0, N - 1), min_size=1, max_size=40).map(sorted))
    rank = [users[:row].count(user) for row, user in enumerate(users)]
    number = st.floats(-1e9, 1e9) | st.sampled_from([0.0, 1.0, 1.0 + 1e-12])
    scores = [-value for value in sorted(-data.draw(number) for _ in users)]
    table = pd.DataFrame({"user": users, "item": rank, "rank": rank, "score": scores})
    with workspace() as folder:
        table.sample(frac=1, random_state=1).to_parquet(folder / "slates.parquet")
        answer = read_answer(folder / "slates.parquet", N, 50)
    assert answer.items.tolist() == rank
    assert answer.counts().tolist() == np.bincount(users, minlength=N).tolist()
    for start, stop in zip(answer.start[:-1], answer.start[1:], strict=True):
        own = answer.values[start:stop]
        assert (own[:-1] > own[1:]).all()
        assert ((own > 0.5) & (own <= 2)).all()


GOOD = {"user": [0, 0, 1], "item": [3, 4, 3], "rank": [1, 2, 1]}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"user": [0, 0, 6]}, "row 2 (user 6, item 3, rank 1): there is no user 6; there are 0 to 5, as in users.parquet"),
        ({"item": [3, -1, 3]}, "there is no item -1; there are 0 to 8"),
        ({"item": [3, 3, 3]}, "row 1 (user 0, item 3, rank 2): an item may be listed once for each user"),
        ({"rank": [2, 2, 1]}, "row 1 (user 0, item 4, rank 2): a rank may be given once for each user"),
        ({"item": [3, None, 3]}, "row 1 (user 0, item None, rank 2): there is no item"),
        ({"item": [3, 4.5, 3]}, "the column item must hold whole numbers (it holds double)"),
        ({"item": ["a", "b", "a"]}, "the column item must hold whole numbers"),
        ({"score": [1.0, np.inf, 1.0]}, "row 1 (user 0, item 4, rank 2, score inf): a score must be a finite number"),
        ({"score": [1.0, 2.0, 1.0]}, "row 1 (user 0, item 4, rank 2, score 2.0): the score is higher than that of the rank"),
        ({"score": ["x", "y", "z"]}, "the column score must hold numbers"),
        ({"rank": None}, "has no column rank; it has user, item"),
    ],
)
def test_a_wrong_answer_is_refused_with_its_row(answering, log, items, changed, words):
    table = {name: values for name, values in (GOOD | changed).items() if values is not None}
    answering(slates=table)
    with pytest.raises(ProgramFailed) as failure:
        fit(External(("program",)), log, items)
    assert f"slates.parquet{':' if 'column' in words else ','}" in str(failure.value)
    assert words in str(failure.value)


def test_scores_must_be_numbers_too(answering, log, items):
    answering(scores={"user": [0, 0], "item": [3, 4], "score": [1.0, float("nan")]})
    with pytest.raises(ProgramFailed, match=r"scores\.parquet, row 1 .*: (a score must be a finite number|there is no score)"):
        fit(External(("program",), answer="scores"), log, items)


def test_an_answer_that_is_not_there_or_not_parquet(answering, log, items, tmp_path):
    answering(scores={"user": [0], "item": [3], "score": [1.0]})
    with pytest.raises(ProgramFailed, match=r"ended well but left no slates\.parquet"):
        fit(External(("program",)), log, items)
    (tmp_path / "slates.parquet").write_text("user,item,rank\n0,3,1\n")
    with pytest.raises(ProgramFailed, match="is not a Parquet file"):
        read_answer(tmp_path / "slates.parquet", N, M)


def test_no_command_is_no_policy():
    for command in ((), "python recommend.py"):
        with pytest.raises(ValueError, match="must be a list, the program first"):
            External(command)


# ---- the program itself


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", code)


def test_a_real_program_is_run_and_leaves_nothing_behind(log, items, temporary, monkeypatch):
    monkeypatch.setattr(External, "held_out_share", 0.0)
    for answer in ("slates", "scores"):
        policy = fit(External((sys.executable, str(Path(__file__).with_name("external_popularity.py"))), answer), log, items)
        assert policy.rank(torch.tensor([5, 2]), 3, log, STREAM)[0].tolist() == [[0, 1, 2], [1, 2, 3]]
    assert not list(temporary.iterdir())


def test_the_example_of_the_documentation_works(log, items, tmp_path, monkeypatch):
    """Users 0 to 4 share item 0; who took nothing else is shown what the others took, nearest first."""
    monkeypatch.setattr(External, "held_out_share", 0.0)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "external.md").read_text(), re.S)
    (tmp_path / "recommend.py").write_text(code)
    policy = fit(External((sys.executable, str(tmp_path / "recommend.py"))), log, items)
    assert policy.rank(torch.tensor([2]), 4, log, STREAM)[0][0].sort().values.tolist() == [1, 2, 3, 4]
    assert policy.rank(torch.tensor([0]), 2, log, STREAM)[0][0].sort().values.tolist() == [2, 4]


def test_a_failure_says_what_the_program_said_and_keeps_the_evidence(log, items, temporary):
    code = "import sys; print('about to fail', file=sys.stderr); sys.exit('no such model: BRP')"
    with pytest.raises(ProgramFailed) as failure:
        fit(External(python(code)), log, items)
    (kept,) = temporary.iterdir()
    assert str(failure.value).splitlines()[-4:] == [
        "The end of its error output:", "    about to fail", "    no such model: BRP", f"Kept for inspection: {kept}",
    ]
    assert "failed with exit code 1" in str(failure.value)
    assert {"request.json", "log.parquet", "stderr.txt"} <= {file.name for file in kept.iterdir()}


def test_a_crash_and_a_program_that_is_not_there(tmp_path):
    with pytest.raises(ProgramFailed, match="was killed by signal 9"):
        run(python("import os; os.kill(os.getpid(), 9)"), tmp_path, 30)
    with pytest.raises(ProgramFailed, match=r"no-such-program: cannot be started from .*: No such file"):
        run(("no-such-program",), tmp_path, 30)


def test_the_time_limit_ends_the_program_and_all_that_it_started(tmp_path):
    child = f"import time, pathlib; time.sleep(3); pathlib.Path({str(tmp_path / 'survived')!r}).touch()"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-S', '-c', {child!r}]); time.sleep(60)"
    started = time.monotonic()
    with pytest.raises(ProgramFailed, match=r"took longer than 1 seconds \(`timeout`\) and was killed"):
        run(python(code), tmp_path, 1)
    assert time.monotonic() - started < 15
    time.sleep(3.5)
    assert not (tmp_path / "survived").exists()


def test_it_is_not_asked_anything_and_has_its_own_python_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MODEL_DIRECTORY", "kept")
    told = "sys.stdin.read() == '', os.environ.get('PYTHONPATH'), os.environ['MODEL_DIRECTORY'], sys.argv[1]"
    code = f"import os, sys; print({told})"
    run(python(code), tmp_path, 30)
    assert (tmp_path / "stdout.txt").read_text().split() == ["True", "None", "kept", str(tmp_path)]


@pytest.mark.skipif(os.name != "posix", reason="sends SIGTERM")
def test_when_the_simulator_is_ended_so_is_the_program(tmp_path, temporary):
    started, survived = tmp_path / "started", tmp_path / "survived"
    program = f"import time; open({str(started)!r}, 'w').close(); time.sleep(3); open({str(survived)!r}, 'w').close()"
    code = (
        "import sys\nfrom policies.program import run, workspace\n"
        f"with workspace() as folder: run([sys.executable, '-S', '-c', {program!r}], folder, 60)"
    )
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    simulator = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment)
    while not started.exists():
        assert simulator.poll() is None
        time.sleep(0.05)
    simulator.terminate()
    assert simulator.wait(30) == -signal.SIGTERM
    assert not list(temporary.iterdir())
    time.sleep(3.5)
    assert not survived.exists()
