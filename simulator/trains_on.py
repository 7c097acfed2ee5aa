"""What of users' feedback a policy learns from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from annotated_types import Interval
from pydantic import GetJsonSchemaHandler, model_serializer, model_validator
from pydantic_core import CoreSchema

from policies.log import FeedbackLog
from simulator.parts import Section
from simulator.ranges import Text

TAKES = "takes"


class TrainsOn(Section):
    """What counts as an interaction when a policy learns: every take, or takes with a signal that says enough.

    A bare word: that signal, where it is 1. It is what the policy knows of its users when it makes slates, too. What was taken
    without the signal is neither learnt from nor shown again.
    """

    in_words: ClassVar[str] = "takes, or the name of a signal of users.feedback, or {signal: dwell, at_least: 30}"

    signal: Text = TAKES
    """takes, or a signal of `users.feedback`: like, share, dwell, rating."""

    at_least: Annotated[float, Interval(ge=0, le=1e9)] | None = None
    """Least value that counts: seconds of dwell, stars of a rating. null: 1, for signals that are 1 or 0."""

    @model_validator(mode="before")
    @classmethod
    def _bare_word(cls, value: Any) -> Any:
        return value if isinstance(value, Mapping | TrainsOn) else {"signal": value}

    @model_serializer
    def _short(self) -> Any:
        return self.signal if self.at_least is None else {"signal": self.signal, "at_least": self.at_least}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "minLength": 1}, handler(schema)]}

    def part_of(self, log: FeedbackLog) -> FeedbackLog:
        """Return what of the log is known to the policy."""
        return log if self.signal == TAKES else log.only(self.signal, 1.0 if self.at_least is None else self.at_least)


EVERY_TAKE = TrainsOn()
