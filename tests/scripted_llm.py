"""The server ships in ``rag.testing``; this is its earlier place."""

from rag.testing.scripted_llm import *  # noqa: F403
