"""Makes `examples/data/tenants.jsonl`: a payment gateway that several tenants share, for `examples/script-*`.

python3 -m venv /tmp/shop && /tmp/shop/bin/pip install -r requirements.txt && /tmp/shop/bin/python tenants.py

One deployment a tenant and environment, each with providers of its own, so that resources differ. Charges carry the
card they were charged to, some take longer than three seconds, and the nodes report their load with far too many
attributes. All cards are the public test numbers of card networks.
"""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from capture import DATA, first_time
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Tracer
from otlp_files import FileMetricExporter, FileSpanExporter, OtlpFile

CARDS = ["4111111111111111", "5555555555554444", "4000000000000002"]
DEPLOYMENTS = [("A", "prod"), ("A", "staging"), ("B", "prod"), ("B", "staging"), ("C", "prod")]
SLOW = 3.05
"""Seconds that a slow bank takes at least."""


def deployment(folder: Path, tenant: str, env: str) -> tuple[TracerProvider, MeterProvider]:
    """The providers of one deployment."""
    name = f"{tenant}-{env}"
    resource = Resource.create(
        {"service.name": "gateway", "service.instance.id": f"gateway-{name.lower()}", "tenant": tenant, "env": env}
    )
    tracers = TracerProvider(resource=resource)
    exporter = FileSpanExporter(OtlpFile(folder, f"{name}-traces"))
    tracers.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=250, max_export_batch_size=4))
    dice = random.Random(name)

    def load(_: CallbackOptions) -> Iterable[Observation]:
        for number in range(2):
            place = {"cluster": "eu-1", "node": f"node-{number}", "namespace": f"tenant-{tenant.lower()}"}
            yield Observation(dice.choice([0.5, 1.0, 1.5, 48.0]), place)

    def memory(_: CallbackOptions) -> Iterable[Observation]:
        place = {"cluster": "eu-1", "node": "node-0", "namespace": f"tenant-{tenant.lower()}"}
        yield Observation(
            dice.randrange(10, 60) * 2**20,
            {**place, "pod": f"gateway-{dice.randrange(16**5):05x}", "container.id": f"{dice.randrange(16**12):012x}"},
        )

    reader = PeriodicExportingMetricReader(FileMetricExporter(OtlpFile(folder, f"{name}-metrics")), 600)
    meters = MeterProvider([reader], resource=resource)
    meter = meters.get_meter("gateway.host", "1.0.0")
    meter.create_observable_gauge("node.load", [load], unit="1", description="Runnable tasks per core")
    meter.create_observable_gauge("container.memory", [memory], unit="By", description="Memory in use")
    return tracers, meters


def charge(tracer: Tracer, card: str, seconds: float) -> None:
    """A charge: the request and the call of the bank."""
    shown = {"credit_card": card, "payment.currency": "EUR"}
    with tracer.start_as_current_span("POST /charge", kind=SpanKind.SERVER, attributes=shown):
        time.sleep(0.001)
        with tracer.start_as_current_span("bank.authorize", kind=SpanKind.CLIENT, attributes=shown):
            time.sleep(seconds)


def charges(tracer: Tracer, dice: random.Random) -> None:
    """Some charges one after another, and two slow ones beside them."""
    slow = [threading.Thread(target=charge, args=(tracer, dice.choice(CARDS), SLOW + dice.random() / 5)) for _ in "ab"]
    for thread in slow:
        thread.start()
    for _ in range(7):
        charge(tracer, dice.choice(CARDS), dice.uniform(0.002, 0.4))
    for thread in slow:
        thread.join()


def main() -> None:
    """All deployments at once, for a few seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        providers = [deployment(folder, tenant, env) for tenant, env in DEPLOYMENTS]
        threads = [
            threading.Thread(target=charges, args=(tracers.get_tracer("gateway", "1.0.0"), random.Random(number)))
            for number, (tracers, _) in enumerate(providers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for tracers, meters in providers:
            tracers.shutdown()
            meters.shutdown()
        lines = [line for path in folder.glob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
    lines.sort(key=lambda line: (first_time(line), line))
    (DATA / "tenants.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
