"""For all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

settings.register_profile("shared machine", deadline=None)      # how long a case takes says nothing of the code there
settings.load_profile("shared machine")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """On arrays this small, two threads do nothing but wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
