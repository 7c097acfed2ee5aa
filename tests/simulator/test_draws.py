"""Keyed draws: uniform, independent along every part of the key, and the same wherever they are drawn."""

from __future__ import annotations

import itertools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from simulator.draws import Draws, Stream

USERS, ITEMS = torch.arange(400)[:, None], torch.arange(300)
STREAM = Draws(3).at(5)("choice")
ALPHA = 1e-4                        # seeds are fixed: a test that passes once passes always


def uncorrelated(x: Tensor, y: Tensor) -> bool:
    """No linear dependence, and none of another form that 16 × 16 bins of the unit square show."""
    x, y = x.double().flatten(), y.double().flatten()
    r = stats.pearsonr(x, y)
    bins = ((x * 16).long() * 16 + (y * 16).long()).bincount(minlength=256)
    return r.pvalue > ALPHA and stats.chisquare(bins).pvalue > ALPHA


def splitmix64(state: int) -> int:
    """The finaliser of SplitMix64 in whole numbers, as in its published C."""
    z = state % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_the_hash_is_splitmix64_over_the_item_of_splitmix64_over_the_user():
    golden = 0x9E3779B97F4A7C15
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]     # the generator's first, from 1234567
    assert [splitmix64(1234567 + n * golden) for n in (1, 2, 3)] == published
    users, items = torch.tensor([0, 1, 77, 2**40]), torch.tensor([0, 1, 5, 10**6])
    for key in (0, 1, -1, 2**62 + 12345, -(2**63)):
        expected = [
            [splitmix64(splitmix64(u * golden + key) + (i + 1) * golden) for i in items.tolist()] for u in users.tolist()
        ]
        got = Stream(key).bits(users[:, None], items)
        assert [[word % 2**64 for word in row] for row in got.tolist()] == expected


def test_uniform_is_uniform():
    x = STREAM.uniform(USERS, ITEMS)
    assert x.shape == (400, 300)
    assert x.dtype == torch.float32
    assert stats.kstest(x.flatten().double(), "uniform").pvalue > ALPHA
    assert stats.chisquare((x.flatten().double() * 1000).long().bincount(minlength=1000)).pvalue > ALPHA


def test_each_user_and_each_item_has_uniform_draws():
    x = STREAM.uniform(USERS, ITEMS).double()
    for means, size in ((x.mean(1), 300), (x.mean(0), 400)):
        z = (means - 0.5) / (1 / 12 / size) ** 0.5
        assert stats.kstest(z, "norm").pvalue > ALPHA


def test_every_bit_is_fair_and_no_two_bits_go_together():
    word = STREAM.bits(USERS, ITEMS).flatten()
    bits = ((word[:, None] >> torch.arange(64)) & 1).double()
    n = len(bits)
    assert ((bits.mean(0) - 0.5).abs() < 5 * 0.5 / n**0.5).all()
    correlation = torch.corrcoef(bits.T).fill_diagonal_(0)
    assert correlation.abs().max() < 5 / n**0.5


@pytest.mark.parametrize("low", [8, 12])
def test_the_low_bits_are_as_good_as_the_high_ones(low):
    word = STREAM.bits(USERS, ITEMS).flatten()
    for part in (word & (2**low - 1), (word >> (64 - low)) & (2**low - 1), (word >> 41) & (2**low - 1)):
        assert stats.chisquare(part.bincount(minlength=2**low)).pvalue > ALPHA


@pytest.mark.parametrize("axis", ["user", "item"])
def test_one_bit_of_an_id_changes_half_of_all_bits(axis):
    ids = torch.arange(4000)
    for power in range(0, 40, 3):
        other = ids ^ (1 << power)
        if axis == "user":
            changed = STREAM.bits(ids, 17) ^ STREAM.bits(other, 17)
        else:
            changed = STREAM.bits(torch.tensor(17), ids) ^ STREAM.bits(torch.tensor(17), other)
        share = ((changed[:, None] >> torch.arange(64)) & 1).double().mean(0)
        assert ((share - 0.5).abs() < 5 * 0.5 / 2000**0.5).all(), power        # half of the pairs are each other's mirror


def test_draws_are_independent_along_every_part_of_the_key():
    x = STREAM.uniform(USERS, ITEMS)
    others = {
        "decision": Draws(3).at(5)("look"),
        "round": Draws(3).at(6)("choice"),
        "replicate": Draws(3, 1).at(5)("choice"),
        "seed": Draws(4).at(5)("choice"),
    }
    for part, other in others.items():
        assert uncorrelated(x, other.uniform(USERS, ITEMS)), part


@pytest.mark.parametrize("step", [1, 2, 64, 128])
def test_neighbouring_users_and_items_are_independent(step):
    x = STREAM.uniform(USERS, ITEMS)
    assert uncorrelated(x[:-step], x[step:])
    assert uncorrelated(x[:, :-step], x[:, step:])


def test_user_and_item_are_not_interchangeable():
    x = STREAM.uniform(torch.arange(350)[:, None], torch.arange(350))
    above = torch.triu_indices(350, 350, 1)
    assert uncorrelated(x[above[0], above[1]], x[above[1], above[0]])
    assert uncorrelated(x[:-1, 1:], x[1:, :-1])         # nor does only their sum count


def test_a_pair_is_two_independent_uniform_draws_of_which_the_first_is_the_single_one():
    first, second = STREAM.uniform_pair(USERS, ITEMS)
    assert torch.equal(first, STREAM.uniform(USERS, ITEMS))
    assert second.dtype == torch.float64
    assert stats.kstest(second.flatten(), "uniform").pvalue > ALPHA
    finest = (second.flatten() * 2**32).long() & 0xFFF
    assert stats.chisquare(finest.bincount(minlength=4096)).pvalue > ALPHA
    assert uncorrelated(first, second)
    assert uncorrelated(first[:-1], second[1:])
    assert uncorrelated(first[:, 1:], second[:, :-1])


def test_gumbel_is_the_quantile_function_at_the_uniform_draw():
    x = STREAM.gumbel(USERS, ITEMS)
    assert x.dtype == torch.float32
    assert stats.kstest(x.flatten().double(), stats.gumbel_r.cdf).pvalue > ALPHA
    expected = stats.gumbel_r.ppf(STREAM.uniform(USERS, ITEMS).double())
    np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-6)


class Extremes(Stream):
    """A stream whose hash has come out as the most extreme words."""

    def _bits(self, users: Tensor, items: Tensor | int) -> np.ndarray:
        return np.array([0, -1, -(2**63), 2**63 - 1, 2**41 - 1, 2**32 - 1, -(2**41)]).view(np.uint64)


def test_no_draw_is_ever_0_or_1():
    stream = Extremes(1)
    first, second = stream.uniform_pair(torch.arange(7))
    for x in (first, second):
        assert (x > 0).all()
        assert (x < 1).all()
    assert first.min() == 2**-24
    assert first.max() == 1 - 2**-24
    assert stream.gumbel(torch.arange(7)).isfinite().all()


def test_one_user_and_one_item_have_one_draw():
    one, both = STREAM.uniform(torch.tensor(3), torch.tensor(5)), STREAM.uniform_pair(torch.tensor(3), 5)
    assert one.shape == both[0].shape == both[1].shape == ()
    assert one == both[0] == STREAM.uniform(torch.arange(4), 5)[3]


def test_ids_of_any_size_can_be_drawn_for():
    ids = torch.tensor([0, 1, 2**31, 2**40, 2**62])
    assert len(STREAM.bits(ids[:, None], ids).unique()) == 25


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=20),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=15),
    st.integers(-(2**63), 2**63 - 1),
)
def test_a_draw_depends_on_nothing_but_its_own_ids(users, items, key):
    stream = Stream(key)
    u, i = torch.tensor(users), torch.tensor(items)
    whole = stream.gumbel(u[:, None], i)
    assert u.tolist() == users                                                  # the ids themselves are not used up
    assert i.tolist() == items
    assert torch.equal(stream.gumbel(u.flip(0)[:, None], i.flip(0)), whole.flip(0, 1))
    for a, b in itertools.product(range(len(users)), range(len(items))):
        assert stream.gumbel(u[a], i[b]) == whole[a, b]
        assert stream.gumbel(u[a], items[b]) == whole[a, b]
    first, second = stream.uniform_pair(u[:, None], i)
    alone = stream.uniform_pair(u[-1:], i)
    assert torch.equal(alone[0], first[-1])
    assert torch.equal(alone[1], second[-1])


def test_a_draw_does_not_depend_on_the_block_it_is_drawn_in():
    whole = STREAM.gumbel(USERS, ITEMS)
    assert torch.equal(torch.cat([STREAM.gumbel(block, ITEMS) for block in USERS.split(37)]), whole)
    assert torch.equal(STREAM.gumbel(torch.arange(7, 9)[:, None], torch.arange(3, 5)), whole[7:9, 3:5])


def test_a_spawned_process_draws_the_same():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(Draws(3, 2).at(5)("choice").gumbel, USERS, ITEMS).result()
    assert torch.equal(there, Draws(3, 2).at(5)("choice").gumbel(USERS, ITEMS))


def test_every_key_is_another_one():
    keys = {
        Draws(seed, replicate).at(round)(decision).key
        for seed, replicate, round, decision in itertools.product(
            (0, 1, 11, 2**62), (0, 1, 11), (-3, 0, 1, 11), ("choice", "look", "notice")
        )
    }
    assert len(keys) == 4 * 3 * 4 * 3


def test_at_moves_the_round_and_keeps_the_rest():
    assert Draws(3, 2).at(9).at(5) == Draws(3, 2, 5)
    assert Draws(3, 2) == Draws(3, 2).at(0)


def test_generators_repeat_themselves_and_differ_by_key():
    keys = (Draws(1), "a"), (Draws(2), "a"), (Draws(1, 1), "a"), (Draws(1).at(1), "a"), (Draws(1), "b")
    streams = [draws(decision) for draws, decision in keys]
    for draw in (
        lambda stream: torch.rand(50, generator=stream.generator()).tolist(),
        lambda stream: stream.numpy().random(50).tolist(),
    ):
        first = [draw(stream) for stream in streams]
        assert [draw(stream) for stream in streams] == first
        assert len({tuple(x) for x in first}) == len(streams)
        pooled = np.concatenate(first)
        assert stats.kstest(pooled, "uniform").pvalue > ALPHA


def test_no_draw_touches_or_reads_the_global_generators():
    torch_before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    first = STREAM.uniform(USERS), STREAM.generator().initial_seed(), STREAM.numpy().random()
    assert torch.equal(torch.random.get_rng_state(), torch_before)
    assert np.random.get_state()[1].tolist() == numpy_before  # noqa: NPY002
    with torch.random.fork_rng():
        torch.manual_seed(99)
        again = STREAM.uniform(USERS), STREAM.generator().initial_seed(), STREAM.numpy().random()
    assert torch.equal(first[0], again[0])
    assert first[1:] == again[1:]
