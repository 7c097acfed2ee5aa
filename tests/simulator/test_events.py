"""Events: when they begin and end, whom they are about, and what they do, with and without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from simulator.events import EVENTS
from simulator.faults import ScenarioError
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario, check, load_scenario
from simulator.yaml_source import parse

M, T, K = 60, 6, 5


def world(events: list, policies: list | None = None, **keys) -> Scenario:
    return Scenario.model_validate({
        "title": "Things happen", "seed": 5, "rounds": 8, "warmup": 3, "slate_size": K,
        "users": {"count": 70, "takes": 1, "choice": {"kind": "logit", "outside_utility": 0.0}},
        "items": {"count": M, "topics": T}, "discovery": {"awareness": 8}, "events": events,
        "policies": policies or [{"kind": "popularity", "retrain_every": 1}, {"kind": "popularity", "name": "spared"}],
        "measures": {"names": ["escape.*", "utility.per_user"]}, **keys,
    })  # fmt: skip


def played(scenario: Scenario, arm: int = 0, rounds: int | None = None) -> FilterBubbleModel:
    model = FilterBubbleModel(scenario, scenario.policies[arm])
    model.slates_seen = {}
    while model.round < (rounds or scenario.rounds):
        step(model)
    model.close()
    return model


def step(model: FilterBubbleModel) -> None:
    """Play a round, and keep its slates by user; −1 for those who got none: a platform may have to forget them."""
    model.step()
    for round, users, items in model.platform.log.slates[-1:]:
        if round == model.round:
            model.slates_seen[round] = torch.full((len(model.users), K), -1)
            model.slates_seen[round][users] = items.long()


def shown(model: FilterBubbleModel) -> dict[int, torch.Tensor]:
    return model.slates_seen


@pytest.mark.parametrize("event", [
    {"kind": "switch", "to": "random"}, {"kind": "outage", "rounds": 2}, {"kind": "injection", "share": 0.4},
    {"kind": "cap", "share": 0.2}, {"kind": "transparency", "trust": 0.2}, {"kind": "reset_history"},
    {"kind": "escape", "share": 0.5, "rounds": 3}, {"kind": "burst", "topic": 2},
], ids=lambda event: event["kind"])  # fmt: skip
def test_nothing_is_different_before_it_begins_nor_in_arms_that_it_spares(event):
    supply = {"creators": {"rate": 0.3}} if event["kind"] == "burst" else {}
    scenario = world([{**event, "at": 5, "arms": ["popularity"]}], **supply)
    quiet = world([], **supply)
    before, never = shown(played(scenario)), shown(played(quiet))
    assert all(torch.equal(before[round], never[round]) for round in range(1, 5))
    spared, same = played(scenario, 1), played(quiet, 1)
    assert torch.equal(spared.users.interests, same.users.interests)
    assert all(torch.equal(*slates) for slates in zip(shown(spared).values(), shown(same).values(), strict=True))
    assert not torch.equal(played(scenario).users.interests, played(quiet).users.interests), "and then it makes a difference"


def test_every_kind_is_tested_above():
    marks = test_nothing_is_different_before_it_begins_nor_in_arms_that_it_spares.pytestmark
    assert {event["kind"] for event in marks[0].args[1]} == set(EVENTS)


def test_an_outage_silences_its_share_of_the_users_for_its_rounds():
    slates = shown(played(world([{"kind": "outage", "at": 3, "rounds": 2, "share": 0.5}])))
    silent = {round: set((rows[:, 0] < 0).nonzero()[:, 0].tolist()) for round, rows in slates.items()}
    assert silent[3] == silent[4]
    assert 20 < len(silent[3]) < 50
    assert not silent[2]
    assert not silent[5]


def test_a_whole_outage_is_the_organic_arm():
    everything = world([{"kind": "outage", "at": 1}], ["popularity", "organic"])
    assert torch.equal(played(everything, 0).users.interests, played(everything, 1).users.interests)


def test_a_switched_platform_is_that_policy_on_the_log_that_there_is():
    model = played(world([{"kind": "switch", "at": 4, "to": {"kind": "mf", "factors": 3, "epochs": 2}}]), rounds=4)
    assert type(model.platform.policy).__name__ == "MatrixFactorisation"
    assert model.platform.policy.log_.interactions().rounds.max() == 3
    assert model.platform.arm.name == "popularity"
    assert model.platform.trained_in == 4


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 1.0])
def test_an_injection_replaces_the_end_of_a_slate_by_what_is_unfamiliar_and_unseen(share):
    model, plain = (played(world(events), rounds=4) for events in ([{"kind": "injection", "at": 4, "share": share}], []))
    ours, theirs = shown(model)[4], shown(plain)[4]
    kept = K - int(np.ceil(share * K - 1e-9))
    assert torch.equal(ours[:, :kept], theirs[:, :kept])
    topics = model.catalog.topics
    history = model.platform.log.interactions()
    for user, slate in enumerate(ours.tolist()):
        assert len(set(slate)) == K
        past = history.items[(history.users == user) & (history.rounds < 4)]
        assert not set(slate) & set(past.tolist())
        least = topics[past].sum(0).argsort(stable=True)[: T // 2]
        assert set(topics[slate[kept:]].argmax(1).tolist()) <= set(least.tolist()), "as there are enough of them"


def test_capped_items_are_on_no_slate_while_it_lasts():
    scenario = world([{"kind": "cap", "at": 3, "rounds": 3, "share": 0.2}])
    model = played(scenario, rounds=-2)
    while model.round < 7:
        counts = torch.bincount(model.platform.log.interactions().items, minlength=M)
        most = set(counts.argsort(descending=True, stable=True)[: M // 5].tolist())
        step(model)
        if model.round >= 1:
            assert bool(most & set(shown(model)[model.round].flatten().tolist())) == (model.round not in (3, 4, 5))
    model.close()


def test_the_less_trust_the_less_is_taken_from_slates():
    taken = []
    for trust in (1.0, 0.5, 0.0):
        scenario = world([{"kind": "transparency", "at": 1, "trust": trust}], measures={"names": ["utility.slate_share"]})
        course = [values for round, values in played(scenario).trajectory if round]
        taken.append(np.mean([values.get("utility.slate_share", 0.0) for values in course]))
    assert taken[0] > taken[1] > taken[2] == 0


def test_after_a_reset_the_platform_knows_nothing_and_users_take_nothing_twice():
    model = played(world([{"kind": "reset_history", "at": 5, "share": 0.5}]))
    users, _, rounds = model.platform.log.interactions()
    forgotten = set(range(70)) - set(users[rounds < 5].tolist())
    assert 20 < len(forgotten) < 50
    assert len(forgotten & set(users[rounds >= 5].tolist())) > len(forgotten) / 2, "what they take now is recorded"
    for cohort in model.cohorts:
        for row in range(len(cohort.users)):
            items = cohort.memory.items[row, : cohort.memory.counts[row]].tolist()
            assert len(items) == len(set(items))


def test_what_happens_every_so_often_is_what_happens_at_each_of_these_rounds():
    for event in ({"kind": "reset_history", "share": 0.5}, {"kind": "outage", "rounds": 1, "share": 0.5}):
        again = played(world([{**event, "at": 2, "every": 3}]))
        listed = played(world([{**event, "at": at} for at in (2, 5, 8)]))
        once = played(world([{**event, "at": 2}]))
        assert all(torch.equal(shown(again)[round], shown(listed)[round]) for round in range(1, 9))
        assert torch.equal(again.users.interests, listed.users.interests)
        assert any(not torch.equal(shown(again)[round], shown(once)[round]) for round in range(5, 9))


def test_a_history_that_is_deleted_every_round_leaves_nothing_to_learn_from():
    model = played(world([{"kind": "reset_history", "at": 2, "every": 1}]))
    assert set(model.platform.log.interactions().rounds.tolist()) == {model.round}, "the newest round, after the last deletion"


def test_who_tries_to_escape_takes_only_what_is_outside_and_the_others_live_as_ever():
    event = {"kind": "escape", "at": 3, "rounds": 4, "share": 0.4, "arms": ["popularity"]}
    policies = [{"kind": "random"}, {"kind": "random", "name": "popularity"}]           # slates that depend on nobody's takes
    tried, did_not = played(world([event], policies), 1), played(world([event], policies), 0)
    assert torch.equal(tried.escape.tries, did_not.escape.tries)
    assert torch.equal(tried.escape.usual, did_not.escape.usual)
    who, usual = tried.escape.tries, tried.escape.usual
    assert torch.equal(tried.users.interests[~who], did_not.users.interests[~who])
    users, items, rounds = tried.platform.log.interactions()
    leading = tried.catalog.topics.argmax(1)
    trying = who[users] & (rounds >= 3) & (rounds < 7)
    assert not usual[users[trying], leading[items[trying]]].any()
    assert trying.sum() > 2 * who.sum(), "there is nearly always something outside to take"
    outside = ~usual[users, leading[items]] & (rounds >= 3)
    assert torch.equal(tried.escape.taken, torch.bincount(users[outside], minlength=70))


def test_usual_topics_are_the_fewest_that_hold_half_of_the_interests():
    model = played(world([{"kind": "escape", "at": 1}], rounds=1, users={"count": 70, "drift": "none"}))
    for shares, usual in zip(model.users.origin, model.escape.usual, strict=True):
        largest = shares.sort(descending=True).values
        needed = int((largest.cumsum(0) < 0.5).sum()) + 1
        assert usual.sum() == needed
        assert shares[usual].min() >= shares[~usual].max()


def test_effort_is_what_was_taken_until_a_slate_followed():
    scenario = world([{"kind": "escape", "at": 3, "share": 1.0}], [{"kind": "content", "retrain_every": 1}])
    model, seen = played(scenario, rounds=-2), {}
    while model.round < scenario.rounds:
        before = None if model.escape is None else model.escape.taken.clone()
        step(model)
        if model.round >= 3:
            usual, slates = model.escape.usual, shown(model)[model.round]
            away = (model.catalog.topics[slates].mean(1) * ~usual).sum(1)
            assert model.values["escape.followed"] == pytest.approx(away.mean().item(), abs=1e-6)
            for user in (away >= 0.5).nonzero()[:, 0].tolist():
                seen.setdefault(user, 0 if before is None else int(before[user]))
            assert model.values["escape.reached"] == pytest.approx(len(seen) / 70)
            ordered = sorted([*seen.values(), *[np.inf] * (70 - len(seen))])
            assert model.values.get("escape.effort", np.inf) == ordered[35]
    assert seen
    model.close()


def test_a_burst_is_what_its_share_of_the_new_items_is_about():
    creators = {"rate": 3.0, "concentration": 1.0}
    event = {"kind": "burst", "at": 3, "rounds": 4, "topic": 2, "share": 0.7}
    items = {"count": M, "topics": T, "creators": 50, "concentration": 0.05}
    loud, quiet = (
        played(world(events, ["random"], creators=creators, items=items, measures={"names": ["*.topic_share"], "topic": 2}))
        for events in ([event], [])
    )
    born = loud.catalog.born
    during, others = (born >= 3) & (born < 7), (born < 3) | (born >= 7)
    assert torch.equal(loud.catalog.topics[others], quiet.catalog.topics[others])
    about = loud.catalog.topics[during, 1] > 0.999
    same = (loud.catalog.topics[during] == quiet.catalog.topics[during]).all(1)
    assert about.double().mean().item() == pytest.approx(0.7, abs=4 * np.sqrt(0.7 * 0.3 / int(during.sum())) + 0.03)
    assert (about | same).all()
    assert loud.values["exposure.topic_share"] > quiet.values["exposure.topic_share"] + 0.1


@pytest.mark.parametrize(("event", "words"), [
    ("{kind: outage}", "events[0].at"),
    ("{kind: outage, at: 99}", "must be at most `rounds`, 50 (got 99)"),
    ("{kind: outages, at: 2}", "there is no event 'outages'; did you mean 'outage'?"),
    ("{kind: switch, at: 2, to: mff}", "there is no policy 'mff'"),
    ("{kind: switch, at: 2, to: mf, rounds: 3}", "'switch' happens once"),
    ("{kind: switch, at: 2, to: {kind: mf, trains_on: like}}", "users give no 'like'"),
    ("{kind: switch, at: 2, to: text}", "'text' reads titles"),
    ("{kind: switch, at: 2, to: {kind: mf, who_to_follow: random}}", "suggests people to follow, and there is no `network`"),
    ("{kind: switch, at: 2, to: informed}", "tells users what they know"),
    ("{kind: switch, at: 2, to: {kind: ab_test, of: [mf, mg]}}", "there is no arm 'mg'"),
    ("{kind: cap, at: 2, arms: [mg]}", "there is no arm 'mg'"),
    ("{kind: burst, at: 2, topic: 1}", "'burst' is of new items: add `creators:`"),
    ("{kind: escape, at: 2}, {kind: escape, at: 3}", "is the second attempt to escape"),
    ("{kind: outage, at: 2, every: 3}", "must be more than its `rounds`: it lasts to the end of the run (got 3)"),
    ("{kind: outage, at: 2, rounds: 3, every: 3}", "must be more than its `rounds`: it lasts 3 rounds (got 3)"),
])  # fmt: skip
def test_events_that_cannot_be_are_refused(tmp_path: Path, event: str, words: str):
    file = tmp_path / "events.yaml"
    file.write_text(f"title: No\npolicies: [mf]\nevents: [{event}]\n")
    with pytest.raises(ScenarioError) as error:
        load_scenario(file)
    assert words in str(error.value)
    assert "events.yaml:3" in str(error.value)
    assert "validation error" not in str(error.value)


def test_a_scenario_with_events_comes_back_from_its_file():
    scenario = world([
        {"kind": "switch", "at": 2, "to": {"kind": "mf", "factors": 3, "rerank": {"kind": "mmr"}}},
        {"kind": "injection", "at": 3, "rounds": 2, "every": 3, "of": "random", "arms": ["spared"]},
    ])  # fmt: skip
    assert check(parse(scenario.resolved(), "again.yaml")) == scenario


def test_one_cohort_of_n_and_n_cohorts_of_one_live_the_same_events():
    events = [
        {"kind": "escape", "at": 2, "share": 0.5, "rounds": 3}, {"kind": "transparency", "at": 3, "trust": 0.5, "notice": 0.9},
        {"kind": "reset_history", "at": 4}, {"kind": "injection", "at": 5},
    ]  # fmt: skip
    users = {"count": 70, "choice": {"kind": "logit", "outside_utility": 0.0}}
    whole, apart = (played(world(events, users={**users, "agents": agents})) for agents in (1, 70))
    assert torch.equal(whole.users.interests, apart.users.interests)
    assert whole.trajectory == apart.trajectory


def test_of_two_events_of_a_kind_the_one_that_goes_on_outlives_the_other():
    model = played(world([
        {"kind": "transparency", "at": 2, "rounds": 2, "trust": 0.4},
        {"kind": "transparency", "at": 3, "rounds": 3, "trust": 0.7},
    ]), rounds=-2)  # fmt: skip
    trust = {}
    while model.round < 7:
        model.step()
        trust[model.round] = model.cohorts[0].trust
    assert [trust[round] for round in range(1, 8)] == [1.0, 0.4, 0.7, 0.7, 0.7, 1.0, 1.0]
    model.close()


@pytest.mark.parametrize("supply", [{}, {"creators": {"rate": 0.001}}])
def test_where_the_cap_leaves_less_than_a_slate_its_places_stay_empty_and_nobody_takes_a_thing_twice(supply: dict):
    small = {"count": 12, "topics": T}
    scenario = world([{"kind": "cap", "at": 2, "share": 0.7}], items=small, rounds=6, **supply)
    model = FilterBubbleModel(scenario, scenario.policies[0]).run()
    model.close()
    assert all(items.shape[1] < K for round, users, items in model.platform.log.slates if round >= 2 and len(users))
    users, items, _ = model.platform.log.interactions()
    assert len((users * 10_000 + items).unique()) == len(users)


def test_those_who_have_left_are_not_waited_for_in_their_bubble():
    users = {
        "count": 70, "choice": {"kind": "logit", "outside_utility": 0.5},
        "churn": {"leave": {"kind": "empty_handed", "chance": 0.5}},
    }
    model = played(world([{"kind": "escape", "at": 3, "share": 1.0}], users=users))
    there = model.recorder.presence.now
    assert 0 < int(there.sum()) < 70
    assert model.values["escape.reached"] == pytest.approx(model.escape.effort[there].isfinite().double().mean().item())


def test_a_slate_with_empty_places_leads_nobody_out():
    users = {"count": 70, "takes": 2, "feedback": [{"kind": "skip", "of": "examined"}]}
    users["choice"], items = {"kind": "logit", "outside_utility": 0.0}, {"count": 6, "topics": T}
    scenario = world(
        [{"kind": "escape", "at": 1, "share": 1.0}], users=users, items=items, creators={"rate": 0.01},
        measures={"names": ["escape.*", "feedback.*"]}, discovery={"awareness": 4},
    )  # fmt: skip
    model = FilterBubbleModel(scenario, scenario.policies[0])
    led = torch.zeros(70, dtype=torch.bool)
    observe = model.observe

    def watch(slates, choice, reaction=None):
        observe(slates, choice, reaction)
        if slates.filled is not None and model.escape is not None:
            led.logical_or_(slates.shown & slates.filled.all(1))
            assert not (model.escape.effort.isfinite() & ~led).any()
            assert model.values.get("feedback.skip_rate", 0.0) <= 1

    model.observe = watch
    model.run().close()
    assert not led.all(), "some were never shown a whole slate"
    assert len(model.platform.log.slates) > 10, "but short ones"


def test_a_cap_is_of_what_there_is_where_items_go():
    """Old items, the most taken of all, are gone and must not use up the places of the cap."""
    creators = {"rate": 2.0, "lifetime": 3}
    model = played(world([{"kind": "cap", "at": 1, "rounds": 8, "share": 0.3}], creators=creators), rounds=4)
    counts = torch.bincount(model.platform.log.interactions().items, minlength=model.platform.log.n_items)
    (cap,) = (each.event for each in model.scenario.events)
    capped = torch.isinf(cap.bias(model.platform))
    there = model.platform.items.available
    assert int(capped.sum()) == int(0.3 * int(there.sum()))
    assert there[capped].all()
    assert counts[capped].min() >= counts[there & ~capped].max()
    assert counts[~there].max() > counts[capped].min(), "else the test shows nothing"
