"""A user who cannot act, for a reason that whoever runs the scenario can mend."""

from __future__ import annotations


class UserFailed(RuntimeError):
    """Somebody's own user gave an answer that is none, or no language model can be asked. The message says what and why."""
