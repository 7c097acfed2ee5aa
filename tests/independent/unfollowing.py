"""The model of Sasahara et al. 2021, one user at a time as in the paper, in plain Python.

    python tests/independent/unfollowing.py --influence 0.5 --unfollowing 0.5 --runs 60

prints how many of the runs split into camps and how long that took, to which the notes of
scenarios/replications/r10_unfollowing.yaml compare. Nothing of the simulator is used.
"""

from __future__ import annotations

import argparse
from collections import deque
from random import Random
from typing import NamedTuple

USERS, FOLLOWED, TOLERANCE, SCREEN, REPOSTED = 100, 4, 0.4, 10, 0.5
STRATEGIES = ("random", "repost", "recommendation")


class Message(NamedTuple):
    poster: int
    author: int
    opinion: float


def segregated(opinions: list[float], follows: list[set[int]]) -> bool:
    """Are there several components, whoever follows whom, and in each of them no two opinions further apart than tolerated?"""
    near = [set(each) for each in follows]
    for user, friends in enumerate(follows):
        for friend in friends:
            near[friend].add(user)
    left, components = set(range(USERS)), 0
    while left:
        component, border = set(), {left.pop()}
        while border:
            component |= border
            border = set().union(*(near[user] for user in border)) - component
        left -= component
        components += 1
        held = [opinions[user] for user in component]
        if max(held) - min(held) > TOLERANCE:
            return False
    return components > 1


def steps(random: Random, influence: float, unfollowing: float, strategy: str | None = None, most: int = 15_000) -> int | None:
    """Play until people are segregated and return after how many steps (looked at every 100th); None: not in so many.

    `strategy`: how people find somebody new; None: each time one of the three.
    """
    opinions = [random.uniform(-1, 1) for _ in range(USERS)]
    follows: list[set[int]] = [{random.choice([v for v in range(USERS) if v != u])} for u in range(USERS)]
    while sum(map(len, follows)) < FOLLOWED * USERS:
        u, v = random.randrange(USERS), random.randrange(USERS)
        if u != v:
            follows[u].add(v)
    messages: deque[Message] = deque(maxlen=USERS)
    own: dict[int, Message] = {}
    for step in range(most):
        u = random.randrange(USERS)
        screen = [m for m in reversed(messages) if m.poster in follows[u] and m.author != u][:SCREEN]
        agreed = [m for m in screen if abs(m.opinion - opinions[u]) < TOLERANCE]
        rest = [m for m in screen if abs(m.opinion - opinions[u]) >= TOLERANCE]
        if agreed:
            opinions[u] += influence * sum(m.opinion - opinions[u] for m in agreed) / len(agreed)
        if rest and random.random() < unfollowing:
            dropped, how = random.choice(rest).poster, strategy or random.choice(STRATEGIES)
            seen = agreed if how == "repost" else []
            if how == "recommendation" and u in own:
                seen = [m for m in messages if abs(m.opinion - own[u].opinion) < TOLERANCE]
            found = [m.author for m in seen if m.author != u and m.author not in follows[u]]
            found = found or [v for v in range(USERS) if v != u and v not in follows[u]]
            follows[u] = follows[u] - {dropped} | {random.choice(found)}
        own[u] = Message(u, u, opinions[u])
        if agreed and random.random() < REPOSTED:
            own[u] = random.choice(agreed)._replace(poster=u)
        messages.append(own[u])
        if step % 100 == 0 and segregated(opinions, follows):
            return step
    return None


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("influence", "unfollowing"):
        options.add_argument(f"--{name}", type=float, default=0.5)
    for name, default in (("most", 15_000), ("runs", 60), ("seed", 1)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--strategy", choices=STRATEGIES)
    given = options.parse_args()
    random = Random(given.seed)
    found = [steps(random, given.influence, given.unfollowing, given.strategy, given.most) for _ in range(given.runs)]
    taken = [given.most if each is None else each for each in found]
    share, mean = sum(each is not None for each in found) / given.runs, sum(taken) / given.runs
    print(f"{share:.2f} segregate, after {mean:.0f} steps in the mean (those that do not: {given.most})")


if __name__ == "__main__":
    main()
