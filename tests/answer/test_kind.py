"""What kind of answer a question wants, by a classifier over the embedder."""

from __future__ import annotations

import pytest

from rag.answer.kind import kinds_of
from rag.models.embedder import load_embedder
from rag.protocols import Embedder
from rag.settings import Settings


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder(Settings().models)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("what are all the file formats I can export to?", "list"),
        ("bouncing or forwarding a mail, what is the difference between them?", "comparison"),
        ("how do I move my settings to a new laptop", "howto"),
        ("Can I return a gift card?", "yesno"),
        ("what does “pairing code” mean?", "definition"),
    ],
)
def test_the_likeliest_kind(embedder: Embedder, question: str, kind: str) -> None:
    found = kinds_of(question, embedder)
    assert max(found, key=found.__getitem__) == kind
    assert sum(found.values()) == pytest.approx(1.0)


def test_none_for_an_embedder_that_it_was_not_fitted_on(embedder: Embedder) -> None:
    class Other:
        identity = "another"

    assert kinds_of("Can I return it?", Other()) == {}  # type: ignore[arg-type]
