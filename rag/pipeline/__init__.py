"""The one room that knows every stage and introduces them to each other.

``pipeline`` is what users hold. Behind it: ``stages`` (the index, and what each stage is: loaded on
first use), ``indexing`` (documents in and out), ``searching`` (question → passages), ``answering``
(passages → answer; one object a question) and ``chat`` (one question after another).
"""

from rag.events import Event
from rag.pipeline.chat import Chat
from rag.pipeline.pipeline import FOLDER, Pipeline, find_index

__all__ = ["FOLDER", "Chat", "Event", "Pipeline", "find_index"]
