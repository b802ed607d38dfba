"""Everything over one index: the folder that knows every stage.

``pipeline`` is what users hold. Behind it: ``stages`` (the index, and what each stage is: loaded on
first use), ``indexing`` (documents in and out) and ``answering`` (question → passages → answer; one
object a question).
"""

from rag.events import Event
from rag.pipeline.pipeline import FOLDER, Chat, Pipeline, find_index

__all__ = ["FOLDER", "Chat", "Event", "Pipeline", "find_index"]
