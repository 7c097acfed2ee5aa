"""Users written in plain Python: what they are given, what they may answer, and that chance is theirs alone."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from agents.abm import mesa
from agents.failure import UserFailed
from agents.individual import Individual, Offer
from agents.space import mixture, unmix
from simulator.__main__ import app
from simulator.api import ScenarioError, run
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario

ROOT = Path(__file__).parents[2]
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def imports() -> Iterator[None]:
    """What is made importable here is not for other tests."""
    path = sys.path[:]
    yield
    sys.path[:] = path


@dataclass
class Gambler(Individual):
    """Users who throw dice in every way that there is."""

    def choose(self, menu: list[Offer]) -> list[Offer]:
        lucky = max(menu, key=self.luck)
        others = [offer for offer in menu if offer is not lucky and self.random.random() < 0.3 and self.rng.random() < 0.9]
        return [lucky, *others][: self.takes]

    def drift(self, taken: list[Offer]) -> np.ndarray | None:
        return None if self.random.random() < 0.5 else self.interests + 0.1 * self.rng.random(len(self.topic_names))


@dataclass
class Watcher(Individual):
    """Users who write down what they see."""

    greed: float = 0.0
    """Least utility that is taken."""

    diary: list[Any] = field(default_factory=list, init=False)

    def begin(self) -> None:
        self.diary.append("begin")

    def choose(self, menu: list[Offer]) -> Offer | None:
        self.diary.append((self.round, menu, self.interests, list(self.memory)))
        best = max(menu, key=lambda offer: offer.utility)
        return best if best.utility > self.greed else None


def world(kind: str, **keys: Any) -> dict[str, Any]:
    users = {"count": 20, "takes": 2, "activity": 0.8, "adoption": 0.9} | keys.pop("users", {})
    cohort = {"name": "own", "share": 1.0, "kind": kind} | keys.pop("cohort", {})
    return {
        "title": "Individuals", "rounds": 4, "warmup": 2, "slate_size": 4, "items": {"count": 40, "topics": 5},
        "discovery": {"awareness": 6}, "policies": ["popularity"], "measures": {"names": ["interests.drift"]},
        "users": {"cohorts": [cohort], **users}, **keys,
    }  # fmt: skip


def played(values: dict[str, Any], arm: int = 0) -> FilterBubbleModel:
    scenario = Scenario.model_validate(values, context={"allow_code": True})
    model = FilterBubbleModel(scenario, scenario.policies[arm])
    try:
        return model.run()
    finally:
        model.close()


def own(part: type) -> str:
    """The kind that names a class of this file."""
    sys.modules.setdefault("individuals_of_tests", sys.modules[__name__])
    return f"individuals_of_tests:{part.__name__}"


def answering(answer: Any, drift: Any = None) -> str:
    """The kind of users who return `answer(self, menu)`, and `drift(self, taken)`."""

    @dataclass
    class Answering(Individual):
        """Users who say one thing."""

        def choose(self, menu: list[Offer]) -> Any:
            return answer(self, menu)

    if drift is not None:
        Answering.drift = drift         # type: ignore[method-assign]
    name = f"answering_{next(_numbers)}"
    sys.modules[name] = type(sys)(name)
    Answering.__module__, Answering.__qualname__ = name, "Answering"
    vars(sys.modules[name])["Answering"] = Answering
    return f"{name}:Answering"


def memories(model: FilterBubbleModel) -> list[list[int]]:
    return [
        cohort.memory.items[row, : cohort.memory.counts[row]].tolist()
        for cohort in model.cohorts for row in range(len(cohort.users))
    ]


def test_each_is_a_mesa_agent_with_a_state_of_her_own():
    model = played(world(own(Watcher)))
    people = list(model.agents_by_type[Watcher])
    assert len(people) == 20
    assert all(isinstance(person, mesa.Agent) and person.model is model for person in people)
    assert sorted(person.user for person in people) == list(range(20))
    assert len({id(person.diary) for person in people}) == 20
    assert all(person.diary[0] == "begin" and "begin" not in person.diary[1:] for person in people)
    assert len({person.unique_id for person in people}) == 20


def test_what_she_is_given_is_the_truth():
    model = played(world(own(Watcher)))
    catalog = model.catalog
    for person in model.agents_by_type[Watcher]:
        seen = 0
        for round, menu, interests, memory in person.diary[1:]:
            assert round >= -1
            assert interests.sum() == pytest.approx(1, abs=1e-5)
            for offer in menu:
                assert offer.id not in memory
                assert offer.topics == pytest.approx(catalog.topics[offer.id].numpy())
                worth = float(interests @ offer.topics) + float(catalog.quality[offer.id])
                assert offer.utility == pytest.approx(worth, abs=1e-5)
                assert offer.title.startswith(f"item {offer.id}: about topic {offer.topic + 1} (")
            assert len({offer.id for offer in menu}) == len(menu)
            places = [offer.place for offer in menu if offer.place is not None]
            assert places == sorted(places)
            assert not places or round >= 1
            seen += len(places)
        assert len(person.memory) <= len(person.diary) - 1
        assert person.interests == pytest.approx(model.users.interests[person.user].numpy())
    assert seen > 0


def test_what_she_takes_is_remembered_and_logged():
    model = played(world(own(Watcher)))
    users, items, _ = model.platform.log.interactions()
    logged = [items[users == user].tolist() for user in range(20)]
    assert logged == memories(model)
    assert sum(map(len, logged)) > 20


def test_a_key_turns_what_they_do():
    takes = [sum(map(len, memories(played(world(own(Watcher), cohort={"greed": greed}))))) for greed in (-1.0, 0.4, 9.0)]
    assert takes[0] > takes[1] > takes[2] == 0


@pytest.mark.parametrize("agents", [1, 3, 20])
def test_one_cohort_of_n_and_n_cohorts_of_one_live_the_same_lives(agents: int):
    together = played(world(own(Gambler)))
    apart = played(world(own(Gambler), users={"agents": agents}))
    assert len(apart.cohorts) == agents
    assert memories(together) == memories(apart)
    assert torch.equal(together.users.interests, apart.users.interests)
    assert together.trajectory == apart.trajectory


def test_chance_is_another_for_each_user_round_and_replicate_and_the_same_in_each_arm():
    values = world(own(Gambler), policies=["organic", "random"], warmup=5, rounds=1)
    organic, random = (played(values, arm) for arm in (0, 1))

    def until(model: FilterBubbleModel, last: int) -> list[list[int]]:
        users, items, rounds = model.platform.log.interactions()
        return [items[(users == user) & (rounds <= last)].tolist() for user in range(20)]

    assert until(organic, 0) == until(random, 0)
    assert len({tuple(taken) for taken in until(organic, 0)}) == 20
    assert until(organic, 1) != until(random, 1)

    drawn: dict[tuple[int, int], float] = {}
    kind = answering(lambda self, menu: drawn.update({(self.user, self.round): self.random.random()}))
    played(world(kind))
    assert len(set(drawn.values())) == len(drawn) > 50
    first = dict(drawn)
    drawn.clear()
    played(world(kind, seed=1))
    assert not set(drawn.values()) & set(first.values())
    again = [float(value) for _, value in sorted(first.items())]
    assert 0.3 < float(np.mean(again)) < 0.7


def test_luck_belongs_to_the_item_and_stays_when_asked_twice():
    found: dict[tuple[int, int, int], set[float]] = {}

    def note(self: Individual, menu: list[Offer]) -> None:
        for offer in [*menu, *menu]:
            found.setdefault((self.user, self.round, offer.id), set()).add(self.luck(offer))

    played(world(answering(note)))
    assert all(len(values) == 1 for values in found.values())
    numbers = [value for (value,) in found.values()]
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) > 0
    assert max(numbers) < 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda self, menu: menu[0].id, "must return an offer, a list of offers or None"),
        (lambda self, menu: "offer", "must return an offer"),
        (lambda self, menu: [menu[0], menu[0]], "takes an item twice"),
        (lambda self, menu: self.item(menu[0].id), "is not one of the offers on her menu"),
        (lambda self, menu: [0], "is not one of the offers"),
        (lambda self, menu: [*menu, *menu][:3] if len(menu) > 2 else None, "takes 3 items, and `users.takes` lets her take 2"),
    ],
)
def test_answers_that_are_none_are_refused_with_who_and_when(answer: Any, words: str):
    with pytest.raises(UserFailed, match=rf"Answering\.choose, user \d+, round -?\d+: .*{words}"):
        played(world(answering(answer)))


@pytest.mark.parametrize(
    "interests", [[1.0], [-1.0, 1, 1, 1, 1], [0.0] * 5, [float("nan")] * 5, "much"]
)
def test_interests_that_are_none_are_refused(interests: Any):
    with pytest.raises(UserFailed, match=r"Answering\.drift, user 0, round -1: must return 5 shares of topics"):
        played(world(answering(lambda self, menu: None, lambda self, taken: interests)))


def test_her_own_drift_takes_the_place_of_the_model_s():
    to_first = answering(lambda self, menu: menu[0], lambda self, taken: [3.0, 1, 0, 0, 0] if self.user % 2 else None)
    mixed = played(world(to_first))
    plain = played(world(answering(lambda self, menu: menu[0])))
    odd = torch.arange(20) % 2 == 1
    assert torch.equal(mixed.users.interests[odd], torch.tensor([0.75, 0.25, 0, 0, 0]).expand(10, 5))
    assert (plain.users.interests[~odd] != plain.users.origin[~odd]).any(1).all()
    assert torch.equal(mixed.users.interests[~odd].sum(1).round(decimals=4), torch.ones(10))


def test_drift_is_told_what_was_taken_even_if_she_was_made_to_take_it():
    """Users who leave their bubble on purpose take other items than their `choose` says: see `agents/escape.py`."""
    told: dict[int, list[int]] = {user: [] for user in range(20)}

    def drift(self: Individual, taken: list[Offer]) -> None:
        told[self.user] += [offer.id for offer in taken]

    values = world(answering(lambda self, menu: menu[-1], drift))
    scenario = Scenario.model_validate(values, context={"allow_code": True})
    model = FilterBubbleModel(scenario, scenario.policies[0])
    for cohort in model.cohorts:
        cohort.avoid(cohort.users.interests > 0.5)
    model.run()
    model.close()
    users, items, _ = model.platform.log.interactions()
    assert told == {user: items[users == user].tolist() for user in range(20)}


@pytest.mark.parametrize("space", ["simplex", "sphere", "values"])
def test_shares_become_interests_of_every_space(space: str):
    shares = torch.tensor([[0.4, 0.0, 0.1, 0.0, 0.5, 0.0], [0.2, 0.3, 0.0, 0.0, 0.0, 0.5]])
    assert torch.allclose(mixture(unmix(shares, space), space), shares, atol=1e-6)


def test_nobody_can_write_into_the_world_through_what_she_reads():
    def spoil(self: Individual, menu: list[Offer]) -> None:
        for row in (self.interests, self.origin, menu[0].topics):
            with pytest.raises(ValueError, match="read-only"):
                row[0] = 1.0

    played(world(answering(spoil)))


def test_a_name_that_every_user_has_cannot_be_a_key():
    with pytest.raises(TypeError, match=r"Forgetful\.memory: every user has something of this name"):
        @dataclass
        class Forgetful(Individual):
            memory: int = 5


def test_a_class_that_cannot_be_a_user_is_refused_at_its_place(tmp_path: Path):
    name = f"not_users_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text(
        "from dataclasses import dataclass\nfrom agents.individual import Individual\n"
        "@dataclass\nclass Stranger:\n    pass\n"
        "@dataclass\nclass Idle(Individual):\n    pass\n"
        "@dataclass(frozen=True)\nclass Stiff(Individual):\n    def choose(self, menu): pass\n"
    )
    sys.path.append(str(tmp_path))
    for part, words in (
        ("Stranger", "cannot be a kind of user: it must inherit from agents.individual:Individual"),
        ("Idle", "it has no choose"), ("Stiff", "must not be frozen"),
    ):
        with pytest.raises(ScenarioError, match=words):
            run(world(f"{name}:{part}"), allow_code=True)


def test_the_page_s_example_is_the_file_and_it_plays(tmp_path: Path):
    page = (ROOT / "docs" / "individuals.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    file = (ROOT / "scenarios" / "wanderer.py").read_text(encoding="utf-8")
    assert code == file.partition("\n\n")[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    small = ["--set", "rounds=6", "--set", "replicates=1", "--set", "users.count=40", "--set", "warmup=2"]
    result = CliRunner().invoke(app, ["validate", str(ROOT / "scenarios/own_user.yaml"), "--allow-code", *small[:4]])
    assert result.exit_code == 0, result.output
    refused = CliRunner().invoke(app, ["validate", str(ROOT / "scenarios/own_user.yaml")])
    assert refused.exit_code == 2
    assert "add --allow-code" in refused.stderr
    changes = {"rounds": 6, "replicates": 1, "users.count": 40, "warmup": 2, "policies": ["organic"]}
    for boredom in (3.0, 0.0):
        run(ROOT / "scenarios/own_user.yaml", out=tmp_path / str(boredom), allow_code=True,
            set=changes | {"users.cohorts.wanderers.boredom": boredom})
    people = [pd.read_parquet(tmp_path / name / "people.parquet") for name in ("3.0", "0.0")]
    bored, keen = (table.groupby("group")["diet_topics"].mean() for table in people)
    assert bored[1] > keen[1], "who is bored takes of more topics"
    assert bored[0] == pytest.approx(keen[0]), "the others are not concerned"


def test_links_lead_somewhere():
    page = ROOT / "docs" / "individuals.md"
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
