import pytest

from rag.models.embedder import BuiltInEmbedder


@pytest.fixture(scope="session")
def embedder():
    """The shipped model, loaded once."""
    return BuiltInEmbedder(threads=1)
