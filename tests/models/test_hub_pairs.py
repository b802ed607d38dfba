"""Rerankers and checkers of the hub: rules kept, faults said, with tiny models made here."""

from __future__ import annotations

import re
import sys
import warnings

import numpy as np
import pytest

from rag.errors import MissingExtraError, ModelError, UsageError
from rag.ground.checker import SupportChecker
from rag.models.cross_encoder import MODEL_FILE, load_cross_encoder
from rag.models.embedder import TOKENIZER_FILE, WEIGHTS
from rag.models.hub import HubChecker, HubReranker
from rag.pipeline.stages import Stages
from rag.protocols import Checker, Reranker
from rag.retrieve.rank import LearnedReranker
from rag.settings import GroundSettings, ModelSettings, Settings
from rag.testing import check_checker, check_reranker, sample_passages
from rag.text.terms import content_terms

GROUND = GroundSettings()
NLI = ("entailment", "neutral", "contradiction")
WINDOW = 64  # tokens that the tiny models read
FILLER = " ".join(f"Garden number {n} was laid out by somebody unknown." for n in range(30))

hub = [
    pytest.mark.hub,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("default"),  # warnings of torch and transformers are not ours
]


@pytest.fixture(scope="session")
def make_model(tmp_path_factory):
    """Return a function that saves a random classifier with these labels, None for no head."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("sentence_transformers", reason="needs the hub extra")
        transformers = pytest.importorskip("transformers", reason="needs the hub extra")

    def make(labels, *, seed=0):
        folder = tmp_path_factory.mktemp("model")
        transformers.set_seed(seed)
        named = {} if labels is None else {"id2label": dict(enumerate(labels))}
        config = transformers.BertConfig(
            vocab_size=30522, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=64, max_position_embeddings=WINDOW, initializer_range=1.0, **named,
        )  # fmt: skip
        kind = transformers.BertModel if labels is None else None
        model = (kind or transformers.BertForSequenceClassification)(config)
        model.save_pretrained(folder)
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_file=str(WEIGHTS / TOKENIZER_FILE), pad_token="[PAD]", cls_token="[CLS]",
            sep_token="[SEP]", unk_token="[UNK]", mask_token="[MASK]",
        )  # fmt: skip
        tokenizer.save_pretrained(folder)
        return str(folder)

    return make


@pytest.fixture(scope="session")
def ranker(make_model):
    return HubReranker(make_model(["score"]), offline=True)


class Overlap:
    """Stands in for a good model: the share of a claim's terms that the evidence has."""

    def __init__(self, place, labels):
        self.place, self.labels, self.longest, self.read = place, labels, 0, []

    def __call__(self, pairs, **options):
        found = np.zeros((len(pairs), self.labels))
        for row, (evidence, claim) in enumerate(pairs):
            self.read.append(evidence)
            about, said = set(content_terms(claim)), set(content_terms(evidence))
            found[row, self.place] = 40 * len(about & said) / len(about) - 30
            self.longest = max(self.longest, len(re.findall(r"\w+|[^\w\s]", f"{evidence} {claim}")))
        return found


@pytest.fixture
def checker(make_model, monkeypatch):
    """A checker whose model does as if it could read."""
    made = HubChecker(make_model(NLI), GROUND, offline=True)
    monkeypatch.setattr(made._model, "predict", Overlap(0, 3))
    return made


class TestReranker:
    pytestmark = hub

    def test_it_keeps_the_rules(self, ranker):
        assert isinstance(ranker, Reranker)
        check_reranker(ranker)

    def test_scores_are_fractions_and_the_order_is_that_of_the_model(self, ranker):
        passages = sample_passages()
        found = ranker.rerank("How long do refunds take?", passages, 99)
        scores = [passage.scores["rerank"] for passage in found]
        assert all(0 <= score <= 1 for score in scores)
        assert len(set(scores)) > 1
        assert scores == sorted(scores, reverse=True)

    def test_equal_scores_keep_the_order_that_came(self, ranker, monkeypatch):
        monkeypatch.setattr(ranker._model, "predict", lambda p, **_: np.zeros(len(p)))
        passages = sample_passages()
        found = ranker.rerank("anything", passages, 99)
        assert [p.chunk.id for p in found] == [p.chunk.id for p in passages]
        assert {p.score for p in found} == {0.5}

    def test_a_model_without_numbers_is_one_sentence(self, ranker, monkeypatch):
        monkeypatch.setattr(ranker._model, "predict", lambda p, **_: np.full(len(p), np.nan))
        with pytest.raises(ModelError, match="gives no numbers"):
            ranker.rerank("anything", sample_passages(), 3)

    def test_strange_text_is_read(self, ranker):
        passage = sample_passages()[0]
        long = passage.model_copy(
            update={"chunk": passage.chunk.model_copy(update={"text": "wrén \ud83d " * 900})}
        )
        [found] = ranker.rerank("nests \ud83d? " * 100, [long], 1)
        assert 0 <= found.score <= 1

    def test_a_model_for_something_else_is_one_sentence(self, make_model):
        for labels, reason in ((NLI, "has 3 outputs"), (None, r"not trained on pairs .*BertModel")):
            with pytest.raises(ModelError, match=reason) as caught:
                HubReranker(make_model(labels), offline=True)
            assert "\n" not in str(caught.value)


class TestChecker:
    pytestmark = hub

    def test_it_keeps_the_rules(self, checker):
        assert isinstance(checker, Checker)
        check_checker(checker)
        assert checker._model.predict.longest <= WINDOW

    def test_a_random_model_gives_the_same_alone_and_in_a_batch(self, make_model):
        checker = HubChecker(make_model(NLI), GROUND, offline=True)
        claims = ["Refunds take 14 days.", "Wrens build nests.", "", "naïve \ud83d"]
        texts = [passage.chunk.text for passage in sample_passages()]
        together = checker.check(claims, [texts] * 4)
        assert together[2].label is None
        for claim, verdict in zip(claims, together, strict=True):
            [alone] = checker.check([claim], [texts[::-1]])
            assert alone.label == verdict.label
            assert alone.support == pytest.approx(verdict.support, abs=1e-3)

    def test_the_best_window_counts_and_what_it_says_is_shown(self, checker):
        fact = "Refunds take fourteen days."
        claim = "Refunds take fourteen days."
        [verdict] = checker.check([claim], [[f"{FILLER} {fact} {FILLER}"]])
        assert verdict.label == "supported"
        assert verdict.evidence[0] == fact
        assert len(checker._model.predict.read) > 5

    def test_sentences_that_are_far_apart_support_a_claim_together(self, checker):
        text = f"Refunds take fourteen days. {FILLER} The Pro plan costs nineteen euros."
        claim = "Refunds take fourteen days and the Pro plan costs nineteen euros."
        assert checker.check([claim], [[text]])[0].label == "supported"

    def test_a_sentence_without_end_is_cut(self, checker):
        [verdict] = checker.check(["Refunds take fourteen days."], [["word " * 500 + "x" * 900]])
        assert verdict.label == "unsupported"
        assert checker._model.predict.longest <= WINDOW

    def test_lengths_have_to_agree(self, checker):
        with pytest.raises(UsageError, match="2 claims but evidence for 1"):
            checker.check(["a", "b"], [["c"]])
        with pytest.raises(UsageError, match="not a single text"):
            checker.check(["a"], ["c"])

    @pytest.mark.parametrize(
        ("labels", "place"),
        [
            (("not_entailment", "entailment"), 1),
            (("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), 2),
            (("Supported", "Unsupported"), 0),
            (("LABEL_0", "LABEL_1"), 1),
            (("grounded",), 0),
        ],
    )
    def test_the_label_that_means_support_is_found(self, make_model, labels, place):
        checker = HubChecker(make_model(labels), GROUND, offline=True)
        assert checker._place == place
        [verdict] = checker.check(["Refunds take 14 days."], [["Refunds take 14 days."]])
        assert 0 <= verdict.support <= 1

    @pytest.mark.parametrize(
        "labels", [("positive", "negative"), ("LABEL_0", "LABEL_1", "LABEL_2")]
    )
    def test_labels_that_say_nothing_are_one_sentence(self, make_model, labels):
        with pytest.raises(ModelError, match=f"has the labels {', '.join(labels)}"):
            HubChecker(make_model(labels), GROUND, offline=True)

    def test_a_model_without_a_head_is_refused(self, make_model):
        with pytest.raises(ModelError, match="was not trained on pairs of texts"):
            HubChecker(make_model(None), GROUND, offline=True)


class TestSettings:
    def test_names_choose(self, tmp_path):
        stages = Stages(tmp_path, Settings())
        assert isinstance(stages.reranker, LearnedReranker)
        assert isinstance(stages.checker, SupportChecker)
        unranked = Settings(models=ModelSettings(reranker="none"))
        assert Stages(tmp_path, unranked).reranker is None

    def test_an_index_depends_on_the_embedder_alone(self):
        other = Settings(models=ModelSettings(reranker="none", checker="a/b", reader="/c"))
        assert other.fingerprint("e") == Settings().fingerprint("e")

    def test_a_folder_without_a_reader_is_one_sentence(self, tmp_path):
        with pytest.raises(ModelError, match=rf"there is no {MODEL_FILE} in it"):
            load_cross_encoder(ModelSettings(reader=str(tmp_path)))

    def test_without_the_hub_extra_the_install_line_is_named(self, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "sentence_transformers", None)
        named = Settings(models=ModelSettings(reranker="a/b", checker="a/b"))
        stages = Stages(tmp_path, named)
        for load in (lambda: stages.reranker, lambda: stages.checker):
            with pytest.raises(MissingExtraError, match=r'pip install "footnote-rag\[hub\]"'):
                load()

    @pytest.mark.hub
    @pytest.mark.filterwarnings("default")
    def test_a_model_that_is_not_here_is_one_sentence(self, make_model, tmp_path):
        models = ModelSettings(reranker="no/such", checker="no/such", offline=True)
        stages = Stages(tmp_path, Settings(models=models))
        for load, what in (
            (lambda: stages.reranker, "reranker"),
            (lambda: stages.checker, "checker"),
        ):
            with pytest.raises(
                ModelError, match=f"The {what} 'no/such' .*is not on this"
            ) as caught:
                load()
            assert "\n" not in str(caught.value)
