"""Whether it matters what a policy learns from, and which way."""

from __future__ import annotations

import numpy as np

from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario

ARMS = [
    {"kind": "ease", "retrain_every": 2},
    {"kind": "ease", "name": "likes", "trains_on": "like", "retrain_every": 2},
    {"kind": "ease", "name": "dwell", "trains_on": {"signal": "dwell", "at_least": 40}, "retrain_every": 2},
]


def precision(temperature: float) -> list[float]:
    """How many of a slate are the user's best, at the end, by what the policy learns from; choices as noisy as this."""
    scenario = Scenario.model_validate({
        "title": "t", "rounds": 8, "warmup": 8, "policies": ARMS,
        "users": {
            "count": 300, "takes": 3, "drift": "none",
            "choice": {"kind": "logit", "temperature": temperature, "position_bias": 1.0},
            "feedback": [
                {"kind": "like", "threshold": 0.5, "temperature": 0.05}, {"kind": "dwell", "growth": 4, "spread": 0.3},
            ],
        },
        "items": {"count": 200, "topics": 8, "quality": 0.1}, "measures": {"names": ["utility.precision"]},
    })
    found = []
    for arm in scenario.policies:
        model = FilterBubbleModel(scenario, arm).run()
        found.append(float(np.mean([values["utility.precision"] for _, values in model.trajectory[-4:]])))
        model.close()
    return found


def test_what_was_liked_or_dwelt_on_teaches_more_than_what_was_taken_blindly():
    takes, likes, dwell = precision(temperature=1.5)
    assert likes > takes + 0.05
    assert dwell > takes + 0.05


def test_where_people_take_what_they_like_likes_are_only_fewer():
    takes, likes, _ = precision(temperature=0.05)
    assert takes > likes
