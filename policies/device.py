"""Where a neural policy computes."""

from __future__ import annotations

from typing import Literal

import torch

Device = Literal["cpu", "cuda", "auto"]
"""cuda: an NVIDIA GPU; auto: one if there is one, else the CPU. All draws are made on the CPU, so results differ only as far as
sums in another order do."""


def place(device: Device) -> torch.device:
    """Return the device to compute on; a ValueError if there is none of that kind."""
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ValueError("device is cuda, but torch finds no GPU here; auto takes one where there is one")
    return torch.device("cuda" if available and device != "cpu" else "cpu")
