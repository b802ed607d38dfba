import pytest

from rag.models.embedder import BuiltInEmbedder


@pytest.fixture(scope="session")
def embedder():
    """The shipped model, loaded once; it remembers nothing, so that every call is computed."""
    return BuiltInEmbedder(threads=1, remembered=0)
