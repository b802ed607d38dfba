"""Spans and metrics, as the SDK's own exporters get them."""

from __future__ import annotations

import pytest
from rows_helper import ASKED, row

from rag.rows import Feedback
from rag.testing import check_observer

pytest.importorskip("opentelemetry.sdk")


@pytest.fixture
def made():  # type: ignore[no-untyped-def]
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from rag.observe.otel import Telemetry

    spans, metrics, tracers = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    meters = MeterProvider([metrics])
    yield Telemetry(tracers, meters), spans, metrics
    meters.shutdown()
    tracers.shutdown()


def test_it_keeps_the_rules_of_its_seam(made) -> None:  # type: ignore[no-untyped-def]
    check_observer(made[0])


def test_a_question_is_a_span_with_its_stages(made) -> None:  # type: ignore[no-untyped-def]
    telemetry, exporter, reader = made
    telemetry.record(row(input_tokens=700, output_tokens=40, generator="m", cost=0.01))
    *stages, whole = exporter.get_finished_spans()
    assert whole.name == "invoke_workflow rag"
    assert whole.start_time == int(ASKED * 1e9)
    assert whole.end_time - whole.start_time == 92_500_000
    assert whole.attributes["gen_ai.operation.name"] == "invoke_workflow"
    assert whole.attributes["gen_ai.response.id"] == row().id
    assert whole.attributes["gen_ai.usage.input_tokens"] == 700
    assert whole.attributes["gen_ai.request.model"] == "m"
    assert [(s.name, s.attributes.get("gen_ai.operation.name")) for s in stages] == [
        ("rag retrieve", "retrieval"),
        ("rag read", None),
    ]
    assert {s.parent.span_id for s in stages} == {whole.context.span_id}
    assert whole.events[0].name == "gen_ai.evaluation.result"
    assert whole.events[0].attributes["gen_ai.evaluation.score.label"] == "supported"
    assert "Ólaf" not in "".join(span.to_json() for span in (*stages, whole))
    data = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    points = {one.name: one.data.data_points for one in data}
    assert points["gen_ai.workflow.duration"][0].sum == pytest.approx(0.0925)
    sides = {p.attributes["gen_ai.token.type"]: p.sum for p in points["gen_ai.client.token.usage"]}
    assert sides == {"input": 700, "output": 40}


def test_what_failed_says_what(made) -> None:  # type: ignore[no-untyped-def]
    telemetry, exporter, reader = made
    telemetry.record(row(error="ModelError: no reply from the server"))
    telemetry.record(row(error="stopped"))
    telemetry.record(Feedback(row().id, ASKED, "wrong", "no"))
    failed, stopped = (s for s in exporter.get_finished_spans() if s.parent is None)
    assert failed.attributes["error.type"] == "ModelError"
    assert not failed.status.is_ok
    assert "error.type" not in stopped.attributes
    data = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    [point] = next(one for one in data if one.name == "rag.feedback").data.data_points
    assert dict(point.attributes) == {"rag.feedback.kind": "wrong"}


def test_the_names_are_those_of_the_conventions() -> None:
    semconv = pytest.importorskip("opentelemetry.semconv._incubating.attributes.gen_ai_attributes")
    from rag.observe.otel import attributes_of

    known = {value for name, value in vars(semconv).items() if name.startswith("GEN_AI")}
    used = {name for name in attributes_of(row(input_tokens=1)) if name.startswith("gen_ai.")}
    assert len(used) == 6
    assert used <= known
