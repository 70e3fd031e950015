"""Makes `examples/data/nodes.jsonl`: how long work waits on the nodes of two tenants, for `examples/script-anomaly`.

python3 -m venv /tmp/shop && /tmp/shop/bin/pip install -r requirements.txt && /tmp/shop/bin/python nodes.py

Mostly little or nothing waits; now and then a node falls behind for one collection.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from capture import DATA, first_time
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from otlp_files import FileMetricExporter, OtlpFile

COLLECTIONS = 48
EVERY_MS = 50
TENANTS = ("A", "B")


def host(folder: Path, tenant: str) -> MeterProvider:
    """What reports the nodes of a tenant."""
    resource = Resource.create({"service.name": "gateway", "service.instance.id": tenant.lower(), "tenant": tenant})
    dice = random.Random(tenant)

    def waiting(_: CallbackOptions) -> Iterable[Observation]:
        for number in range(8):
            behind = dice.random() < 0.05
            yield Observation(dice.uniform(40, 60) if behind else dice.choice([0.0, 0.0, 0.0, 0.5]), {"node": number})

    reader = PeriodicExportingMetricReader(FileMetricExporter(OtlpFile(folder, tenant)), EVERY_MS)
    meters = MeterProvider([reader], resource=resource)
    meter = meters.get_meter("gateway.host", "1.0.0")
    meter.create_observable_gauge("node.waiting", [waiting], unit="s", description="Longest wait in the queue")
    return meters


def main() -> None:
    """Both tenants at once, for some collections."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hosts = [host(folder, tenant) for tenant in TENANTS]
        time.sleep(EVERY_MS * COLLECTIONS / 1000)
        for meters in hosts:
            meters.shutdown()
        lines = [line for path in folder.glob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
    lines.sort(key=lambda line: (first_time(line), line))
    (DATA / "nodes.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
