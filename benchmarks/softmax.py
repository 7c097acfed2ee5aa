"""What a retraining of SASRec costs, and how much of it is the softmax over the catalogue: in full and by a sample of it.

Run by hand: `python benchmarks/softmax.py`. One epoch from scratch on one thread, as in the simulator, with 50 random
interactions for each user. The share of the softmax is measured beside it: the same loss, forward and backward, on random
outputs of the same shapes. Times are CPU seconds, because the machine is shared. Results are in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import resource
import time

import torch
from torch import Tensor
from torch.nn.functional import normalize

from policies import SASRec, losses
from policies.log import FeedbackLog, ItemData
from simulator.threads import one_thread


def world(n_users: int, n_items: int, each: int, rng: torch.Generator) -> tuple[FeedbackLog, ItemData]:
    """Return a log in which every user took `each` items by chance, and their public data."""
    log, users = FeedbackLog(n_users, n_items), torch.arange(n_users)
    for rows in users.split(1000):
        taken = torch.rand(len(rows), n_items, generator=rng).topk(each).indices
        log.record(0, rows.repeat_interleave(each), taken.flatten())
    topics = torch.rand(n_items, 20, generator=rng)
    return log, ItemData(topics / topics.sum(1, keepdim=True), normalize(topics))


def softmax_seconds(policy: SASRec, n_targets: int, n_items: int, steps: int, rng: torch.Generator) -> float:
    """Return what the loss of `steps` steps of `n_targets` positions costs, output matrix product and gradients included."""

    def drawn(rows: int) -> Tensor:
        return torch.randn(rows, policy.hidden, generator=rng).requires_grad_()

    started = time.process_time()
    for _ in range(steps):
        table, output = drawn(n_items), drawn(n_targets)
        targets, features = torch.randint(0, n_items, (n_targets,), generator=rng), torch.zeros(n_items, 0)
        if policy.negatives is None:
            losses.backward(losses.full(0.0, features, torch.zeros(n_items)), [table], [output, targets])
        else:
            ids = torch.randperm(n_items, generator=rng)[: policy.negatives]
            objective = losses.sampled(ids, n_items, 0.0, features)
            losses.backward(objective, [table[ids]], [output, (output * table[targets]).sum(1), targets])
    return time.process_time() - started


def retrain(log: FeedbackLog, items: ItemData, each: int, negatives: int | None) -> None:
    rng = torch.Generator().manual_seed(0)
    policy = SASRec(epochs=1, negatives=negatives)
    started = time.process_time()
    for _ in policy.learn(log, items, rng):
        pass
    taken = time.process_time() - started
    steps = 5                                                       # all of one shape
    targets = policy.batch_size * (each - 1)
    share = softmax_seconds(policy, targets, log.n_items, steps, rng) / steps * (log.n_users / policy.batch_size) / taken
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{'full softmax' if negatives is None else f'{negatives} negatives'}: {taken:.1f} CPU s an epoch, "
          f"{share:.0%} of it in the softmax; {memory:.2f} GiB at most so far")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=5_000)
    parser.add_argument("--each", type=int, default=50, help="interactions of each user")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}: {arguments.users} users, {arguments.items} items, {arguments.each} interactions each")
    with one_thread():
        log, items = world(arguments.users, arguments.items, arguments.each, torch.Generator().manual_seed(0))
        for negatives in (512, 128, None):
            retrain(log, items, arguments.each, negatives)
