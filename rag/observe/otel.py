"""Questions as OpenTelemetry spans and metrics, by the conventions for generative AI.

The one file that knows these names; the conventions are still in development, and move. A question
is an ``invoke_workflow`` span with one below it for each stage, and no text is in any of them. They
go to the providers of the process, which whoever runs it configures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag.errors import MissingExtraError
from rag.rows import STOPPED, Feedback, Row

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

WORKFLOW = "rag"
_NANO = 1_000_000_000
_OPERATIONS = {"retrieve_ms": "retrieval", "draft_ms": "chat"}
"""Stages that the conventions have an operation for; a draft only where a language model writes."""


class Telemetry:
    """An ``Observer`` that makes spans and metrics, by default with the providers of the process.

    Raises MissingExtraError without the otel extra.
    """

    def __init__(
        self, tracers: TracerProvider | None = None, meters: MeterProvider | None = None
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError:
            raise MissingExtraError("observe.otel", "otel") from None
        self._tracer = trace.get_tracer("rag", tracer_provider=tracers)
        meter = metrics.get_meter("rag", meter_provider=meters)
        self._seconds = meter.create_histogram("gen_ai.workflow.duration", unit="s")
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", unit="{token}")
        self._feedback = meter.create_counter("rag.feedback")

    def record(self, row: Row | Feedback) -> None:
        """Make the spans of a question, as they were, and count."""
        if isinstance(row, Feedback):
            self._feedback.add(1, {"rag.feedback.kind": row.kind})
            return
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        began = int(row.at * _NANO)
        span = self._tracer.start_span(
            f"invoke_workflow {WORKFLOW}",
            kind=SpanKind.INTERNAL,
            attributes=attributes_of(row),
            start_time=began,
        )
        if error := error_of(row):
            span.set_status(Status(StatusCode.ERROR, error))
        for said in row.judged:
            result: dict[str, str | float] = {
                "gen_ai.evaluation.name": "support",
                "gen_ai.evaluation.score.label": said.label or "",
                "gen_ai.evaluation.score.value": said.support or 0.0,
            }
            span.add_event("gen_ai.evaluation.result", result, timestamp=began)
        context, at = set_span_in_context(span), began
        for name, milliseconds in row.timings.items():
            operation = _OPERATIONS.get(name)
            writes = name != "draft_ms" or row.output_tokens
            attributes = {"gen_ai.operation.name": operation} if operation and writes else {}
            stage = self._tracer.start_span(
                f"rag {name.removesuffix('_ms')}", context, attributes=attributes, start_time=at
            )
            at += int(milliseconds * _NANO / 1000)
            stage.end(at)
        span.end(at)
        labels = {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": WORKFLOW,
            **({"error.type": error} if error else {}),
        }
        self._seconds.record(row.milliseconds / 1000, labels)
        for kind, n in (("input", row.input_tokens), ("output", row.output_tokens)):
            if n:
                usage = {"gen_ai.operation.name": "chat", "gen_ai.token.type": kind}
                self._tokens.record(n, {**usage, "gen_ai.request.model": row.generator})


def attributes_of(row: Row) -> dict[str, str | int | float | bool]:
    """The attributes of a question's span."""
    found: dict[str, str | int | float | bool] = {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": WORKFLOW,
        "gen_ai.response.id": row.id,
        "rag.generator": row.generator,
        "rag.kind": row.kind,
        "rag.abstained": row.abstained,
        "rag.unsure": row.unsure,
        "rag.confidence": row.confidence,
        "rag.passages": len(row.found),
        "rag.sentences": len(row.said),
        "rag.conflicts": row.conflicts,
    }
    if row.input_tokens or row.output_tokens:
        found["gen_ai.request.model"] = row.generator
        found["gen_ai.usage.input_tokens"] = row.input_tokens
        found["gen_ai.usage.output_tokens"] = row.output_tokens
    if row.cost is not None:
        found["rag.cost"] = row.cost
    if error := error_of(row):
        found["error.type"] = error
    return found


def error_of(row: Row) -> str:
    """The name of what failed; "" where nothing did."""
    return "" if row.error == STOPPED else row.error.partition(":")[0]
