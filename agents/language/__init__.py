"""Users who ask a language model what to take."""

from agents.language.users import LanguageModel

__all__ = ["LanguageModel"]
