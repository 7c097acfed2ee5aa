"""The recorder against a slow twin: every measure of a random run worked out anew, with loops over lists."""

from __future__ import annotations

import itertools
import math
import pickle
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
import torch

from simulator.measures import DEFAULT, MEASURES, Recorder, select
from simulator.measures.along_ring import ALONG_RING
from simulator.measures.attitudes import ATTITUDES
from simulator.measures.catalogue import gini
from simulator.measures.comparing import COMPARING
from simulator.measures.holding import HOLDING
from simulator.measures.lists import vendi
from simulator.measures.on_record import PROFILES
from simulator.measures.own_items import OWN_ITEMS
from simulator.measures.state import bimodality, esteban_ray
from simulator.measures.training import TRAINING
from simulator.rounds import Round, World

Bites = list[list[int]]  # one list of item ids a user


def shown_in(r: Round) -> Bites:
    return [row if shown else [] for row, shown in zip(r.slate.tolist(), r.shown.tolist(), strict=True)]


def taken_in(r: Round) -> Bites:
    return [row[mask].tolist() for row, mask in zip(r.items, r.taken, strict=True)]


def diet(world: World, rounds: list[Bites], known: list[np.ndarray]) -> dict[str, float]:
    """`rounds`: the window; `known`: the popularity in each of its rounds."""
    z, (n, t), m = world.topics.double().numpy(), world.interests.shape, len(world.topics)
    fed = [[i for r in rounds for i in r[u]] for u in range(n)]
    diets = [z[ids].mean(0) for ids in fed if ids]
    if not diets:
        return {}
    h = [scipy.stats.entropy(p) for p in diets]
    counts = np.bincount([i for ids in fed for i in ids], minlength=m)
    x = counts / counts.sum()
    events = [(i, n_i[i]) for r, n_i in zip(rounds, known, strict=True) for ids in r for i in ids]
    gamma = math.exp(scipy.stats.entropy(np.mean(diets, 0)))
    top = np.sort(x)[::-1]
    return {
        "topic_entropy": np.mean(h),
        "effective_topics": np.mean(np.exp(h)),
        "simpson_topics": np.mean([1 / (p**2).sum() for p in diets]),
        "gini_simpson": np.mean([1 - (p**2).sum() for p in diets]),
        "topic_coverage": np.mean([len({int(z[i].argmax()) for i in ids}) / t for ids in fed if ids]),
        "alpha": math.exp(np.mean(h)),
        "beta": gamma / math.exp(np.mean(h)),
        "gamma": gamma,
        "gini": gini(torch.from_numpy(counts)),
        "present": gini(torch.from_numpy(counts[counts > 0])),
        "shannon_items": scipy.stats.entropy(x),
        "effective_items": math.exp(scipy.stats.entropy(x)),
        "herfindahl": (x**2).sum(),
        "coverage": (counts > 0).mean(),
        "top_share_1": top[: math.ceil(m / 100)].sum(),
        "top_share_10": top[: math.ceil(m / 10)].sum(),
        "mean_popularity": np.mean([n_i for _, n_i in events]),
        "novelty": np.mean([-math.log2(max(n_i, 0.5) / n) for _, n_i in events]),
        "users": len(diets) / n,
    }


def root_jsd(p: np.ndarray, q: np.ndarray) -> float:
    return scipy.spatial.distance.jensenshannon(0.999 * p + 0.001 * q, 0.999 * q + 0.001 * p, base=2)


def spread(values: dict[int, float], group: list[int]) -> tuple[float, float] | None:
    """Highest minus lowest mean of a group, and the lowest, of groups of at least 5."""
    by_group = [[x for u, x in values.items() if group[u] == g] for g in set(group)]
    means = [np.mean(members) for members in by_group if len(members) >= 5]
    return (max(means) - min(means), min(means)) if len(means) > 1 else None


def twin(
    world: World, rounds: list[Round], window: int | None, panel: list[int], past: Bites | None
) -> dict[str, float]:
    """Every measure of the last of these rounds."""
    r, n, m = rounds[-1], len(world.interests), len(world.topics)
    z, f = world.topics.double().numpy(), world.features.double().numpy()
    theta, k = r.interests.double().numpy(), r.slate.shape[1]
    popularity = [world.popularity.numpy()]
    for earlier in rounds:
        taken = np.bincount([i for ids in taken_in(earlier) for i in ids], minlength=m)
        popularity.append(popularity[-1] + taken)
    now = popularity[-2]
    eaten, known = [taken_in(x) for x in rounds], popularity[:-1]
    if past is not None:
        eaten, known = [past, *eaten], [popularity[0], *known]
    w = len(eaten) if window is None else window
    exposure = diet(world, [shown_in(x) for x in rounds][-w:], popularity[:-1][-w:])
    consumption = diet(world, eaten[-w:], known[-w:])
    profile = [[i for x in eaten[:-1][-w:] for i in x[u]] for u in range(n)]
    slates = shown_in(r)
    served = [u for u in range(n) if slates[u]]
    both = [u for u in served if profile[u]]
    rank = 1 / np.arange(1, k + 1)
    rank = rank / rank.sum()
    on_items = {u: np.zeros(m) for u in served}
    for u in served:
        on_items[u][slates[u]] = rank
    ring = [u for u in panel if slates[u]]
    values = {f"exposure.{name}": x for name, x in exposure.items()}
    values |= {f"consumption.{name}": x for name, x in consumption.items()}
    values = {name.replace("exposure.present", "exposure.gini_shown"): x for name, x in values.items()}
    values = {
        name.replace("consumption.present", "consumption.gini_consumed"): x for name, x in values.items()
    }
    if served:
        exposed = Counter(i for x in rounds[-w:] for ids in shown_in(x) for i in ids)
        creators = world.creators.tolist()
        values |= {
            "exposure.intra_list_distance": np.mean(
                [1 - f[i] @ f[j] for u in served for i, j in itertools.combinations(slates[u], 2)]
            ),
            "exposure.vendi": vendi(torch.from_numpy(f[[slates[u] for u in served]])).mean().item(),
            "exposure.miscalibration": np.mean(
                [scipy.stats.entropy(theta[u], 0.99 * z[slates[u]].mean(0) + 0.01 * theta[u]) for u in served]
            ),
            "exposure.provider_gini": gini(
                torch.tensor(
                    [sum(exposed[i] for i in range(m) if creators[i] == c) for c in sorted(set(creators))]
                )
            ),
            "exposure.radio_fragmentation": np.mean(
                [root_jsd(on_items[u], on_items[v]) for u, v in zip(ring, [*ring[1:], ring[0]], strict=True)]
            ),
        }
        misfit = {
            u: scipy.stats.entropy(theta[u], 0.99 * z[slates[u]].mean(0) + 0.01 * theta[u]) for u in served
        }
        if between := spread(misfit, world.group.tolist()):
            values["exposure.miscalibration_gap"] = between[0]
        strength = np.abs(world.activation.double().numpy())
        bins = np.clip(np.digitize(strength, np.linspace(strength.min(), strength.max(), 6)) - 1, 0, 4)
        labels = {"activation": bins, "representation": world.viewpoint, "alternative_voices": world.minority}
        for name, label in labels.items():
            indicator = np.array([[float(x == v) for v in sorted(set(np.asarray(label).tolist()))] for x in np.asarray(label)])
            values[f"exposure.radio_{name}"] = np.mean(
                [root_jsd(rank @ indicator[slates[u]], indicator.mean(0)) for u in served]
            )
        got, due = np.zeros(m), np.zeros(m)
        for u in served:
            got[slates[u]] += 1 / np.log2(np.arange(2, k + 2)) / len(served)
            due[r.best(torch.tensor([u]), k)[0].numpy()] += 1 / k / len(served)
        got /= got.sum()
        few = world.minority.numpy()
        values |= {
            "exposure.expected_exposure_loss": ((got - due) ** 2).sum(),
            "exposure.provider_inequity": sum(
                abs(sum(got[i] - due[i] for i in range(m) if creators[i] == c)) for c in set(creators)
            ) / 2,
            "exposure.disparate_treatment": got[few].sum() / due[few].sum() / (got[~few].sum() / due[~few].sum()),
        }
        hit = {u: np.isin(slates[u], r.best(torch.tensor([u]), k)[0]) for u in served}
        discount = 1 / np.log2(np.arange(2, k + 2))
        values |= {
            "utility.precision": np.mean([hit[u].mean() for u in served]),
            "utility.recall": np.mean([hit[u].mean() for u in served]),
            "utility.ndcg": np.mean([(hit[u] * discount).sum() / discount.sum() for u in served]),
            "utility.acceptance": sum(len(set(taken_in(r)[u]) & set(slates[u])) for u in served)
            / (len(served) * k),
        }
    if both:
        a, b = {u: now[slates[u]].mean() for u in both}, {u: now[profile[u]].mean() for u in both}
        members = [[u for u in both if world.group[u] == g] for g in range(3)]
        rise = [np.mean([a[u] for u in us]) / np.mean([b[u] for u in us]) - 1 for us in members if len(us) >= 5]
        if len(rise) > 1:
            values["exposure.popularity_lift_gap"] = max(rise) - min(rise)
        lift = np.mean([now[slates[u]].mean() for u in both]), np.mean([now[profile[u]].mean() for u in both])
        values |= {
            "exposure.unexpectedness": np.mean(
                [1 - max(f[i] @ f[j] for j in profile[u]) for u in both for i in slates[u]]
            ),
            "exposure.popularity_lift": lift[0] / lift[1] - 1,
            "exposure.radio_calibration": np.mean(
                [root_jsd(rank @ z[slates[u]], z[profile[u]].mean(0)) for u in both]
            ),
        }
    sets = [{i for x in eaten[-w:] for i in x[u]} for u in range(n)]
    overlap = [len(a & b) / len(a | b) for a, b in itertools.combinations(sets, 2) if a | b]
    if overlap:
        values["consumption.mean_jaccard"] = np.mean(overlap)
    newest = r.items.where(r.taken, -1).tolist()
    couples = (pair for one, other in itertools.combinations(newest, 2) for pair in zip(one, other, strict=True))
    alike = [a == b for a, b in couples if -1 not in (a, b)]
    if alike:
        values["consumption.coincidence"] = np.mean(alike)
    start = world.interests.double().numpy()
    unit = theta / np.linalg.norm(theta, axis=1, keepdims=True)
    gamma = math.exp(scipy.stats.entropy(theta.mean(0)))
    alpha = math.exp(scipy.stats.entropy(theta, axis=1).mean())
    values |= {
        "interests.drift": np.mean(scipy.spatial.distance.jensenshannon(theta, start, base=2, axis=1) ** 2),
        "interests.entropy": math.log(alpha),
        "interests.alpha": alpha,
        "interests.beta": gamma / alpha,
        "interests.gamma": gamma,
        "interests.similarity": np.mean([unit[u] @ unit[v] for u, v in itertools.combinations(range(n), 2)]),
        "interests.bimodality": bimodality(r.interests.double()),
        "interests.esteban_ray": esteban_ray(r.interests.double()),
    }
    if len(rounds) > 1:
        before = rounds[-2].interests.double().numpy()
        values["interests.drift_speed"] = np.abs(theta - before).sum(1).mean() / 2
    gained = [r.utility[u][r.taken[u]].sum().item() for u in range(n)]
    between = spread(dict(enumerate(gained)), world.group.tolist())
    assert between is not None
    values["utility.between_groups"], values["utility.worst_group"] = between
    closeness = start / np.linalg.norm(start, axis=1, keepdims=True) @ start.mean(0)
    mainstream = closeness > np.median(closeness)
    values |= {
        "utility.per_user": np.mean(gained),
        "utility.group_gap": np.mean(np.array(gained)[mainstream]) - np.mean(np.array(gained)[~mainstream]),
    }
    takes = int(r.taken.sum())
    if takes:
        values["utility.mean"] = sum(gained) / takes
        values["utility.slate_share"] = int((r.taken & r.from_slate).sum()) / takes
    return values


TESTED_ELSEWHERE = {
    name for name in DEFAULT
    if name.split(".")[0] in {"creators", "escape", "feedback", "language", "network", "users"}
    or name.split(".")[1] in {"own_side", "topic_share", "repeat_rate", "displacement"}
    or name.startswith("consumption.excess_jaccard")
} | {measure.name for measure in [*ATTITUDES, *ALONG_RING, *HOLDING, *COMPARING, *OWN_ITEMS, *TRAINING, *PROFILES]}
"""Measures of parts that a plain world does not have; their own tests stand beside those of the parts."""


@pytest.mark.parametrize(
    ("window", "with_history"), [(3, False), (1, True), (4, True), (None, True), (None, False)]
)
@pytest.mark.parametrize("k", [4, 0])
def test_every_measure_of_every_round_equals_the_slow_twin(
    make_world: Callable, play: Callable, window: int | None, with_history: bool, k: int
) -> None:
    world = make_world(seed=3)
    rounds = play(world, 7, seed=5, k=k)
    recorder = Recorder(world, window=window, seed=11)
    past = None
    if with_history:
        rng = np.random.default_rng(8)
        items, mask = (
            torch.from_numpy(rng.integers(0, len(world.topics), (23, 6))),
            torch.from_numpy(rng.random((23, 6))),
        )
        mask = mask < 0.7
        mask[4] = False
        past = [row[keep].tolist() for row, keep in zip(items, mask, strict=True)]
        recorder.history(items.where(mask, 999), mask)
    compared = set()
    for t in range(len(rounds)):
        values = recorder.observe(rounds[t])
        expected = twin(world, rounds[: t + 1], window, recorder.frame.panel.tolist(), past)
        values = {name: value for name, value in values.items() if name not in TESTED_ELSEWHERE}
        assert values.keys() == expected.keys()
        assert values == pytest.approx(expected, rel=2e-5, abs=2e-6)
        compared |= values.keys()
    if k:
        assert compared == set(DEFAULT) - TESTED_ELSEWHERE


def test_a_window_forgets_what_lies_before_it(make_world: Callable, play: Callable) -> None:
    """Two runs that differ only in rounds that have left the window have the same diets to the last bit."""
    world = make_world()
    late = play(world, 4, seed=2, first=3)
    after = []
    for early in (play(world, 3, seed=6), play(world, 3, seed=7)):
        recorder = Recorder(world, ["*.alpha", "*.topic_coverage", "consumption.*"], window=3)
        for r in early:
            recorder.push(r)
        recorder.popularity = world.popularity  # popularity has no window
        after.append([recorder.observe(r) for r in late][-1])
    assert after[0] == after[1]


def test_pushing_unmeasured_rounds_leaves_the_measured_ones_as_they_are(
    make_world: Callable, play: Callable
) -> None:
    world, names = make_world(), DEFAULT
    rounds = play(world, 6)
    every, last = Recorder(world, names, window=3), Recorder(world, names, window=3)
    for r in rounds[:-1]:
        every.observe(r)
        last.push(r)
    assert every.observe(rounds[-1]) == last.observe(rounds[-1])


def test_choosing_other_measures_changes_no_value(make_world: Callable, play: Callable) -> None:
    world = make_world()
    rounds = play(world, 4)
    everything = Recorder(world, window=2, panel=9)
    alone = {name: Recorder(world, [name], window=2, panel=9) for name in DEFAULT}
    for r in rounds:
        values = everything.observe(r)
        for name, recorder in alone.items():
            assert recorder.observe(r) == ({name: values[name]} if name in values else {})


def test_nothing_reads_or_advances_global_randomness(make_world: Callable, play: Callable) -> None:
    world = make_world()
    rounds = play(world, 3)
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        states = torch.get_rng_state().clone(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
        recorder = Recorder(world, panel=9, pair_sample=30, seed=4)
        results.append([recorder.observe(r) for r in rounds])
        assert torch.equal(states[0], torch.get_rng_state())
        assert states[1] == random.getstate()
        assert (states[2] == np.random.get_state()[1]).all()  # noqa: NPY002
    assert results[0] == results[1]


def test_the_seed_decides_the_panel_and_the_pairs_and_their_sizes_are_independent(
    make_world: Callable,
) -> None:
    world = make_world(n=97)

    def frame(**options: int) -> tuple[list, list]:
        f = Recorder(world, pair_sample=options.pop("pair_sample", 50), **options).frame
        return f.panel.tolist(), f.pairs.tolist()

    panel, pairs = frame(panel=10, seed=1)
    assert frame(panel=10, seed=1) == (panel, pairs)
    assert frame(panel=20, seed=1)[1] == pairs
    assert frame(panel=20, seed=1)[0][:10] == panel
    assert frame(panel=10, seed=2)[0] != panel
    assert frame(panel=10, seed=2)[1] != pairs
    assert len(set(panel)) == 10


def test_one_thread_and_two_give_the_same_bits(make_world: Callable, play: Callable) -> None:
    world = make_world(n=4001, m=301, t=17, d=13)
    rounds = play(world, 2, k=5)
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            recorder = Recorder(world, seed=4)
            results.append([recorder.observe(r) for r in rounds])
    finally:
        torch.set_num_threads(threads)
    assert results[0] == results[1]


def test_a_round_is_not_changed_and_may_be_overwritten_later(make_world: Callable, play: Callable) -> None:
    world = make_world()
    first, second = play(world, 2)
    copies = [x.clone() for x in vars(first).values() if isinstance(x, torch.Tensor)]
    recorder = Recorder(world)
    recorder.observe(first)
    assert all(
        torch.equal(x, y)
        for x, y in zip([v for v in vars(first).values() if isinstance(v, torch.Tensor)], copies, strict=True)
        if not x.is_floating_point() or not y.isnan().any()
    )
    expected = pickle.loads(pickle.dumps(recorder)).observe(second)  # a recorder survives a checkpoint
    first.interests.fill_(0.2)
    first.slate.fill_(0)
    first.items.fill_(0)
    del expected["interests.drift"]  # for world.interests is the very tensor of the first round
    observed = recorder.observe(second)
    assert expected.items() <= observed.items()


def test_rounds_without_slates_or_takes_have_no_such_measures(make_world: Callable, play: Callable) -> None:
    world = make_world()
    organic = Recorder(world, window=2).observe(play(world, 1, k=0)[0])
    assert not [name for name in organic if name.startswith("exposure.")]
    assert not organic.keys() & {"utility.acceptance", "utility.precision", "utility.recall", "utility.ndcg"}
    assert organic["utility.slate_share"] == 0  # this one exists: all takes were their own finds

    idle = Recorder(world, window=2).observe(play(world, 1, take=0)[0])
    assert not [name for name in idle if name.startswith("consumption.")]
    assert not idle.keys() & {"utility.mean", "utility.slate_share", "exposure.unexpectedness"}
    assert (idle["utility.per_user"], idle["utility.acceptance"]) == (0, 0)


def test_all_pairs_sampled_pairs_and_nearest_pairs(make_world: Callable, play: Callable) -> None:
    world = make_world(n=53)
    rounds = play(world, 4)
    name = "consumption.mean_jaccard"
    values = {}
    for pairs, size in [("all", 1), ("sample", 10_000), ("sample", 400), ("nearest", 1)]:
        recorder = Recorder(world, [name], pairs=pairs, pair_sample=size, window=3)
        values[pairs, size] = [recorder.observe(r).get(name) for r in rounds][-1]
    sets = [{i for r in rounds[-3:] for i in taken_in(r)[u]} for u in range(53)]
    near = [(sets[u], sets[v]) for u, v in enumerate(world.neighbours.tolist()) if sets[u] | sets[v]]
    assert values["nearest", 1] == pytest.approx(np.mean([len(a & b) / len(a | b) for a, b in near]))
    assert values["sample", 10_000] == pytest.approx(values["all", 1])  # as many as there are: all of them
    assert values["sample", 400] == pytest.approx(values["all", 1], rel=0.2)
    assert values["sample", 400] != values["all", 1]


def test_globs_and_derived_names_choose_measures_in_the_order_of_the_table() -> None:
    assert select(["*.alpha"]) == ("exposure.alpha", "consumption.alpha", "interests.alpha", "creators.alpha")
    assert select(["utility.mean", "interests.*", "utility.mean"])[-1] == "utility.mean"
    assert select(["utility.relative"]) == ("utility.per_user",)
    assert select(["consumption.homogenisation_vs_ideal"]) == ("consumption.mean_jaccard",)
    assert select(DEFAULT) == DEFAULT == tuple(MEASURES)


def test_mistakes_are_named(make_world: Callable, play: Callable) -> None:
    world = make_world()
    first, second, third = play(world, 3)
    with pytest.raises(ValueError, match=r"'exposure.gini_shwon'; did you mean exposure.gini_shown"):
        Recorder(world, ["exposure.gini_shwon"])
    with pytest.raises(ValueError, match=r"'exposures.\*'"):
        Recorder(world, ["exposures.*"])
    with pytest.raises(TypeError, match="a list of names"):
        Recorder(world, "exposure.gini")
    with pytest.raises(ValueError, match="window: must be at least 1"):
        Recorder(world, window=0)
    with pytest.raises(ValueError, match="panel: must be at least 1"):
        Recorder(world, panel=0)
    with pytest.raises(ValueError, match="pairs: must be one of sample, all, nearest"):
        Recorder(world, pairs="neighbours")
    with pytest.raises(ValueError, match="own neighbour"):
        Recorder(replace(world, neighbours=torch.arange(23)))
    with pytest.raises(ValueError, match=r"at most 23 \(got 24\)"):
        Recorder(replace(world, popularity=torch.full((41,), 24)))
    with pytest.raises(ValueError, match=r"world.creators: expected 41 rows, got 40"):
        Recorder(replace(world, creators=world.creators[1:]))
    recorder = Recorder(world)
    recorder.push(first)
    with pytest.raises(ValueError, match="round 2 came after 0"):
        recorder.observe(third)
    with pytest.raises(ValueError, match="before the first round"):
        recorder.history(first.items, first.taken)
    with pytest.raises(ValueError, match=r"round.shown: expected \(23,\), got \(22,\)"):
        recorder.observe(replace(second, shown=second.shown[1:]))
    with pytest.raises(ValueError, match="an id that counts is not in 0 … 40"):
        recorder.observe(replace(second, taken=torch.ones_like(second.taken)))


def test_a_value_that_is_no_number_stops_the_run_by_name(make_world: Callable, play: Callable) -> None:
    world = make_world()
    r = play(world, 1)[0]
    with pytest.raises(ValueError, match=r"utility\.mean is nan in round 0"):
        Recorder(world, ["utility.mean"]).observe(replace(r, utility=torch.full_like(r.utility, torch.nan)))
