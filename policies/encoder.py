"""From the titles of items to vectors, by a pretrained sentence encoder: the small one of wordllama, or the user's own."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

WORDLLAMA = "wordllama"
"""Key of the encoder that the wordllama package brings along: token vectors of length 256, averaged over the text."""


def check_encoder(encoder: str) -> None:
    """Raise ValueError if there is no such encoder here: "wordllama", or a folder that sentence-transformers can load."""
    folder = Path(encoder).expanduser()
    if encoder == WORDLLAMA:
        if not find_spec("wordllama"):
            raise ValueError("encoder: wordllama is not installed; pip install 'filterbubble[text]'")
    elif not folder.is_dir():
        raise ValueError(f"encoder: must be {WORDLLAMA} or a folder with a sentence-transformers model (got {encoder})")
    elif not ((folder / "modules.json").is_file() or (folder / "config.json").is_file()):
        raise ValueError(f"encoder: {encoder} holds no model (neither modules.json nor config.json)")
    elif not find_spec("sentence_transformers"):
        raise ValueError("encoder: a model folder is read by sentence-transformers; pip install sentence-transformers")


def text_features(titles: Sequence[str] | None, encoder: str = WORDLLAMA) -> Tensor:
    """Return the encoded titles (n_items, d), rows of length 1 (of length 0 where a title says nothing)."""
    if titles is None:
        raise ValueError("the items have no titles to encode: use a data set with titles, or a policy that needs none")
    check_encoder(encoder)
    encode = _wordllama if encoder == WORDLLAMA else _sentence_transformer
    return F.normalize(torch.from_numpy(np.asarray(encode(list(titles), encoder), dtype=np.float32)))


def _wordllama(titles: list[str], encoder: str) -> np.ndarray:
    with _root_logger_untouched():
        wordllama = import_module("wordllama")
        # Without the folder it looks for its tokenizer in a wrong place and would then download one.
        model = wordllama.WordLlama.load(cache_dir=Path(str(wordllama.__file__)).parent, disable_download=True)
    return model.embed(titles)


def _sentence_transformer(titles: list[str], encoder: str) -> np.ndarray:
    with torch.random.fork_rng(devices=[]):             # loading may draw weights that the folder lacks
        library = import_module("sentence_transformers")
        try:
            model = library.SentenceTransformer(str(Path(encoder).expanduser()), device="cpu", local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"encoder: sentence-transformers cannot read {encoder}: {error}") from error
        return model.encode(titles, show_progress_bar=False, convert_to_numpy=True)


@contextmanager
def _root_logger_untouched() -> Iterator[None]:
    """wordllama turns on logging for the whole program when it is imported."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
