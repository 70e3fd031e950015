"""Exporters that write OTLP to files: JSON lines and length-prefixed protobuf side by side."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

_IDS = frozenset({"traceId", "spanId", "parentSpanId"})


class OtlpFile:
    """`NAME.jsonl` and `NAME.pb`, to which messages are appended."""

    def __init__(self, folder: Path, name: str) -> None:
        self._json = (folder / f"{name}.jsonl").open("a", encoding="utf-8")
        self._frames = (folder / f"{name}.pb").open("ab")

    def append(self, message: Message) -> None:
        """Write one export request."""
        text = json_format.MessageToJson(message, indent=None, ensure_ascii=False, use_integers_for_enums=True)
        # Stack traces name the files of the interpreter; where that lies is nobody's business.
        for prefix in (sys.prefix, sys.base_prefix):
            text = text.replace(prefix, "/usr/local")
        body = json_format.Parse(text, type(message)()).SerializeToString()
        self._frames.write(len(body).to_bytes(4, "big") + body)
        self._json.write(json.dumps(_hex_ids(json.loads(text)), ensure_ascii=False, separators=(",", ":")) + "\n")
        self._frames.flush()
        self._json.flush()


def _hex_ids(value: Any) -> Any:
    """OTLP writes ids as hex where protobuf's own JSON has base64."""
    if isinstance(value, dict):
        return {
            key: base64.b64decode(item).hex() if key in _IDS and isinstance(item, str) else _hex_ids(item)
            for key, item in value.items()
        }
    return [_hex_ids(item) for item in value] if isinstance(value, list) else value


class FileSpanExporter(SpanExporter):
    """Spans to a file."""

    def __init__(self, file: OtlpFile) -> None:
        self._file = file

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """One message a batch."""
        self._file.append(encode_spans(spans))
        return SpanExportResult.SUCCESS


class FileLogExporter(LogRecordExporter):
    """Log records to a file."""

    def __init__(self, file: OtlpFile) -> None:
        self._file = file

    def export(self, batch: Any) -> LogRecordExportResult:
        """One message a batch."""
        self._file.append(encode_logs(batch))
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        """Nothing is held back."""
        return True

    def shutdown(self) -> None:
        """Nothing to do: every message is flushed."""


class FileMetricExporter(MetricExporter):
    """Metrics to a file."""

    def __init__(self, file: OtlpFile) -> None:
        super().__init__()
        self._file = file

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """One message a collection."""
        self._file.append(encode_metrics(metrics_data))
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing is held back."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Nothing to do: every message is flushed."""
