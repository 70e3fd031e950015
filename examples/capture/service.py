"""One service of a small shop: `python service.py storefront|payment|stock PORT FOLDER`.

The storefront takes orders over HTTP, asks the stock and the payment service, and keeps orders in SQLite. All three are
instrumented with the OpenTelemetry SDK and its packages for Flask, requests and sqlite3, and log through `logging`.
Some requests fail, and the telemetry carries what real telemetry carries and should not: e-mail addresses, card
numbers, tokens. All of it is made up; the card numbers are the public test numbers of card networks.
"""

from __future__ import annotations

import json
import logging
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import requests
from flask import Flask, Response, jsonify, request
from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from otlp_files import FileLogExporter, FileMetricExporter, FileSpanExporter, OtlpFile

NAME, PORT, FOLDER = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
PORTS = {"storefront": 8701, "payment": 8702, "stock": 8703}
VERSIONS = {"storefront": "2.4.1", "payment": "1.9.0", "stock": "0.7.3"}
FAILING_CARD = "4000000000000002"

resource = Resource.create(
    {
        "service.name": NAME,
        "service.namespace": "shop",
        "service.version": VERSIONS[NAME],
        "service.instance.id": f"{NAME}-7d9f5c",
        "deployment.environment.name": "staging" if NAME == "stock" else "production",
        "host.name": f"node-{PORTS[NAME] % 100}",
    }
)
tracer_provider = TracerProvider(resource=resource)
tracer_provider.add_span_processor(
    BatchSpanProcessor(FileSpanExporter(OtlpFile(FOLDER, f"{NAME}-traces")), max_export_batch_size=48)
)
trace.set_tracer_provider(tracer_provider)
meter_provider = MeterProvider(
    [PeriodicExportingMetricReader(FileMetricExporter(OtlpFile(FOLDER, f"{NAME}-metrics")), 4000)], resource=resource
)
metrics.set_meter_provider(meter_provider)
logger_provider = LoggerProvider(resource=resource)
logger_provider.add_log_record_processor(BatchLogRecordProcessor(FileLogExporter(OtlpFile(FOLDER, f"{NAME}-logs"))))
set_logger_provider(logger_provider)

logger = logging.getLogger(f"shop.{NAME}")
logger.setLevel(logging.DEBUG)
logger.addHandler(LoggingHandler(logger_provider=logger_provider))
logging.getLogger("werkzeug").disabled = True

app = Flask(NAME)
FlaskInstrumentor().instrument_app(app)
RequestsInstrumentor().instrument()
SQLite3Instrumentor().instrument()
tracer = trace.get_tracer(f"shop.{NAME}", VERSIONS[NAME])
meter = metrics.get_meter(f"shop.{NAME}", VERSIONS[NAME])
dice = random.Random(NAME)

orders = meter.create_counter("shop.orders", unit="{order}", description="Orders by outcome")
amounts = meter.create_histogram("shop.order.amount", unit="EUR", description="Amount of an order")
open_carts = meter.create_up_down_counter("shop.carts.open", unit="{cart}")
levels = {"lamp": 40, "chair": 12, "desk": 3}


def observe_levels(_options: CallbackOptions) -> Iterable[Observation]:
    """The stock of every article."""
    return [Observation(level, {"article": article, "warehouse": "eu-1"}) for article, level in levels.items()]


if NAME == "stock":
    meter.create_observable_gauge("shop.stock.level", [observe_levels], unit="{piece}")


@app.get("/healthz")
def health() -> str:
    """Asked all the time, of no interest to anyone."""
    return "ok"


@app.post("/orders")
def order() -> tuple[Response, int]:
    """An order: reserve, pay, keep."""
    body = request.get_json()
    tenant = request.headers.get("X-Tenant", "")
    span = trace.get_current_span()
    span.set_attributes(
        {
            "tenant.id": tenant,
            "user.email": body["email"],
            "order.items": [item["article"] for item in body["items"]],
            "order.priority": body["priority"],
            "http.request.header.authorization": [request.headers.get("Authorization", "")],
        }
    )
    open_carts.add(1, {"tenant.id": tenant})
    logger.info("order received from %s", body["email"], extra={"tenant.id": tenant, "user.email": body["email"]})
    with tracer.start_as_current_span("price order") as pricing:
        time.sleep(dice.uniform(0.001, 0.012))
        amount = round(sum(item["price"] * item["count"] for item in body["items"]), 2)
        pricing.set_attributes({"order.amount": amount, "cache.hit": dice.random() < 0.6})
        pricing.add_event("discount checked", {"discount.code": body.get("discount", ""), "discount.rate": 0.05})
    reserve = requests.post(
        f"http://localhost:{PORTS['stock']}/reserve",
        json={"items": body["items"]},
        headers={"X-Tenant": tenant},
        timeout=5,
    )
    outcome = "reserved" if reserve.status_code == 200 else "out of stock"
    if reserve.status_code == 200:
        paid = requests.post(
            f"http://localhost:{PORTS['payment']}/charge?card={body['card']}",
            json={"card": body["card"], "amount": amount, "email": body["email"]},
            headers={"X-Tenant": tenant},
            timeout=5,
        )
        outcome = "paid" if paid.status_code == 200 else "declined"
    keep(body["email"], amount, outcome)
    orders.add(1, {"tenant.id": tenant, "outcome": outcome})
    amounts.record(amount, {"tenant.id": tenant, "currency": "EUR"})
    open_carts.add(-1, {"tenant.id": tenant})
    line = {"event": "order", "outcome": outcome, "amount": amount, "user": {"email": body["email"], "tenant": tenant}}
    logger.log(logging.INFO if outcome == "paid" else logging.WARNING, json.dumps(line))
    return jsonify(outcome=outcome), 201 if outcome == "paid" else 409


def keep(email: str, amount: float, outcome: str) -> None:
    """The order in the database."""
    with sqlite3.connect(FOLDER / "orders.sqlite") as database:
        cursor = database.cursor()
        cursor.execute("CREATE TABLE IF NOT EXISTS orders (email TEXT, amount REAL, outcome TEXT)")
        cursor.execute("INSERT INTO orders VALUES (?, ?, ?)", (email, amount, outcome))
        cursor.close()


@app.post("/reserve")
def reserve_items() -> tuple[Response, int]:
    """Take the items from the shelf."""
    items = request.get_json()["items"]
    with tracer.start_as_current_span("lock shelf", kind=trace.SpanKind.INTERNAL) as span:
        time.sleep(dice.choice([0.002, 0.003, 0.004, 0.035]))
        span.set_attribute("shelf.count", len(items))
        for item in items:
            if levels[item["article"]] < item["count"]:
                logger.warning("article=%s wanted=%d level=%d", item["article"], item["count"], levels[item["article"]])
                span.add_event("out of stock", {"article": item["article"], "level": levels[item["article"]]})
                levels[item["article"]] += 20
                return jsonify(error="out of stock"), 409
            levels[item["article"]] -= item["count"]
    logger.debug("reserved items=%d tenant=%s", len(items), request.headers.get("X-Tenant", ""))
    return jsonify(ok=True), 200


class CardDeclinedError(Exception):
    """The bank said no."""


@app.post("/charge")
def charge() -> tuple[Response, int]:
    """Charge a card at a bank that is sometimes slow and sometimes says no."""
    body = request.get_json()
    logger.info("charging card %s for %s", body["card"], body["email"])
    with tracer.start_as_current_span("bank.authorize", kind=trace.SpanKind.CLIENT) as span:
        span.set_attributes({"peer.service": "bank", "payment.card": body["card"], "payment.amount": body["amount"]})
        time.sleep(dice.choice([0.004, 0.006, 0.009, 0.12]))
        if body["card"] == FAILING_CARD:
            error = CardDeclinedError(f"card {body['card']} declined")
            span.record_exception(error, {"retryable": False})
            span.set_status(trace.StatusCode.ERROR, str(error))
            logger.error("card %s declined", body["card"], extra={"bank.code": 51, "card": body["card"]})
            return jsonify(error="declined"), 402
        span.set_attribute("bank.reference", f"ref-{dice.randrange(16**6):06x}")
    return jsonify(ok=True), 200


def stop(*_: Any) -> None:
    """Write what is still held back, and end."""
    tracer_provider.shutdown()
    meter_provider.shutdown()
    logger_provider.shutdown()
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    app.run(port=PORT)
