"""The sentence encoders, and the ranking by what titles say: against the formula written out."""

from __future__ import annotations

import logging
import socket

import numpy as np
import pytest
import torch

from policies import encoder, text
from policies.encoder import check_encoder, text_features
from policies.log import FeedbackLog, ItemData
from policies.text import Text
from simulator.draws import Draws

wordllama = pytest.importorskip("wordllama")

TITLES = [
    "Soldiers at war on the western front", "The battle of the tanks", "An army invades the island",
    "A recipe for chocolate cake", "Baking bread at home", "How to cook Italian pasta",
    "The football world cup final", "Tennis champions of the century",
]
WAR, FOOD, SPORT = [0, 1, 2], [3, 4, 5], [6, 7]


def items_with(titles: list[str] | None) -> ItemData:
    topics = torch.full((len(titles or TITLES), 3), 1 / 3)
    return ItemData(topics, torch.nn.functional.normalize(topics), titles)


def log_of(sequences: list[list[int]], m: int = len(TITLES)) -> FeedbackLog:
    log = FeedbackLog(len(sequences), m)
    for user, items in enumerate(sequences):
        for round, item in enumerate(items):
            log.record(round, torch.tensor([user]), torch.tensor([item]))
    return log


def fitted(log: FeedbackLog, **keys: object) -> Text:
    return Text(**keys).fit(log, items_with(TITLES), torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("nothing may be downloaded")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_the_encoder_is_the_one_that_wordllama_brings_along():
    features = text_features(TITLES)
    assert features.shape == (len(TITLES), 256)
    assert features.dtype == torch.float32
    model = wordllama.WordLlama.load(cache_dir=wordllama.__path__[0], disable_download=True)
    np.testing.assert_allclose(features.numpy(), model.embed(TITLES, norm=True), atol=1e-6)
    assert torch.equal(text_features(TITLES[::-1]), features.flip(0))


def test_titles_that_mean_the_same_are_close():
    cosine = text_features(TITLES) @ text_features(TITLES).T
    inside = [cosine[group][:, group] for group in (WAR, FOOD, SPORT)]
    for group, others in ((WAR, FOOD + SPORT), (FOOD, WAR + SPORT), (SPORT, WAR + FOOD)):
        assert cosine[group][:, group].mean() > cosine[group][:, others].mean() + 0.2
    assert all(torch.allclose(block.diagonal(), torch.ones(len(block)), atol=1e-6) for block in inside)


def test_a_title_that_says_nothing_has_no_direction():
    features = text_features(["", "war"])
    assert features.isfinite().all()
    assert features.norm(dim=1).tolist() == pytest.approx([0, 1], abs=1e-6)
    assert text_features([""] * 3).tolist() == torch.zeros(3, 256).tolist()


def test_what_a_package_does_to_the_program_s_logging_when_imported_is_undone():
    root, handler = logging.getLogger(), logging.NullHandler()
    before = list(root.handlers), root.level
    with encoder._root_logger_untouched():
        root.addHandler(handler)
        root.setLevel(1)
    assert (list(root.handlers), root.level) == before


@pytest.mark.parametrize(
    ("decay", "history"), [(1.0, [0, 3, 1]), (0.5, [0, 3, 1]), (0.5, [3]), (0.01, [6, 5, 4, 3, 2, 1])],
)
def test_a_score_is_the_cosine_between_an_item_and_the_profile(decay, history):
    log = log_of([history, [2], []])
    policy = fitted(log, decay=decay)
    known = policy.log_.history(torch.tensor([0])).items[0].tolist()                # one may have been held out
    x = text_features(TITLES).double().numpy()
    profile = sum(decay ** (len(known) - 1 - place) * x[item] for place, item in enumerate(known))
    expected = x @ profile / np.linalg.norm(profile)
    scores = policy.score(torch.arange(3), policy.log_)
    np.testing.assert_allclose(scores[0].numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(scores[1].numpy(), x @ x[2], atol=1e-5)
    assert policy.unknown(torch.arange(3), log).tolist() == [False, False, True]


def test_an_explanation_is_exact_and_names_what_is_alike():
    log = log_of([[0, 4, 6, 1]])
    policy = fitted(log, decay=0.8)
    why = policy.explain(0, torch.tensor([2, 5, 7]), log)
    assert why.method == "exact"
    assert why.ids.tolist() == [0, 4, 6, 1]
    assert why.rest.abs().max() < 1e-6                   # rounding
    torch.testing.assert_close(why.parts.sum(1), policy.score(torch.tensor([0]), log)[0, [2, 5, 7]])
    assert why.ids[why.parts.argmax(1)].tolist() in ([0, 4, 6], [1, 4, 6])


def test_an_item_that_nobody_has_taken_is_found_by_its_title():
    """Item 2 is new, everybody else likes cooking, and user 0 has taken one thing about war, after training."""
    log = log_of([[], *[[3, 4], [4, 5], [3, 5]] * 5])
    policy = fitted(log)
    log.record(9, torch.tensor([0]), torch.tensor([0]))
    slate, _ = policy.rank(torch.tensor([0]), 2, log, Draws(0).at(9)("slate"))
    assert sorted(slate[0].tolist()) == [1, 2]


def test_a_grown_catalogue_has_its_new_titles_encoded_and_no_others(monkeypatch):
    encoded: list[str] = []

    def counting(titles: list[str], key: str) -> torch.Tensor:
        encoded.extend(titles)
        return text_features(titles, key)

    monkeypatch.setattr(text, "text_features", counting)
    policy, rng = Text(), torch.Generator().manual_seed(0)
    policy.fit(log_of([[0, 1]], 6), items_with(TITLES[:6]), rng)
    policy.fit(log_of([[0, 1, 2]], 6), items_with(TITLES[:6]), rng)
    policy.fit(log_of([[0, 1]]), items_with(TITLES), rng)
    assert encoded == TITLES
    assert torch.equal(policy.vectors_, text_features(TITLES))
    policy.fit(log_of([[0, 1]]), items_with(TITLES[::-1]), rng)
    assert encoded == TITLES + TITLES[::-1]
    assert torch.equal(policy.vectors_, text_features(TITLES[::-1]))


def test_items_without_titles_are_refused():
    with pytest.raises(ValueError, match="no titles"):
        Text().fit(log_of([[0, 1]]), items_with(None), torch.Generator().manual_seed(0))


def test_an_encoder_that_is_not_there_is_refused(tmp_path, monkeypatch):
    for missing in ("word2vec", str(tmp_path / "model")):
        with pytest.raises(ValueError, match="must be wordllama or a folder"):
            Text(encoder=missing)
    with pytest.raises(ValueError, match="holds no model"):
        Text(encoder=str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(encoder, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install sentence-transformers"):
        Text(encoder=str(tmp_path))
    with pytest.raises(ValueError, match=r"filterbubble\[text\]"):
        check_encoder("wordllama")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny BERT with drawn weights stands for a user's own model."""
    pytest.importorskip("sentence_transformers")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("model")
    words = sorted({word.lower() for title in TITLES for word in title.split()})
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    config = transformers.BertConfig(
        vocab_size=5 + len(words), hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.BertModel(config).save_pretrained(folder)
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def test_an_own_model_is_the_mean_of_its_last_layer_over_the_words(folder):
    import transformers

    features = text_features(TITLES, str(folder))
    assert features.shape == (len(TITLES), 12)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for title, row in zip(TITLES, features, strict=True):
        with torch.no_grad():
            mean = model(**tokenizer(title, return_tensors="pt")).last_hidden_state[0].mean(0)
        torch.testing.assert_close(row, mean / mean.norm(), atol=1e-5, rtol=1e-4)


def test_a_folder_that_sentence_transformers_saved_gives_the_same(folder, tmp_path):
    import sentence_transformers

    sentence_transformers.SentenceTransformer(str(folder), device="cpu").save(str(tmp_path / "saved"))
    torch.testing.assert_close(text_features(TITLES, str(tmp_path / "saved")), text_features(TITLES, str(folder)))


def test_an_own_model_ranks_and_leaves_the_global_random_state_alone(folder):
    before = torch.random.get_rng_state()
    log = log_of([[0, 1], [3, 4]])
    policy = fitted(log, encoder=str(folder))
    _, scores = policy.rank(torch.arange(2), 3, log, Draws(0).at(1)("slate"))
    assert scores.isfinite().all()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_folder_with_something_else_is_refused(tmp_path):
    pytest.importorskip("sentence_transformers")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="cannot read"):
        text_features(TITLES, str(tmp_path))
