"""Items on a ring: the nearer two of them stand, the more alike is what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Ring:
    """Item j stands in place j of a ring. The worths of two items d steps apart have the correlation ρ^d."""

    items: int
    correlation: float              # ρ, in [0, 1)
    quality_variance: float         # of the items' quality, in squared units of utility

    @cached_property
    def decay(self) -> Tensor:
        """ρ^d of an item and the one that is d = 0 … M − 1 places further on (M,) float64."""
        return torch.from_numpy(_decay(self.items, self.correlation))


def correlated(white: np.ndarray, correlation: float) -> np.ndarray:
    """Make independent standard normal draws (…, M) into draws of variance 1 and correlation ρ^d along a ring of M items.

    The covariance is circulant: its symmetric root is a product of Fourier coefficients.
    """
    m = white.shape[-1]
    spectrum = np.fft.rfft(_decay(m, correlation)).real.clip(min=0)
    return np.fft.irfft(np.fft.rfft(white) * np.sqrt(spectrum), n=m)


def _decay(items: int, correlation: float) -> np.ndarray:
    ahead = np.arange(items)
    return np.float64(correlation) ** np.minimum(ahead, items - ahead)     # 0⁰ = 1
