"""Sweep files at the door: the cells that they make, and what is said about those that make none."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import loguniform, qmc

from simulator.faults import ScenarioError
from simulator.scenario import load_scenario
from simulator.sweeping import Sweep, load_sweep
from simulator.sweeping.constraints import ConstraintError, parse_constraint
from simulator.sweeping.designs import Range, fraction, pick, points
from simulator.sweeping.labels import label

WORLD = """\
title: World
question: What if?
seed: 5
policies:
  - organic
  - {kind: mf, factors: 8}
  - {kind: mf, name: mf 2.0, rerank: {kind: mmr, strength: 0.5}}
"""
GRID = (
    WORLD
    + """\
sweep:
  axes:
    users.drift.rate: [0.01, 0.1]
    policies.mf.factors: [8, 16, 32]
"""
)
SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweeps")
    (folder / "world.yaml").write_text(WORLD)
    return folder


@pytest.fixture
def load(folder: Path) -> Callable[..., Sweep]:
    """Load a text as a sweep file that lies beside world.yaml."""

    def load(text: str, *overrides: str, **options: Any) -> Sweep:
        (folder / "sweep.yaml").write_text(text)
        return load_sweep(folder / "sweep.yaml", overrides, **options)

    return load


@pytest.fixture
def complaints(load: Callable[..., Sweep], folder: Path) -> Callable[..., str]:
    def complaints(text: str, *overrides: str, **options: Any) -> str:
        with pytest.raises(ScenarioError) as error:
            load(text, *overrides, **options)
        return str(error.value).replace(f"{folder}/", "")

    return complaints


def beside(axes: str, head: str = "") -> str:
    """A sweep file that points at world.yaml; the axes stand from line 4 on."""
    return f"base: world.yaml\nsweep:\n  axes:\n{axes}\n{head}"


# ---- what a file becomes


def test_a_grid_is_every_value_with_every_value_the_last_axis_fastest(load: Callable[..., Sweep]) -> None:
    sweep = load(GRID)
    assert (sweep.title, sweep.question, sweep.design) == ("World", "What if?", "grid")
    assert [(axis.label, axis.keys, axis.values) for axis in sweep.axes] == [
        ("drift.rate", ("users.drift.rate",), (0.01, 0.1)),
        ("mf.factors", ("policies.mf.factors",), (8, 16, 32)),
    ]
    assert [tuple(cell.values.values()) for cell in sweep.cells] == list(itertools.product((0.01, 0.1), (8, 16, 32)))
    assert [cell.number for cell in sweep.cells] == [1, 2, 3, 4, 5, 6]
    assert sweep.cells[4].in_words == "drift.rate 0.1, mf.factors 16"
    assert sweep.arms == ("organic", "mf", "mf 2.0")
    with pytest.raises(FrozenInstanceError):
        sweep.cells[0].number = 3  # type: ignore[misc]


def test_a_cell_is_the_scenario_that_the_same_set_options_make(load: Callable[..., Sweep], folder: Path) -> None:
    axes = """\
    users.choice: [{kind: logit, temperature: 0.7}, cascade]
    policies[mf 2.0].rerank.strength: [0, 1]
    policies.0: [random, {kind: popularity, name: organic}]
    users.activity.spread: [0.1]"""
    overrides = ["users.count=77", "users.activity.mean=0.5"]
    sweep = load(beside(axes), *overrides, seed=9, replicates=3)
    choices, arms = ("{kind: logit, temperature: 0.7}", "cascade"), ("random", "{kind: popularity, name: organic}")
    expected = [
        load_scenario(
            folder / "world.yaml",
            [
                *overrides,
                f"users.choice={choice}",
                f"policies[mf 2.0].rerank.strength={strength}",
                f"policies[0]={arm}",
                "users.activity.spread=0.1",
            ],
            seed=9,
            replicates=3,
        )
        for choice, strength, arm in itertools.product(choices, (0, 1), arms)
    ]
    assert [cell.scenario for cell in sweep.cells] == expected
    assert [axis.label for axis in sweep.axes] == ["users.choice", "rerank.strength", "policies.0", "activity.spread"]
    assert sweep.arms == ("mf", "mf 2.0")
    assert {cell.scenario.seed for cell in sweep.cells} == {9}


def test_the_list_of_arms_can_be_an_axis_and_then_the_keys_of_its_arms(load: Callable[..., Sweep]) -> None:
    axes = "    policies: [[organic, mf], [mf, random]]\n    policies.mf.factors: [4, 8]"
    sweep = load(beside(axes))
    names = [[arm.name for arm in cell.scenario.policies] for cell in sweep.cells]
    assert names == [["organic", "mf"]] * 2 + [["mf", "random"]] * 2
    factors = [arm.policy.factors for cell in sweep.cells for arm in cell.scenario.policies if arm.name == "mf"]  # type: ignore[union-attr]
    assert factors == [4, 8, 4, 8]
    assert sweep.arms == ("mf",)


def test_data_is_passed_on(load: Callable[..., Sweep]) -> None:
    text = "title: t\npolicies: [mf]\nusers: {interests: data}\ndata: {kind: movielens}\nsweep: {axes: {rounds: [1, 2]}}\n"
    sweep = load(text, data="movielens-small")
    assert [cell.scenario.data.path for cell in sweep.cells] == ["movielens-small"] * 2  # type: ignore[union-attr]


def test_keys_move_together_under_a_name(load: Callable[..., Sweep]) -> None:
    axes = """\
    pace:
      label: speed
      values:
        slow: {users.drift.rate: 0.01, users.susceptibility: 0.5}
        fast: {users.drift.rate: 0.2, users.susceptibility: 1}
    size: [{policies.mf.factors: 4}, {policies.mf.factors: 9, rounds: 3}]"""
    sweep = load(beside(axes, "  where: users.drift.rate < 0.1 or speed == 'fast' and policies.mf.factors > 4"))
    assert [axis.keys for axis in sweep.axes] == [
        ("users.drift.rate", "users.susceptibility"),
        ("policies.mf.factors", "rounds"),
    ]
    made = [
        (c.values["speed"], c.scenario.users.drift.rate, c.scenario.users.susceptibility.mean, c.scenario.rounds)  # type: ignore[attr-defined]
        for c in sweep.cells
    ]
    assert made == [("slow", 0.01, 0.5, 50), ("slow", 0.01, 0.5, 3), ("fast", 0.2, 1.0, 3)]
    assert sweep.cells[0].values["size"] == {"policies.mf.factors": 4}


def test_values_can_have_names(load: Callable[..., Sweep]) -> None:
    axes = """\
    users.choice: {values: {soft: {kind: logit, temperature: 1}, steep: cascade}}
    rounds: {values: {few: 3, many: 9}}"""
    sweep = load(beside(axes, "  where: users.choice == 'cascade' or rounds < 5"))  # the key rounds, not its label
    assert [cell.values for cell in sweep.cells] == [
        {"users.choice": "soft", "rounds": "few"},
        {"users.choice": "steep", "rounds": "few"},
        {"users.choice": "steep", "rounds": "many"},
    ]
    assert [axis.numeric for axis in sweep.axes] == [False, False]


def test_cases_are_cells(load: Callable[..., Sweep]) -> None:
    sweep = load("""\
base: world.yaml
sweep:
  where: rounds > 3 or drift.rate >= 0.2
  cases:
    - {users.drift.rate: 0.2, rounds: 3}
    - {rounds: 3, users.drift.rate: 0.1}
    - {rounds: 4, users.drift.rate: 0.1}
    - {rounds: 4, users.drift.rate: 0.2}
""")
    assert sweep.design == "cases"
    assert [cell.values for cell in sweep.cells] == [
        {"drift.rate": 0.2, "rounds": 3},
        {"drift.rate": 0.1, "rounds": 4},
        {"drift.rate": 0.2, "rounds": 4},
    ]
    assert [(axis.label, axis.values, axis.numeric) for axis in sweep.axes] == [
        ("drift.rate", (0.2, 0.1), True),
        ("rounds", (3, 4), True),
    ]


def test_a_base_is_seen_from_the_sweep_file_and_may_have_a_sweep_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "sweep.yaml").write_text(
        "title: Mine\nbase: ../world.yaml\nset: {users.drift: {rate: 0.3, kind: assimilation}, rounds: 7}\n"
        "sweep: {axes: {users.drift.rate: [0.01, 0.02]}}\n"
    )
    (tmp_path / "world.yaml").write_text(GRID)
    sweep = load_sweep(tmp_path / "a" / "sweep.yaml", ["rounds=8"])
    assert (sweep.title, sweep.question, len(sweep.cells)) == ("Mine", "What if?", 2)
    assert (sweep.cells[0].scenario.title, sweep.cells[0].scenario.rounds) == ("World", 8)
    (tmp_path / "plain.yaml").write_text(WORLD)
    same = ["users.drift={rate: 0.3, kind: assimilation}", "rounds=8", "users.drift.rate=0.02"]
    assert sweep.cells[1].scenario == load_scenario(tmp_path / "plain.yaml", same)


def test_options_can_change_the_sweep(load: Callable[..., Sweep]) -> None:
    assert len(load(GRID, "sweep.axes[users.drift.rate]=[0.3]", "sweep.where=mf.factors < 20").cells) == 2


def test_a_fraction_takes_the_last_axis_in_turn(load: Callable[..., Sweep]) -> None:
    axes = "    users.drift.rate: [0.1, 0.2]\n    discovery.share: [0.3, 0.4, 0.5]\n    policies.mf.factors: [7, 8, 9]"
    sweep = load(beside(axes, "  design: fraction"))
    assert [tuple(cell.values.values()) for cell in sweep.cells] == [
        (0.1, 0.3, 7), (0.1, 0.4, 8), (0.1, 0.5, 9), (0.2, 0.3, 8), (0.2, 0.4, 9), (0.2, 0.5, 7),
    ]  # fmt: skip


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(1, 5))
def test_a_fraction_is_balanced(others: list[int], last: int) -> None:
    """With an axis of as many values as the last, each value of either meets each of any third axis equally often."""
    made = np.array(list(fraction([*others, last, last])))
    assert len(made) == np.prod(others) * last
    for axis, size in enumerate(others):
        for end in (-2, -1):
            _, counts = np.unique(made[:, [axis, end]], axis=0, return_counts=True)
            assert counts.tolist() == [np.prod(others) // size] * size * last


# ---- designs that sample


@settings(max_examples=60)
@given(st.integers(1, 6), st.integers(1, 80), st.integers(0, 2**63 - 1))
def test_a_latin_hypercube_has_one_point_in_each_stratum_of_each_axis(dimensions: int, samples: int, seed: int) -> None:
    strata = np.floor(points("latin_hypercube", dimensions, samples, seed) * samples).astype(int)
    assert strata.shape == (samples, dimensions)
    assert (np.sort(strata, axis=0) == np.arange(samples)[:, None]).all()


@pytest.mark.parametrize("samples", [1, 2, 16, 64])
def test_sobol_points_are_those_of_scipy_and_balanced(samples: int) -> None:
    made = points("sobol", 3, samples, 11)
    assert (made == qmc.Sobol(3, rng=np.random.default_rng(11)).random(samples)).all()
    assert (np.sort(np.floor(made * samples), axis=0) == np.arange(samples)[:, None]).all()  # a (0, m, 1)-net on every axis
    assert (points("sobol", 3, samples, 12) != made).any()


SPACE = """\
    users.drift.rate: {low: 0.001, high: 1, scale: log}
    discovery.share: {low: 0.2, high: 0.6}
    items.topics: {low: 2, high: 9, integer: true}
    policies.mf.loss: [als, bpr]"""


@pytest.mark.parametrize("design", ["latin_hypercube", "sobol"])
def test_a_sampled_design_maps_shares_to_each_axis(load: Callable[..., Sweep], design: str) -> None:
    sweep = load(beside(SPACE, f"  design: {design}\n  samples: 16"))
    engine = {"latin_hypercube": qmc.LatinHypercube, "sobol": qmc.Sobol}[design](4, rng=np.random.default_rng(5))
    shares = engine.random(16)
    values = [list(cell.values.values()) for cell in sweep.cells]
    assert np.allclose([row[0] for row in values], loguniform(0.001, 1).ppf(shares[:, 0]), rtol=1e-12)
    assert np.allclose([row[1] for row in values], 0.2 + 0.4 * shares[:, 1], rtol=1e-12)
    topics = [row[2] for row in values]
    assert sorted(topics) == sorted(list(range(2, 10)) * 2)  # sixteen strata over eight whole numbers
    assert all(type(each) is int for each in topics)
    assert [row[3] for row in values] == ["als" if share < 0.5 else "bpr" for share in shares[:, 3]]
    assert sweep.cells[3].scenario.items.topics == values[3][2]
    assert sweep.axes[2].values == tuple(range(2, 10))
    assert sweep.axes[0].range == Range(0.001, 1.0, "log")


def test_cells_may_have_draws_of_their_own(load: Callable[..., Sweep]) -> None:
    shared, own = load(GRID), load(GRID + "  draws: own\n")
    assert {cell.scenario.seed for cell in shared.cells} == {5}
    assert shared.seed == 5
    seeds = [cell.scenario.seed for cell in own.cells]
    assert len(set(seeds)) == 6
    assert own.seed == "of each cell its own"
    assert [cell.values for cell in own.cells] == [cell.values for cell in shared.cells]
    assert [cell.scenario.model_copy(update={"seed": 5}) for cell in own.cells] == [cell.scenario for cell in shared.cells]
    fewer = load(GRID.replace("[8, 16, 32]", "[32, 8]") + "  draws: own\n")          # a seed is of the values, not of the place
    by_values = {str(cell.values): cell.scenario.seed for cell in own.cells}
    assert all(by_values[str(cell.values)] == cell.scenario.seed for cell in fewer.cells)
    other = load(GRID + "  draws: own\n", seed=6)
    assert not {cell.scenario.seed for cell in other.cells} & set(seeds)
    assert own.document["sweep"]["draws"] == "own"


def test_the_seed_of_a_design_is_its_own_or_the_scenarios(load: Callable[..., Sweep]) -> None:
    def first(text: str, **options: Any) -> Any:
        return load(text, **options).cells[0].values["drift.rate"]

    plain, own = (beside(SPACE, f"  design: sobol\n  samples: 4{more}") for more in ("", "\n  seed: 8"))
    assert first(plain) != first(plain, seed=8) == first(own) == first(own, seed=9)


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.sampled_from(["linear", "log"]), st.floats(0, 1, exclude_max=True))
def test_a_range_is_never_left_and_is_the_quantile_of_its_distribution(
    low: float, width: float, scale: Any, share: float
) -> None:
    high = low + width
    number = Range(low, high, scale).at(share)
    assert low <= number <= high
    reference = loguniform(low, high).ppf(share) if scale == "log" and low < high else low + share * (high - low)
    assert math.isclose(number, reference, rel_tol=1e-9)


@given(st.integers(1, 50), st.integers(1, 50), st.sampled_from(["linear", "log"]))
def test_every_whole_number_of_a_range_comes_up_as_often_as_its_scale_says(low: int, width: int, scale: Any) -> None:
    span = Range(low, low + width, scale, integer=True)
    shares = (np.arange(4000) + 0.5) / 4000
    numbers, counts = np.unique([span.at(share) for share in shares], return_counts=True)
    assert numbers.tolist() == list(range(low, low + width + 1))
    edges = np.arange(low, low + width + 2)
    expected = np.diff(np.log(edges)) / np.log(edges[-1] / low) if scale == "log" else np.full(width + 1, 1 / (width + 1))
    assert np.abs(counts / 4000 - expected).max() <= 1 / 4000 + 1e-12


def test_the_values_of_a_list_have_the_same_chance() -> None:
    picked = [pick(("a", "b", "c"), share) for share in (0, 0.33, 0.34, 0.66, 0.67, np.nextafter(1, 0))]
    assert picked == ["a", "a", "b", "b", "c", "c"]


def test_a_point_that_comes_up_twice_is_one_cell(load: Callable[..., Sweep]) -> None:
    sweep = load(beside("    rounds: {low: 1, high: 3, integer: true}", "  design: latin_hypercube\n  samples: 30"))
    assert sorted(cell.values["rounds"] for cell in sweep.cells) == [1, 2, 3]


# ---- constraints

NAMES = {"a": 2, "drift.rate": 0.5, "policies[mf 2.0].factors": 8, "policies.mf+mmr.factors": 3, "own finds": -1.5}


def spelled(name: str) -> str:
    """The Python name that stands for an axis where Python itself evaluates."""
    return f"v{list(NAMES).index(name)}"


TERMS = st.recursive(
    st.sampled_from([(name, spelled(name)) for name in NAMES])
    | st.integers(0, 20).map(lambda n: (str(n), str(n)))
    | st.sampled_from(["0.5", "1e-3", "2.0"]).map(lambda n: (n, n)),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(
            lambda t: (f"{t[0][0]} {t[1]} {t[2][0]}", f"{t[0][1]} {t[1]} {t[2][1]}")
        ),
        inner.map(lambda t: (f"({t[0]})", f"({t[1]})")),
        inner.map(lambda t: (f"-{t[0]}", f"-{t[1]}")),
    ),
    max_leaves=6,
)
OPERATORS = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
COMPARISONS = st.tuples(TERMS, st.lists(st.tuples(OPERATORS, TERMS), min_size=1, max_size=2)).map(
    lambda t: tuple(t[0][i] + "".join(f" {op} {term[i]}" for op, term in t[1]) for i in (0, 1))
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda t: (f"{t[0][0]} {t[1]} {t[2][0]}", f"{t[0][1]} {t[1]} {t[2][1]}")
        ),
        inner.map(lambda t: (f"not ({t[0]})", f"not ({t[1]})")),
        inner.map(lambda t: (f"({t[0]})", f"({t[1]})")),
    ),
    max_leaves=4,
)


@settings(max_examples=300)
@given(CONDITIONS)
def test_a_constraint_means_what_it_means_in_python(texts: tuple[str, str]) -> None:
    text, python = texts
    constraint = parse_constraint(text, NAMES)
    try:
        expected = eval(python, {spelled(name): value for name, value in NAMES.items()})
    except ZeroDivisionError:
        with pytest.raises(ConstraintError, match="division by zero"):
            constraint.holds(NAMES)
    else:
        assert constraint.holds(NAMES) is expected


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("loss == 'a and b'", True),
        ('loss != "loss"', True),
        ("frozen == true", True),
        ("frozen != False", True),
        ("mf.rate < 0.6 and rate > 0.6", True),
        ("_ == 7", True),
        ("__ == 7 or _ < 7", False),
    ],
)
def test_words_truths_and_names_within_names(text: str, truth: bool) -> None:
    values = {"loss": "a and b", "frozen": True, "mf.rate": 0.5, "rate": 0.7, "_": 7, "__": 8}
    assert parse_constraint(text, values).holds(values) is truth


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("__import__('os').system('x') == 0", "is not allowed here"),
        ("a.__class__ == 1", "there is no axis 'a.__class__'"),
        ("'x' * 1000000000 == a", "'x' is not a number to calculate with"),
        ("9 ** 9 > a", "9 ** 9 is not allowed here"),
        ("a in [1]", "a in [1] is no comparison"),
        ("a", "a is no comparison; write one, as in"),
        ("a and a > 3", "a is no comparison"),
        ("(a := 3) > 1", "is not allowed here"),
        ("lambda: a > 1", "is no comparison"),
        ("a < 1j", "is not allowed here"),
        ("a <", "cannot be read as a comparison"),
        ("a = 1", "cannot be read as a comparison"),
        ("a > 1; a > 2", "cannot be read as a comparison"),
        ("", "cannot be read as a comparison"),
        ("a > 1\0", "cannot be read as a comparison"),
        ("(" * 5000 + "a > 1" + ")" * 5000, "cannot be read as a comparison"),
        ("drft.rate < 1", "there is no axis 'drft.rate'; did you mean 'drift.rate'?"),
        ("a < 'x'", "2 cannot be compared with 'x'"),
        ("1e308 * 1e308 > a / 0", "division by zero"),
    ],
)
def test_what_is_no_constraint(text: str, words: str) -> None:
    with pytest.raises(ConstraintError) as error:
        parse_constraint(text, NAMES).holds(NAMES)
    assert words in str(error.value)


@settings(max_examples=300)
@given(st.text() | st.text("a<>=!()+-*/. '\"[]andotr0123456789", max_size=30))
def test_any_text_is_a_constraint_or_a_constraint_error(text: str) -> None:
    with suppress(ConstraintError):
        assert isinstance(parse_constraint(text, NAMES).holds(NAMES), bool)


# ---- labels


def test_a_label_is_the_shortest_end_of_a_key_that_is_its_own() -> None:
    keys = ["users.drift.rate", "policies.a.x.rate", "policies.b.x.rate", "policies[2].factors"]
    keys += ["policies[mf 2.0].epochs", "rounds"]
    assert list(label(dict.fromkeys(keys)).values()) == [
        "drift.rate",
        "a.x.rate",
        "b.x.rate",
        "policies[2].factors",
        "[mf 2.0].epochs",
        "rounds",
    ]
    assert label({"users.drift.rate": None, "x": "drift.rate"})["users.drift.rate"] == "users.drift.rate"


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "7"]), min_size=1, max_size=4).map(".".join), min_size=1, unique=True))
def test_labels_are_never_the_same_for_two_keys(keys: list[str]) -> None:
    labels = label(dict.fromkeys(keys))
    assert len(set(labels.values())) == len(keys)
    assert all(key.endswith(text.replace("[", ".").replace("]", "").removeprefix(".")) for key, text in labels.items())


# ---- digest, resolved text

FORMS = [
    GRID,
    beside("    policies: [[organic, mf], [mf, random]]\n    policies.mf.factors: [4, 8]"),
    beside("    pace: {values: {slow: {users.drift.rate: 0.01}, fast: {users.drift.rate: 1}}}", "  where: pace != 'slow'"),
    beside(SPACE, "  design: sobol\n  samples: 8\n  where: [drift.rate < 0.5, items.topics > 2]"),
    beside(SPACE, "  design: latin_hypercube\n  samples: 5\n  seed: 3"),
    "title: Cases\nquestion: ''\nbase: world.yaml\nset: {rounds: 3}\nsweep: {cases: [{users.count: 9}, {users.count: 10}]}\n",
]


@pytest.mark.parametrize("text", FORMS, ids=range(len(FORMS)))
def test_resolved_text_loads_back_to_an_equal_sweep(load: Callable[..., Sweep], text: str) -> None:
    made = load(text, "users.takes=2", seed=77)
    again = load(made.resolved())
    assert again == made
    assert again.digest == made.digest
    assert again.resolved() == made.resolved()
    assert load(text, "users.takes=3", seed=77).digest != made.digest


def test_equal_content_has_an_equal_digest_and_other_content_another(load: Callable[..., Sweep]) -> None:
    made = load(GRID)
    factors = "    policies[1].factors: {label: mf.factors, values: [8, 16, 32]}"
    assert load(beside(f"    users.drift.rate: {{values: [1e-2, 1e-1]}}\n{factors}")).digest == made.digest
    changes = ("sweep.where=mf.factors < 32", "rounds=49", "sweep.axes[users.drift.rate]=[0.1, 0.01]")
    others = {load(GRID, change).digest for change in changes}
    assert len(others | {made.digest}) == 4


@pytest.mark.parametrize("file", sorted(SCENARIOS.glob("sweep_*.yaml")), ids=lambda file: file.stem)
def test_shipped_sweeps_are_right(file: Path) -> None:
    sweep = load_sweep(file)
    assert len(sweep.cells) > 3
    assert len({cell.scenario.digest for cell in sweep.cells}) == len(sweep.cells)


# ---- what is said about what is wrong

MANY = beside("\n".join(f"    {key}: {list(range(1, 60))}" for key in ("rounds", "warmup", "seed")))
RATE = "    users.drift.rate: [0.1, 0.2]"
WRONG = [
    # the file
    ("title: t\npolicies: [mf]\n", "sweep.yaml:1:1: sweep: ", "is missing"),
    ("sweep: {axes: {rounds: [1]}}", "sweep.yaml:1:1: base: ", "is missing"),
    ("base: world.yaml\n", "sweep.yaml:1:1: sweep: ", "is missing"),
    ("- a\n", "sweep.yaml:1:1: ", "must be a mapping of keys to values (got a list)"),
    (beside(RATE, "users: {}"), "sweep.yaml:5:1: users: ", "there is no key 'users'; there are: title, question, base"),
    ("base: wrld.yaml\nsweep: {axes: {rounds: [1]}}", "sweep.yaml:1:7: base: ", "wrld.yaml: there is no such file"),
    ("base: sweep.yaml\nsweep: {axes: {rounds: [1]}}", "sweep.yaml:1:7: base: ", "sweep.yaml is a sweep file itself"),
    ("base: 3\nsweep: {axes: {rounds: [1]}}", "sweep.yaml:1:7: base: ", "must be text, or a mapping of keys to values (got 3)"),
    ("base: {title: t}\nsweep: {axes: {rounds: [1]}}", "sweep.yaml:1:1: policies: ", "is missing"),
    (GRID.replace("seed: 5", "seed: -5"), "sweep.yaml:3:7: seed: ", "must be at least 0 (got -5)"),
    (GRID + "    rounds: [1]\n    rounds: [2]\n", "sweep.yaml:13:5: ", "the key 'rounds' is given twice"),
    (beside(RATE, "set: {usrs.count: 3}"), "sweep.yaml:5:19: usrs: ", "there is no key 'usrs'; did you mean 'users'?"),
    (beside(RATE, "set: {users.drift.rate: 3}"), "sweep.yaml:5:25: users.drift.rate: ", "is undone by the axis that varies"),
    (beside(RATE, "set: {policies.mff.name: 3}"), "sweep.yaml:5:26: policies: ", "there is no 'mff' among its 3 entries"),
    (beside(RATE, "set: {a..b: 3}"), "sweep.yaml:5:13: set.a..b: ", "'a..b' is not a key; write it as in"),
    # the section
    ("base: world.yaml\nsweep: 3\n", "sweep.yaml:2:8: sweep: ", "must be a mapping of keys to values (got 3)"),
    ("base: world.yaml\nsweep: {}\n", "sweep.yaml:2:8: sweep: ", "has no `axes`: say what varies"),
    ("base: world.yaml\nsweep: {axs: {}}\n", "sweep.yaml:2:9: sweep.axs: ", "there is no key 'axs'; did you mean 'axes'?"),
    ("base: world.yaml\nsweep: {axes: {}}\n", "sweep.yaml:2:15: sweep.axes: ", "must have at least one entry"),
    ("base: world.yaml\nsweep: {cases: []}\n", "sweep.yaml:2:16: sweep.cases: ", "must have at least one entry"),
    ("base: world.yaml\nsweep: {cases: [{}]}\n", "sweep.yaml:2:17: sweep.cases[0]: ", "sets no key"),
    (beside(RATE, "  design: sobl"), "sweep.yaml:5:11: sweep.design: ", "(got 'sobl'); did you mean 'sobol'?"),
    (beside(RATE, "  design: cases"), "sweep.yaml:5:11: sweep.design: ", "'cases' needs a list of `cases`"),
    (beside(RATE, "  cases: [{rounds: 3}]"), "sweep.yaml:5:10: sweep.cases: ", "leave out one of the two"),
    (
        "base: world.yaml\nsweep: {design: grid, cases: [{rounds: 1}]}",
        "sweep.yaml:2:17: sweep.design: ",
        "leave it out (got 'grid')",
    ),
    (beside(RATE, "  design: fraction"), "sweep.yaml:5:11: sweep.design: ", "needs two axes"),
    (beside(RATE, "  design: sobol"), "sweep.yaml:5:11: sweep.design: ", "'sobol' needs `samples`"),
    (
        beside(RATE, "  samples: 8"),
        "sweep.yaml:5:12: sweep.samples: ",
        "is for a design that samples, latin_hypercube or sobol",
    ),
    (beside(RATE, "  seed: 8"), "sweep.yaml:5:9: sweep.seed: ", "is for a design that samples"),
    (
        beside(RATE, "  design: sobol\n  samples: 100"),
        "sweep.yaml:6:12: sweep.samples: ",
        "must be a power of two, or Sobol' points are",
    ),
    (beside(RATE, "  design: sobol\n  samples: 100"), "sweep.yaml:6:12: sweep.samples: ", "64 or 128 (got 100)"),
    (beside(RATE, "  design: sobol\n  samples: 0"), "sweep.yaml:6:12: sweep.samples: ", "must be at least 1 (got 0)"),
    # the axes
    (
        beside("    users.drift.rate: 0.1"),
        "sweep.yaml:4:23: sweep.axes.users.drift.rate: ",
        "must be a list of values, or a mapping",
    ),
    (beside("    users.drift.rate: []"), "sweep.yaml:4:23: sweep.axes.users.drift.rate", "must have at least one entry"),
    (beside("    rounds: {value: [1]}"), "sweep.yaml:4:14: sweep.axes.rounds.value: ", "did you mean 'values'?"),
    (beside("    rounds: {low: 1}"), "sweep.yaml:4:13: sweep.axes.rounds: ", "must have `values`, or `low` and `high`"),
    (
        beside("    rounds: {values: [1], low: 1}"),
        "sweep.yaml:4:32: sweep.axes.rounds.low: ",
        "is for a range, and there are `values`",
    ),
    (
        beside("    rounds: {low: 3, high: 3}"),
        "sweep.yaml:4:28: sweep.axes.rounds.high: ",
        "must be greater than `low`, 3 (got 3)",
    ),
    (
        beside("    rounds: {low: 0, high: 3, scale: log}"),
        "sweep.yaml:4:19: sweep.axes.rounds.low: ",
        "greater than 0 on a log scale",
    ),
    (
        beside("    rounds: {low: 1.5, high: 3, integer: true}"),
        "sweep.yaml:4:19: sweep.axes.rounds.low: ",
        "must be a whole number",
    ),
    (beside("    rounds: {low: a, high: 3}"), "sweep.yaml:4:19: sweep.axes.rounds.low: ", "must be a number (got 'a')"),
    (
        beside("    rounds: {low: 1, high: 3}"),
        "sweep.yaml:4:13: sweep.axes.rounds: ",
        "is a range, and 'grid' takes values: list them",
    ),
    (beside("    rounds: [1, 2, 1]"), "sweep.yaml:4:20: sweep.axes.rounds[2]: ", "gives the axis the value 1 a second time"),
    (beside("    users..x: [1]"), "sweep.yaml:4:15: sweep.axes.users..x: ", "'users..x' is not a key"),
    (beside("    rond: [1]"), "sweep.yaml:4:11: sweep.axes.rond: ", "there is no key 'rond'; did you mean 'rounds'?"),
    (beside("    pace: {low: 1, high: 2}"), "sweep.yaml:4:11: sweep.axes.pace: ", "as a name for keys that move together"),
    (beside("    pace: [{a..b: 1}]"), "sweep.yaml:4:19: sweep.axes.pace[0].a..b: ", "'a..b' is not a key"),
    (
        beside("    rounds: {values: [1], label: x}\n    warmup: {values: [1], label: x}"),
        "sweep.yaml:5:34: sweep.axes.warmup.label: ",
        "is the second axis called 'x'; give it another `label`",
    ),
    (
        beside("    x: [{rounds: 1}, {rounds: 2}]\n    warmup: {label: rounds, values: [1]}"),
        "sweep.yaml:5:21: sweep.axes.warmup.label: ",
        "'rounds' is a key that another axis moves; give it another `label`",
    ),
    (
        beside("    rounds: {label: x, values: {label: 1, values: 0}}"),
        "sweep.yaml:4:51: rounds: ",
        "must be at least 1 (got 0); in the cell x values",
    ),
    (MANY, "sweep.yaml:4:5: sweep.axes: ", "make 205,379 cells; a sweep has at most 10,000"),
    # the cases
    (
        "base: world.yaml\nsweep:\n  cases:\n  - {rounds: 3, warmup: 1}\n  - {rounds: 4}\n",
        "sweep.yaml:5:5: sweep.cases[1]: ",
        "says nothing of warmup; every case gives a value",
    ),
    (
        "base: world.yaml\nsweep: {cases: [{rounds: 3}, {rounds: 3}]}",
        "sweep.yaml:2:30: sweep.cases[1]: ",
        "number 1 of the cases again",
    ),
    ("base: world.yaml\nsweep: {cases: [{rounds.: 3}]}", "sweep.yaml:2:27: sweep.cases[0].rounds.: ", "is not a key"),
    # the conditions
    (
        beside(RATE, "  where: drft.rate < 1"),
        "sweep.yaml:5:10: sweep.where: ",
        "there is no axis 'drft.rate'; did you mean 'drift.rate'?",
    ),
    (beside(RATE, "  where: [drift.rate]"), "sweep.yaml:5:11: sweep.where[0]: ", "drift.rate is no comparison"),
    (
        beside(RATE, "  where: drift.rate < 'a'"),
        "sweep.yaml:5:10: sweep.where: ",
        "cannot be compared with 'a'; in the cell drift.rate 0.1",
    ),
    (beside(RATE, "  where: drift.rate > 1"), "sweep.yaml:5:10: sweep.where: ", "leaves no cell: none of the 2 meets it"),
    (
        beside(RATE, "  where: [drift.rate > 0.1, drift.rate < 0.2]"),
        "sweep.yaml:5:10: sweep.where: ",
        "but all together by none",
    ),
    (beside(RATE, "  where: 3"), "sweep.yaml:5:10: sweep.where: ", "must be text, or a list (got 3)"),
    # the cells
    (
        beside("    users.drift.rte: [1, 2]"),
        "sweep.yaml:4:23: users.drift.rte: ",
        "there is no key 'rte'; did you mean 'rate'?",
    ),
    (beside("    user.count: [1, 2]"), "sweep.yaml:4:18: user: ", "there is no key 'user'; did you mean 'users'?"),
    (beside("    policies.mff.factors: [1]"), "sweep.yaml:4:28: policies: ", "there is no 'mff' among its 3 entries"),
    (
        beside("    rounds: [1, 2]\n    policies.mf.factors: [8, 0]"),
        "sweep.yaml:5:30: policies[1].factors: ",
        "must be at least 1 (got 0); in the cell rounds 1, mf.factors 0 and 1 more",
    ),
    (
        beside("    policies.mf.factors: {low: -9, high: 9, integer: true}", "  design: sobol\n  samples: 8"),
        "sweep.yaml:4:26: policies[1].factors: ",
        "; in the cell mf.factors ",
    ),
    (  # two keys that do not go together, at the one that varies
        WORLD + "discovery: {awareness: 9}\nslate_size: 3\nsweep: {axes: {rounds: [1, 2], items.count: [100, 5]}}\n",
        "sweep.yaml:10:51: discovery.awareness: ",
        "must be at most the number of items, 5 (got 9); in the cell rounds 1, items.count 5 and 1 more",
    ),
    (
        beside("    rounds: [1, 2]\n    items.count: [100, 5]", "set: {discovery.awareness: 9, slate_size: 3}"),
        "sweep.yaml:6:28: discovery.awareness: ",
        "must be at most the number of items, 5 (got 9); in the cell rounds 1, items.count 5 and 1 more",
    ),
    (
        beside("    policies.mf.factors: [1, 2]\n    policies[1].factors: [3, 4]"),
        "sweep.yaml:4:27: policies[1].factors: ",
        "is undone by `policies[1].factors`, which comes after it",
    ),
    (
        beside("    policies.mf.factors: [1, 2]\n    policies: [[mf], [mf, random]]"),
        "sweep.yaml:4:27: policies[1].factors: ",
        "is undone by `policies`, which comes after it",
    ),
]


@pytest.mark.parametrize(("text", "where", "words"), WRONG, ids=range(len(WRONG)))
def test_a_fault_is_told_with_its_place_and_in_words(complaints: Callable[..., str], text: str, where: str, words: str) -> None:
    told = complaints(text)
    found = [line for line in told.splitlines() if line.startswith(where)]
    assert any(words in line for line in found), told


def test_all_faults_are_told_at_once_and_each_once(complaints: Callable[..., str]) -> None:
    told = complaints("""\
title: t
policies: [mf, mff]
sweep:
  where: x < 1
  axes:
    users.drift.rate: [0.1, 2]
    rounds: []
    warmup: {low: 1, high: 0}
    rond: [1]
""")
    places = [line.split(": ")[0] for line in told.splitlines() if line.startswith("sweep.yaml")]
    assert places == [f"sweep.yaml:{at}" for at in ("2:16", "7:13", "8:28", "9:11")]
    axes = "    rounds: [0, 1, -1]\n    users.drift.rte: [1, 2]\n    items.count: [4, 5]"
    told = complaints(beside(axes, "set: {warmup: -3}"))
    places = [line.split(": ")[0] for line in told.splitlines() if line.startswith("sweep.yaml")]
    assert places == [f"sweep.yaml:{at}" for at in ("4:14", "4:20", "5:23", "7:15")]  # sizes come later


def test_a_fault_of_the_base_is_told_once_at_its_own_place_unless_an_axis_mends_it(
    complaints: Callable[..., str], load: Callable[..., Sweep], folder: Path
) -> None:
    (folder / "broken.yaml").write_text("title: t\nrounds: none\npolicies: [mf]\n")
    text = "base: broken.yaml\nsweep: {axes: {warmup: [1, 2]}}\n"
    assert complaints(text).splitlines()[0] == "broken.yaml:2:9: rounds: must be a whole number (got 'none')"
    assert complaints(text).count("must be") == 1
    assert [cell.scenario.rounds for cell in load(text.replace("warmup", "rounds")).cells] == [1, 2]


@pytest.mark.parametrize(
    ("overrides", "options", "words"),
    [
        (
            ["users.drift.rate=0.3"],
            {},
            "--set users.drift.rate=0.3: users.drift.rate: is undone by the axis that varies `users.",
        ),
        (["policies[1].factors=3"], {}, "is undone by the axis that varies `policies.mf.factors`"),
        (["usrs.count=3"], {}, "--set usrs.count=3: usrs: there is no key 'usrs'; did you mean 'users'?"),
        (["users.drift.rat=3"], {}, "--set users.drift.rat=3: users.drift.rat: there is no key"),
        (["sweep.design=sbol"], {}, "--set sweep.design=sbol: sweep.design: must be"),
        (["sweep.axes.rounds=[0]"], {}, "--set sweep.axes.rounds=[0]: rounds: must be at least 1 (got 0)"),
        ([], {"seed": -1}, "--seed -1: seed: must be at least 0"),
        ([], {"replicates": 0}, "--replicates 0: replicates: must be at least 1"),
        ([], {"data": "x"}, "--data x: "),
    ],
)
def test_a_bad_option_is_blamed_and_not_the_file(
    complaints: Callable[..., str], overrides: list[str], options: dict[str, Any], words: str
) -> None:
    told = complaints(GRID, *overrides, **options)
    assert words in told
    assert "sweep.yaml:" not in told


def test_code_of_the_users_own_needs_to_be_allowed(
    folder: Path, complaints: Callable[..., str], load: Callable[..., Sweep]
) -> None:
    (folder / "own_for_sweep.py").write_text(
        "from dataclasses import dataclass\nfrom policies.uniform import Random\n\n"
        "@dataclass\nclass Mine(Random):\n    knob: int = 1\n"
    )
    text = beside("    policies: [[organic], ['own_for_sweep:Mine']]")
    assert "sweep.yaml:4:27: policies[0]: " in complaints(text)
    assert load(text, allow_code=True).cells[1].scenario.policies[0].name == "own_for_sweep:Mine"


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    text=st.sampled_from(FORMS),
    start=st.integers(0, 400),
    length=st.integers(0, 30),
    inserted=st.text(max_size=8) | st.text("ab:-?[]{}&*!|>'\"%@`#,<~=. \n\t01", max_size=8),
)
def test_whatever_a_file_holds_it_is_a_sweep_or_has_faults_with_lines(
    folder: Path, text: str, start: int, length: int, inserted: str
) -> None:
    (folder / "fuzz.yaml").write_bytes((text[:start] + inserted + text[start + length :]).encode())
    made = attempt(folder / "fuzz.yaml")
    if isinstance(made, Sweep):
        assert made.cells
    else:
        assert made.faults
        assert all(fault.line >= 1 and fault.column >= 1 for fault in made.faults), str(made)


def attempt(file: Path) -> Sweep | ScenarioError:
    try:
        return load_sweep(file)
    except ScenarioError as error:
        return error
