"""A policy that cannot go on, for a reason that its user can mend."""

from __future__ import annotations


class PolicyFailed(RuntimeError):
    """Training diverged, or somebody's program broke down. The message says what happened and what to do."""
