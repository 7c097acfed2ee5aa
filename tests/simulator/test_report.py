"""Reports: numbers against scipy, sentences on constructed worlds, pages of synthetic run directories."""

from __future__ import annotations

import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from simulator.__main__ import app
from simulator.report import NotARunDirectory, write_report
from simulator.report.answers import answer
from simulator.report.attribution import attribution, wanting
from simulator.report.concentration import gini, lorenz
from simulator.report.evidence import ALPHA, BETA, DRIFT, GAMMA, GINI, UTILITY, VERDICT, Evidence, weigh
from simulator.report.html import verdict_cells
from simulator.report.load import Arm, Run, load_run
from simulator.report.maps import block_order, principal_components, project_ternary, snapshots
from simulator.report.pages import write_pages
from simulator.report.style import ORACLE_COLOUR, ORGANIC_COLOUR, looks
from simulator.report.sureness import sureness
from simulator.report.vocabulary import difference, number, signed, wording
from simulator.statistics import PARTS, TOTAL, band

# A synthetic run directory ----------------------------------------------------------------------------------

ARMS = ("organic", "random", "popularity", "mf", "sasrec", "mf+mmr", "oracle")
TRAINED = {"mf", "sasrec", "mf+mmr"}
# Where each measure starts, and where it goes in the organic arm; other arms go further by their strength.
COURSES = {
    "exposure.alpha": (4.2, -0.4), "exposure.gamma": (15.0, -0.5), "exposure.gini": (0.55, 0.05),
    "exposure.vendi": (6.0, -0.2), "exposure.novelty": (4.0, -0.3), "exposure.miscalibration": (0.9, 0.1),
    ALPHA: (5.0, -0.6), BETA: (3.1, 0.2), GAMMA: (15.5, -0.4), GINI: (0.52, 0.05),
    "consumption.mean_jaccard": (0.06, 0.01), DRIFT: (0.0, 0.05), "interests.entropy": (1.9, -0.1),
    "interests.similarity": (0.3, 0.0), UTILITY: (1.4, 0.1), "utility.acceptance": (0.3, 0.05),
    "utility.ndcg": (0.3, 0.05),
}  # fmt: skip
STRENGTHS = {
    "organic": 0.0,
    "random": -0.4,
    "popularity": 0.9,
    "mf": 2.2,
    "sasrec": 2.6,
    "mf+mmr": 1.1,
    "oracle": 2.0,
}


def write_run(
    path: Path,
    arms: tuple[str, ...] = ARMS,
    replicates: int = 3,
    rounds: int = 50,
    users: int = 300,
    topics: int = 20,
    items: int = 200,
    finished: bool = True,
    played: dict[tuple[str, int], int] | None = None,
    title: str = "Short-video feed",
    topic_names: list[str] | None = None,
    baseline: str | None = "organic",
    groups: int = 1,
    focus: list[str] | None = None,
    measures: tuple[str, ...] = tuple(COURSES),
) -> Path:
    """A run directory with plausible numbers; `played` says how far an unfinished unit came."""
    rng = np.random.default_rng(5)
    path.mkdir(parents=True, exist_ok=True)
    played = played or {}
    report = "" if focus is None else f"report: {{focus: [{', '.join(focus)}]}}\n"
    policies = [{"kind": kind(arm), "name": arm, "frozen": arm.endswith("frozen")} for arm in arms]
    (path / "scenario.yaml").write_text(
        f"title: {json.dumps(title)}\nquestion: Which policy narrows people most?\nseed: 7\nrounds: "
        f"{rounds}\nreplicates: {replicates}\nslate_size: 10\nusers: {{count: {users}}}\nmeasures: "
        f"{{window: 10}}\n{report}policies: {json.dumps(policies)}\n",
        encoding="utf-8",
    )
    reached = {(arm, r): played.get((arm, r), rounds) for arm in arms for r in range(replicates)}
    manifest = {
        "finished": finished, "title": title, "question": "Which policy narrows people most?",
        "seed": 7, "replicates": replicates, "rounds": rounds,
        "arms": [
            {"name": a, "kind": kind(a), "control": a == "oracle", "retrained": a in TRAINED,
             "frozen": a.endswith("frozen")}
            for a in arms
        ],
        "baseline": baseline if baseline in arms else None,
        "reference": "oracle" if "oracle" in arms else None,
        "versions": {"filterbubble": "0.1.0", "torch": "2.13"}, "started": "2025-03-01T10:00:00+00:00",
        "seconds": 83.2, "hashes": {"scenario": "ab" * 32, "trajectory": "cd" * 32},
        "workers": 2, "threads": 1,
        "units": [
            {"arm": a, "replicate": r, "rounds": n, "seconds": 6.0, "training_seconds": 2.0}
            for (a, r), n in reached.items()
        ],
        "plain": [f"{users} users with interests over {topics} topics choose among {items} items.",
                  "Half of what they take they find by themselves."],
        "data": None,
    }  # fmt: skip
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    names = topic_names or [f"topic {t + 1}" for t in range(topics)]
    (path / "topics.json").write_text(json.dumps(names), encoding="utf-8")
    _trajectory(reached, rounds, measures, rng).to_parquet(path / "trajectory.parquet")
    _training([u for u in reached if u[0] in TRAINED], rounds, rng).to_parquet(path / "training.parquet")
    _users(arms, rounds, users, topics, groups, rng).to_parquet(path / "users.parquet")
    _items(reached, items, topics, rng).to_parquet(path / "items.parquet")
    return path


def kind(arm: str) -> str:
    return re.split(r"[+ ]", arm)[0]


def _trajectory(
    reached: dict[tuple[str, int], int], rounds: int, measures: tuple[str, ...], rng: np.random.Generator
) -> pd.DataFrame:
    worlds = {(m, r): rng.normal(0, 0.03) for m in COURSES for r in range(1 + max(r for _, r in reached))}
    frames = []
    for (arm, replicate), last in reached.items():
        way = 1 - np.exp(-np.arange(last + 1) / (0.4 * rounds))
        for measure in measures:
            start, move = COURSES[measure]
            if arm == "organic" and measure.startswith(("exposure.", "utility.acceptance", "utility.ndcg")):
                continue
            strength = STRENGTHS.get(arm, 0.3 * len(arm) % 2) + rng.normal(0, 0.08)
            value = start * (1 + worlds[measure, replicate]) + move * (1 + strength) * way
            value[1:] += 0.01 * abs(move) * rng.normal(size=last)
            frames.append(pd.DataFrame(
                {"arm": arm, "replicate": replicate, "round": np.arange(last + 1), "measure": measure,
                 "value": value}
            ))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _training(units: list[tuple[str, int]], rounds: int, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for arm, replicate in units:
        for when in range(0, rounds, 10):
            for epoch in range(1, 9):
                learnt = 1 - np.exp(-epoch / (6 if when == 0 else 3))
                noise = rng.normal(0, 0.004)
                loss = None if arm == "mf" else 0.69 - 0.3 * learnt + noise
                rows.append(
                    (
                        arm,
                        replicate,
                        when,
                        epoch,
                        loss,
                        None if loss is None else loss + 0.05,
                        0.05 + 0.2 * learnt + when / 1000 + noise,
                        0.03 + 0.1 * learnt + when / 2000 + noise,
                        10,
                        epoch == 8,
                    )
                )
    columns = ["arm", "replicate", "round", "epoch", "train_loss", "validation_loss", "recall", "ndcg", "k", "kept"]
    return pd.DataFrame(rows, columns=columns).astype({"train_loss": float, "validation_loss": float})


def _users(
    arms: tuple[str, ...], rounds: int, users: int, topics: int, groups: int, rng: np.random.Generator
) -> pd.DataFrame:
    start = rng.dirichlet(np.full(topics, 0.3), size=users)
    pull = rng.dirichlet(np.full(topics, 0.5))
    frames = []
    for arm in arms:
        strength = max(0.0, 0.1 + 0.15 * STRENGTHS.get(arm, 0.5))
        end = start ** (1 + strength) + 1e-9
        end = 0.9 * end / end.sum(axis=1, keepdims=True) + 0.1 * pull
        for when, interests in ((0, start), (rounds, end)):
            frames.append(pd.DataFrame(
                {"arm": arm, "replicate": 0, "round": when, "user": np.arange(users),
                 "group": [f"group {u % groups}" for u in range(users)], "interests": list(interests)}
            ))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _items(
    reached: dict[tuple[str, int], int], items: int, topics: int, rng: np.random.Generator
) -> pd.DataFrame:
    frames = []
    for arm, replicate in reached:
        popularity = np.arange(1, items + 1) ** -(0.6 + 0.25 * max(0.0, STRENGTHS.get(arm, 0.5)))
        popularity = rng.permutation(popularity / popularity.sum())
        shown = np.zeros(items, int) if arm == "organic" else rng.multinomial(20000, popularity)
        frames.append(pd.DataFrame({
            "arm": arm, "replicate": replicate, "item": np.arange(items), "title": None,
            "topic": np.arange(items) % topics, "exposures": shown,
            "takes": rng.multinomial(5000, popularity),
        }))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


# Concentration -----------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40).filter(any))
def test_gini_is_the_closed_form_and_the_lorenz_curve_is_convex(counts: list[int]) -> None:
    x, m = np.sort(counts), len(counts)
    closed = sum((2 * i - m - 1) * value for i, value in enumerate(x, start=1)) / (m * x.sum())
    assert gini(counts) == pytest.approx(closed, abs=1e-12)
    curve = lorenz(counts)
    assert curve[-1] == pytest.approx(1)
    assert (np.diff(curve, 2) >= -1e-12).all()


# Wording ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.14159, "3.14"),
        (-0.00123, "−0.00123"),
        (12345.6, "12,346"),
        (0.0, "0.00"),
        (-1e-9, "0.000000"),
        (np.nan, "–"),
    ],
)
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_signs_are_written_except_on_zero() -> None:
    assert (signed(0.5), signed(-0.5), signed(0.0)) == ("+0.500", "−0.500", "0.00")


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((-1.4567, -1.4931, -1.4203), "−1.46 [−1.49, −1.42]"),
        ((0.238, 0.130, 0.346), "+0.24 [0.13, 0.35]"),
        ((0.001, -0.05, 0.052), "+0.001 [−0.050, 0.052]"),
        (
            (5.0, 0.004, 9.996),
            "+5.000 [0.004, 9.996]",
        ),  # it excludes zero, so it must not read as [0.0, 10.0]
        ((0.5, np.nan, np.nan), "+0.500"),
    ],
)
def test_differences_are_rounded_by_their_interval(interval: tuple[float, float, float], text: str) -> None:
    assert difference(*interval).replace("\N{NO-BREAK SPACE}", " ") == text


def test_a_measure_of_the_scenarios_own_goes_by_its_name() -> None:
    assert wording("echo.my_measure").label == "Echo my measure"
    assert wording(ALPHA).unit == "topics"


# The answer -------------------------------------------------------------------------------------------------


def world(
    effects: dict[str, dict[str, float]], replicates: int = 5, noise: float = 0.01, baseline: bool = True
) -> Evidence:
    """Evidence of a run in which each arm shifts each measure by a given amount, give or take the noise.

    The noise cancels out over the replicates, so an effect of zero has an interval around exactly zero.
    """
    rng = np.random.default_rng(1)
    arms = (["organic"] if baseline else []) + list(effects)
    rows = []
    jitter = np.linspace(-noise, noise, replicates) if replicates > 1 else [noise]
    for replicate in range(replicates):
        base = {measure: 5 + rng.normal() for measure in VERDICT}
        for arm in arms:
            for measure in VERDICT:
                shift = 0 if arm == "organic" else effects[arm].get(measure, 0) + jitter[replicate]
                rows += [(arm, replicate, t, measure, base[measure] + t * shift) for t in (0, 1)]
    manifest = {
        "finished": True, "title": "", "question": "", "seed": 1, "replicates": replicates, "rounds": 1,
        "units": [],
        "baseline": "organic" if baseline else None, "reference": "oracle" if "oracle" in arms else None,
    }  # fmt: skip
    empty = pd.DataFrame()
    trajectory = pd.DataFrame(rows, columns=["arm", "replicate", "round", "measure", "value"])
    listed = tuple(Arm(arm, arm, arm == "oracle", False, False) for arm in arms)
    return weigh(Run(Path(), manifest, {}, "", listed, (), trajectory, empty, empty, empty, empty, ()))


def heads(evidence: Evidence) -> dict[str, str]:
    return {finding.head: finding.text for finding in answer(evidence)}


CLAIMS = {
    "narrowed": {ALPHA: -1.0},
    "broadened": {ALPHA: +1.0},
    "homogenised": {BETA: -1.0},
    "left with a smaller public sphere": {GAMMA: -1.0},
    "moved further from their first interests": {DRIFT: +1.0},
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_each_word_is_said_of_the_arm_that_earns_it_and_of_no_other(claim: str) -> None:
    said = heads(world({"mf": CLAIMS[claim], "idle": {}}))
    assert said[claim].startswith("by mf:")
    assert not (CLAIMS.keys() - {claim}) & said.keys()
    assert "fragmented into separate bubbles" not in said
    about_diets = claim != "moved further from their first interests"
    assert said["undecided"].startswith("under idle:" if about_diets else "under mf and idle:")


@pytest.mark.parametrize(
    ("shifts", "fragmented"),
    [
        ({ALPHA: -1.0, BETA: 1.0}, True),
        ({BETA: 1.0}, False),
        ({ALPHA: 1.0, BETA: 1.0}, False),
        ({ALPHA: -1.0}, False),
    ],
)
def test_fragmented_is_alpha_down_with_beta_up(shifts: dict[str, float], fragmented: bool) -> None:
    assert ("fragmented into separate bubbles" in heads(world({"mf": shifts}))) == fragmented


def test_what_the_intervals_do_not_show_is_not_said() -> None:
    said = heads(world({"mf": {ALPHA: -0.05, BETA: -0.05, GAMMA: -0.05}}, noise=2.0))
    assert not CLAIMS.keys() & said.keys()
    assert said["not shown to be narrowed"].startswith("by any policy")
    assert said["undecided"].startswith("under mf:")
    assert "which includes zero" in said["What each gains"]


def test_several_arms_are_named_in_the_order_of_their_effect() -> None:
    said = heads(world({"mf": {ALPHA: -1.0}, "sasrec": {ALPHA: -2.0}}, noise=1e-6))
    assert said["narrowed"].startswith("by sasrec and mf:")
    assert "lower by 1.00 to 2.00, most under sasrec (−2.00" in said["narrowed"]


def test_the_oracle_is_a_yardstick_and_not_a_policy() -> None:
    said = heads(world({"mf": {UTILITY: 1.0}, "oracle": {ALPHA: -3.0, UTILITY: 2.0}}))
    assert "narrowed" not in said
    assert "oracle" not in said["What each gains"]
    assert said["The yardstick"].startswith("is oracle")


def test_one_replicate_claims_nothing_and_asks_for_more() -> None:
    findings = answer(world({"mf": {ALPHA: -1.0}}, replicates=1))
    assert "--replicates" in findings[0].text
    assert not CLAIMS.keys() & {finding.head for finding in findings}


def test_without_an_organic_arm_there_are_levels_and_no_effects() -> None:
    findings = answer(world({"mf": {ALPHA: -1.0}, "random": {}}, baseline=False))
    assert "no organic arm" in findings[0].text
    assert "under mf to" in findings[1].text
    assert not CLAIMS.keys() & {finding.head for finding in findings}


def test_verdict_marks_exactly_the_intervals_that_exclude_zero() -> None:
    cells = verdict_cells(
        world({"mf": {ALPHA: -1.0, BETA: -1.0, GINI: +1.0}, "oracle": {ALPHA: -1.0}}, noise=0.02)
    )
    marks = dict(zip(VERDICT, cells["mf"], strict=True))
    assert (marks[ALPHA].mark, marks[ALPHA].towards, marks[ALPHA].holds) == ("▼", "bubble", True)
    assert (marks[GINI].mark, marks[GINI].towards) == ("▲", "bubble")
    assert (marks[BETA].mark, marks[BETA].towards) == (
        "▼",
        "",
    )  # homogenised, which is no way out of a bubble
    assert cells["organic"][0].difference == ""
    assert cells["oracle"][0].mark == "▼"
    assert not cells["oracle"][0].holds  # a control is not one of the policies tested together


# How sure ---------------------------------------------------------------------------------------------------


def test_sureness_is_the_standard_error_and_what_more_replicates_would_buy() -> None:
    found = sureness(world({"mf": {ALPHA: -1.0, BETA: 0.001}}, replicates=5, noise=0.02))
    assert found is not None
    row = found.data.set_index("measure").loc[ALPHA]
    differences = -1 + np.linspace(-0.02, 0.02, 5)
    half = stats.t.ppf(0.975, 4) * stats.sem(differences)
    assert (row["standard_error"], row["half_width"]) == pytest.approx((stats.sem(differences), half))
    widths = {n: stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n) for n in range(2, 3000)}
    assert row["replicates_to_halve"] == min(n for n, width in widths.items() if width <= half / 2)
    assert np.isnan(row["replicates_to_tell"])
    beta = found.data.set_index("measure").loc[BETA]
    assert beta["replicates_to_tell"] == min(n for n, width in widths.items() if width <= abs(beta["mean"]))
    assert "--replicates 13" in found.sentences[0]
    assert [bool(found.rows[m][0] and found.rows[m][0].to_tell) for m in (ALPHA, BETA)] == [False, True]


def test_one_replicate_is_not_sure_of_anything() -> None:
    assert sureness(world({"mf": {ALPHA: -1.0}}, replicates=1)) is None
    assert sureness(world({"mf": {ALPHA: -1.0}}, baseline=False)) is None


def test_a_bootstrap_that_disagrees_is_named_and_few_replicates_have_none() -> None:
    agreed = sureness(world({"mf": dict.fromkeys(VERDICT, -1.0)}))
    assert agreed is not None
    assert "in all 6 differences" in agreed.sentences[1]
    few = sureness(world({"mf": {ALPHA: -1.0}}, replicates=4))
    assert few is not None
    assert few.sentences[1].startswith("Under 5 replicates")
    # mean 2.3 standard errors from zero: inside t(0.975, 4) = 2.78, outside what a bootstrap of five reaches
    torn = sureness(world({"mf": {m: 0.0163 if m == ALPHA else 1.0 for m in VERDICT}}, noise=0.02))
    assert torn is not None
    assert "in 1 of 6 differences: diversity within users, α (consumption) under mf." in torn.sentences[1]


# Maps and looks ---------------------------------------------------------------------------------------------


def test_ternary_corners_and_middle() -> None:
    corners = project_ternary(np.vstack([np.eye(3), np.full((1, 3), 1 / 3)]))
    assert corners == pytest.approx(np.array([[0, 0], [1, 0], [0.5, np.sqrt(3) / 2], [0.5, np.sqrt(3) / 6]]))


def test_principal_components_are_those_of_the_singular_value_decomposition() -> None:
    rows = np.random.default_rng(0).dirichlet(np.full(6, 0.4), size=80)
    mean, axes, explained = principal_components(rows)
    _, singular, directions = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    assert explained == pytest.approx(singular[:2] ** 2 / (singular**2).sum())
    assert np.abs(axes.T @ directions[:2].T) == pytest.approx(np.eye(2), abs=1e-9)
    assert mean == pytest.approx(rows.mean(axis=0))


def test_blocks_are_sorted_by_main_topic_and_then_by_its_share() -> None:
    start = np.array([[0.2, 0.8], [0.9, 0.1], [0.4, 0.6], [0.6, 0.4]])
    assert block_order(start).tolist() == [1, 3, 0, 2]


def test_snapshots_line_up_the_same_users(tmp_path: Path) -> None:
    path = write_run(tmp_path, arms=("organic", "mf"), rounds=4, users=9, topics=4, items=10)
    users = pd.read_parquet(path / "users.parquet")
    in_order = snapshots(load_run(path))
    users.sample(frac=1, random_state=0).to_parquet(path / "users.parquet")
    shuffled = snapshots(load_run(path))
    assert in_order is not None
    assert shuffled is not None
    assert [panel.title for panel in shuffled.panels] == ["Start, all arms", "organic, end", "mf, end"]
    for a, b in zip(in_order.panels, shuffled.panels, strict=True):
        assert np.array_equal(a.interests, b.interests)


def test_arms_look_different_and_the_controls_alike_everywhere() -> None:
    arms = [
        Arm(name, name, name == "oracle", False, False)
        for name in ["organic", "oracle", *map(str, range(30))]
    ]
    look = looks(arms, "organic", "oracle")
    assert look["organic"].colour == ORGANIC_COLOUR
    assert look["oracle"].colour == ORACLE_COLOUR
    assert look["oracle"].dash != "-"
    assert len({(a.colour, str(a.dash)) for a in look.values()}) == len(arms)
    assert len({(a.colour, a.marker) for a in list(look.values())[:14]}) == 14


# The page ---------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What the tests ask about a page: tags with attributes, ids, and the text of headings and rows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("h1", "th", "figcaption", "pre", "title"):
            self._open.append(tag)
            self.text.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for tag in self._open:
            self.text[tag][-1] += data


def fingerprint(path: Path) -> dict[str, str]:
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a report: five arms, three replicates, every kind of figure."""
    path = tmp_path_factory.mktemp("runs") / "feed"
    arms = ("organic", "random", "sasrec", "sasrec frozen", "oracle")
    measures = (*VERDICT, "exposure.gini", "utility.ndcg")
    write_run(path, arms=arms, rounds=10, users=30, topics=6, items=40, measures=measures, groups=2)
    write_report(path)
    return path


@pytest.fixture
def small(tmp_path: Path) -> dict[str, Any]:
    """Settings of a run that is quickly drawn."""
    return {
        "path": tmp_path / "run", "arms": ("organic", "sasrec"), "replicates": 2, "rounds": 2, "users": 8,
        "topics": 3,
        "items": 10, "measures": (ALPHA, UTILITY),
    }  # fmt: skip


def test_the_page_needs_nothing_from_outside(run: Path) -> None:
    html = (run / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    targets = [
        v for _, a in page.tags for k in ("src", "href", "xlink:href", "srcset", "data") if (v := a.get(k))
    ]
    numbers = {target for target in targets if target.startswith("figures/")}      # links for a reader: nothing is loaded
    assert numbers == {f"figures/{file.name}" for file in (run / "figures").glob("*.csv")}
    assert all(target.startswith(("#", "data:")) for target in targets if target not in numbers)
    assert not {"script", "link", "iframe", "object", "base"} & {
        tag for tag, attrs in page.tags if not (attrs.get("href") or "").startswith("data:")
    }
    styles = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in styles
    assert "@import" not in styles


def test_ids_are_unique_and_references_point_somewhere(run: Path) -> None:
    html = (run / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    ids = [value for _, attrs in page.tags if (value := attrs.get("id"))]
    assert len(ids) == len(set(ids))
    known = set(ids)
    local = [
        v[1:] for _, a in page.tags for k in ("href", "xlink:href") if (v := a.get(k)) and v.startswith("#")
    ]
    clips = [v[5:-1] for _, a in page.tags if (v := a.get("clip-path"))]
    described = [v for _, a in page.tags for k in ("aria-labelledby", "aria-describedby") if (v := a.get(k))]
    assert clips
    assert set(local) | set(clips) | set(described) <= known


def test_every_figure_has_files_numbers_a_caption_and_a_text_alternative(run: Path) -> None:
    figures = {file.stem for file in (run / "figures").glob("*.svg")}
    assert figures == {
        "trajectories", "differences", "phase", "attribution", "tradeoff", "interests", "affected", "heatmaps", "concentration",
        "training", "all_consumption", "all_exposure", "all_interests", "all_utility",
    }  # fmt: skip
    for name in figures:
        assert (run / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert len(pd.read_csv(run / "figures" / f"{name}.csv")) > 0
    page = Page((run / "report.html").read_text(encoding="utf-8"))
    assert len(page.text["figcaption"]) == len(figures)
    assert all(len(caption) > 80 for caption in page.text["figcaption"])
    pictures = [attrs for tag, attrs in page.tags if tag == "svg" and attrs.get("role") == "img"]
    assert len(pictures) == len(figures)
    assert all(len(attrs["aria-label"] or "") > 40 for attrs in pictures)


def test_figures_beside_the_page_hold_the_numbers_of_the_trajectory(run: Path) -> None:
    trajectory = pd.read_parquet(run / "trajectory.parquet")
    drawn = pd.read_csv(run / "figures" / "trajectories.csv").set_index(["arm", "measure", "round"])
    values = trajectory.query(f"arm == 'sasrec' and measure == '{ALPHA}' and round == 7")["value"]
    row = drawn.loc[("sasrec", ALPHA, 7)]
    low, high = stats.t.interval(0.95, len(values) - 1, loc=values.mean(), scale=stats.sem(values))
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((values.mean(), low, high), rel=1e-8)


def test_bands_of_differences_hold_for_whole_curves(run: Path) -> None:
    trajectory = pd.read_parquet(run / "trajectory.parquet")
    values = trajectory[trajectory["measure"] == ALPHA].pivot(index="replicate", columns=["arm", "round"], values="value")
    expected = band((values["sasrec"] - values["organic"]).to_numpy())
    drawn = pd.read_csv(run / "figures" / "differences.csv").query(f"arm == 'sasrec' and measure == '{ALPHA}'")
    assert drawn["low"].to_numpy() == pytest.approx(expected.low, rel=1e-8)
    assert drawn["pointwise_high"].to_numpy() == pytest.approx(expected.pointwise_high, rel=1e-8)
    assert "hold for a whole curve at once" in (run / "report.html").read_text(encoding="utf-8")


def test_areas_are_the_mean_difference_over_the_course_times_its_length(run: Path) -> None:
    trajectory = pd.read_parquet(run / "trajectory.parquet").query(f"measure == '{ALPHA}'")
    mean = trajectory.groupby(["arm", "round"])["value"].mean()
    area = pd.read_csv(run / "figures" / "areas.csv").query(f"arm == 'sasrec' and measure == '{ALPHA}'").iloc[0]
    assert area["mean"] == pytest.approx(np.trapezoid((mean["sasrec"] - mean["organic"]).to_numpy()))
    assert area["rounds"] == 10


def test_the_parts_of_a_change_add_up_in_the_figures_numbers(run: Path) -> None:
    table = pd.read_csv(run / "figures" / "attribution.csv").query(f"measure == '{ALPHA}'").set_index(["arm", "part"])["mean"]
    assert table["sasrec"][list(PARTS)].sum() == pytest.approx(table["sasrec", TOTAL], abs=1e-9)
    assert {("random", TOTAL), ("oracle", TOTAL)} <= set(table.index)
    ends = weigh(load_run(run))
    loop = ends.level("sasrec", ALPHA).mean - ends.level("sasrec frozen", ALPHA).mean
    assert table["sasrec", "retraining loop"] == pytest.approx(loop, abs=1e-9)


def test_what_a_split_would_need_is_said_where_there_is_none(small: dict[str, Any]) -> None:
    lone = weigh(load_run(write_run(**small)))
    assert attribution(lone) is None
    assert "needs a frozen twin of sasrec" in wanting(lone)
    arms = ("sasrec", "sasrec frozen")
    astray = weigh(load_run(write_run(**(small | {"arms": arms, "path": small["path"] / "astray"}))))
    assert attribution(astray) is None
    assert "needs an organic arm and" in wanting(astray)


def test_effects_on_users_of_one_replicate_do_not_pass_for_more(run: Path) -> None:
    assert "paired t intervals over the users of a class (3 or more), not over replicates" in (
        run / "report.html"
    ).read_text(encoding="utf-8")
    data = pd.read_csv(run / "figures" / "affected.csv")
    assert set(data["over"]) == {"users"}
    assert data.groupby("by")["class"].nunique().to_dict() == {"decile": 10, "group": 2}


def test_made_again_every_file_is_the_same_and_the_run_is_untouched(small: dict[str, Any]) -> None:
    path = write_run(**small)
    inputs = fingerprint(path)
    write_report(path)
    first = fingerprint(path)
    assert first.items() > inputs.items()
    write_report(path)
    assert fingerprint(path) == first


def test_text_of_users_is_escaped_everywhere(small: dict[str, Any]) -> None:
    bad = "<script>alert('$x$ & \"y\"')</script>"
    path = write_run(
        **(small | {"title": bad, "topic_names": [bad, "b<i>", "$c$ & d"], "arms": ("organic", "<b>mf</b>")})
    )
    html = write_report(path, formats=("svg",)).read_text(encoding="utf-8")
    page = Page(html)
    assert page.text["h1"] == [bad]
    assert any("<b>mf</b>" in text for text in page.text["th"])
    assert "script" not in {tag for tag, _ in page.tags}
    assert not {"b", "i"} & {tag for tag, _ in page.tags}


def test_a_run_that_is_not_finished_says_what_is_missing(small: dict[str, Any]) -> None:
    played = {("sasrec", 1): 1}
    path = write_run(**(small | {"finished": False, "played": played, "replicates": 3}))
    html = write_report(path, formats=("svg",)).read_text(encoding="utf-8")
    assert "This run is not finished" in html
    assert "sasrec, replicate 2: 1 of 2 rounds" in html          # counted from 1, as messages do
    assert html.count("of 2 rounds</li>") == 1
    evidence = weigh(load_run(path))
    effect = evidence.effect("sasrec", ALPHA)
    assert effect is not None
    assert effect.n == 2


def test_a_run_that_has_barely_begun_still_has_a_page(small: dict[str, Any]) -> None:
    path = write_run(**(small | {"finished": False}))
    for name in ("trajectory", "training", "users", "items"):
        (path / f"{name}.parquet").unlink()
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    (path / "manifest.json").write_text(json.dumps(manifest | {"failure": "mf: a < b"}), encoding="utf-8")
    html = write_report(path).read_text(encoding="utf-8")
    assert "No arm has played a round yet" in html
    assert "It stopped with: mf: a &lt; b" in html


def test_one_arm_one_replicate_two_rounds(small: dict[str, Any]) -> None:
    path = write_run(**(small | {"arms": ("mf",), "replicates": 1, "focus": [ALPHA, "echo.unknown"]}))
    html = write_report(path, formats=("svg",)).read_text(encoding="utf-8")
    assert "no organic arm" in html
    assert "--replicates" in html
    assert "▲" not in html
    assert "Asked for but not in this run: echo.unknown" in html
    assert not (path / "figures" / "differences.svg").exists()
    assert not list((path / "figures").glob("*.png"))


def test_fifteen_arms(small: dict[str, Any]) -> None:
    arms = ("organic", "oracle", *(f"policy {i}" for i in range(13)))
    path = write_run(**(small | {"arms": arms, "replicates": 2, "topics": 4}))
    page = Page(write_report(path, formats=("svg",)).read_text(encoding="utf-8"))
    rows = " ".join(page.text["th"])
    assert all(arm in rows for arm in arms)
    assert "control: sees the truth" in rows


# What is not a run directory --------------------------------------------------------------------------------


def test_what_is_not_a_run_directory_is_named(tmp_path: Path, small: dict[str, Any]) -> None:
    with pytest.raises(NotARunDirectory, match="there is no such folder"):
        write_report(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotARunDirectory, match=r"manifest\.json and scenario\.yaml missing"):
        write_report(tmp_path / "empty")
    path = write_run(**small)
    pd.read_parquet(path / "trajectory.parquet").drop(columns="value").to_parquet(path / "trajectory.parquet")
    with pytest.raises(NotARunDirectory, match=r"trajectory\.parquet: column value missing"):
        write_report(path)
    (path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(NotARunDirectory, match=r"manifest\.json:1: not valid JSON"):
        write_report(path)


def test_a_finished_run_without_numbers_is_an_error(small: dict[str, Any]) -> None:
    path = write_run(**small)
    (path / "trajectory.parquet").unlink()
    with pytest.raises(NotARunDirectory, match="has no rows"):
        write_report(path)


# Other forms of the page ------------------------------------------------------------------------------------


def test_markdown_has_the_sections_the_words_and_the_files_of_the_page(run: Path) -> None:
    page = Page((run / "report.html").read_text(encoding="utf-8"))
    (made,) = write_pages(run / "report.html", ["md"])
    text = made.read_text(encoding="utf-8")
    linked = re.findall(r"\]\((figures/[^)]*)\)", text)
    assert set(linked) == {f"figures/{file.name}" for file in (run / "figures").iterdir() if file.suffix in (".svg", ".csv")}
    anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= anchors
    assert text.count("\n## ") == sum(tag == "h2" for tag, _ in page.tags)
    assert text.count("<summary>") == text.count("</details>") == sum(tag == "summary" for tag, _ in page.tags)
    finding = answer(weigh(load_run(run)))[1].text
    assert finding.replace("[", "\\[").replace("]", "\\]") in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert sum(line.startswith("| sasrec frozen") for line in rows) >= 3
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1, table


def test_figures_that_nobody_asked_for_are_drawn_where_markdown_links_them(small: dict[str, Any]) -> None:
    path = write_run(**small)
    scenario = path / "scenario.yaml"
    scenario.write_text(scenario.read_text(encoding="utf-8") + "report: {formats: []}\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["report", str(path)])
    assert result.exit_code == 0, result.output
    assert not list((path / "figures").glob("*.svg"))
    result = CliRunner().invoke(app, ["report", str(path), "--format", "md"])
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == f"Report: {path / 'report.md'}"
    for file in re.findall(r"\]\((figures/[^)]*)\)", (path / "report.md").read_text(encoding="utf-8")):
        assert (path / file).is_file(), file


def test_unknown_formats_are_refused_before_anything_is_written(small: dict[str, Any]) -> None:
    path = write_run(**small)
    before = fingerprint(path)
    with pytest.raises(ValueError, match="formats: jpeg is not one of svg, png"):
        write_report(path, formats=("jpeg",))
    assert fingerprint(path) == before
