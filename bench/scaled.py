"""Payloads and rules for `bench/scaling.py`: one thing varies, the rest is as ordinary as in `bench/payloads.py`."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData

from bench import payloads

BLOCK: Final = 8_000
BLOCKS: Final = 8
"""Different blocks of spans; a larger payload repeats them, as if many senders had been taken together."""
WORDS: Final = (
    "request",
    "user",
    "took",
    "from",
    "cache",
    "order",
    "sent",
    "again",
    "after",
    "failed",
    "node",
    "ready",
)


def _status(n: int) -> int:
    return payloads.STATUS_CODES[n % len(payloads.STATUS_CODES)]


STATEMENTS: Final[dict[str, Callable[[int], str]]] = {
    "new key, every row": lambda n: f'set(span.attributes["new.{n}"], true)',
    "same key, every row": lambda n: f'set(span.attributes["user.id"], "user {n}")',
    "field, every row": lambda n: f'set(span.name, "name {n}")',
    "copy, every row": lambda n: f'set(span.attributes["copy.{n % 5}"], span.attributes["server.address"])',
    "number compared, some rows": lambda n: (
        f'set(span.status.message, "m{n}") where span.attributes["http.response.status_code"] == {_status(n)}'
    ),
    "text compared, no row": lambda n: f'set(span.status.message, "m{n}") where span.name == "GET /{n}"',
    "resource compared, some rows": lambda n: (
        f'set(span.status.message, "m{n}") where resource.attributes["host.name"] == "node-{n % 5}.eu-west-1.internal"'
    ),
    "duration compared, some rows": lambda n: (
        f'set(span.status.message, "m{n}") where span.end_time_unix_nano - span.start_time_unix_nano > {n}00000000'
    ),
    "key missing, no row": lambda n: f'set(span.status.message, "m{n}") where span.attributes["missing.{n}"] != nil',
}
"""Kind of a simple statement to its text by number; no two of a kind are equal."""

BODY_RULES: Final = (
    'set(log.attributes["failed"], true) where IsMatch(log.body, "failed [a-z]+$")',
    'replace_pattern(log.body, "password=[^ ]*", "password=***")',
    'set(log.attributes["first"], true) where HasPrefix(log.body, "request")',
)

VALUE: Final = 'log.attributes["value"]'
VALUE_RULES: Final = (
    f'set(log.attributes["hash"], SHA256({VALUE}))',
    f'set(log.attributes["short"], Substring({VALUE}, 0, 8))',
    f'set(log.attributes["joined"], Concat(["value", {VALUE}], "/"))',
    f'set(log.attributes["odd"], true) where IsMatch({VALUE}, "[13579]$")',
    f'set(log.attributes["first"], true) where {VALUE} == "session-00000000-of-a-user"',
)


def spans(rows: int) -> bytes:
    """A `TracesData` message of so many spans, however many."""
    if rows <= BLOCK:
        return payloads.traces(rows)
    blocks = [payloads.traces(BLOCK, seed) for seed in range(min(BLOCKS, rows // BLOCK))]
    count, rest = divmod(rows, BLOCK)
    # Messages one after the other are one message with the elements of both.
    whole = b"".join(blocks[n % len(blocks)] for n in range(count))
    return whole + payloads.traces(rest) if rest else whole


def _records(rows: int, fill: Callable[[LogRecord, int], None]) -> bytes:
    data = LogsData()
    records = data.resource_logs.add().scope_logs.add().log_records
    for number in range(rows):
        record: Any = records.add(time_unix_nano=payloads.START_NS + number, severity_number=9 + number % 2 * 8)
        fill(record, number)
    return data.SerializeToString()


def map_rules(entries: int) -> tuple[str, ...]:
    """A condition and a set on one key, and keeping every second."""
    middle = f'log.attributes["key.{entries // 2:03d}"]'
    kept = ", ".join(f'"key.{n:03d}"' for n in range(0, max(entries, 2), 2))
    return (
        f'set({middle}, "high") where log.severity_number >= SEVERITY_NUMBER_ERROR',
        f"keep_keys(log.attributes, [{kept}])",
    )


def maps(rows: int, entries: int) -> bytes:
    """A `LogsData` message whose records have so many attributes."""

    def fill(record: LogRecord, number: int) -> None:
        for n in range(entries):
            value = record.attributes.add(key=f"key.{n:03d}").value
            if n % 3 == 2:
                value.int_value = number * n % 97
            else:
                value.string_value = f"value {number * (n + 1) % 89}"

    return _records(rows, fill)


def bodies(rows: int, length: int) -> bytes:
    """A `LogsData` message whose records have bodies of so many bytes, all different where that is possible."""
    rng = random.Random(length)

    def fill(record: LogRecord, number: int) -> None:
        words = [f"{number:06d}"]
        size = 6
        while size < length:
            words.append("password=secret" if not len(words) % 40 else rng.choice(WORDS))
            size += len(words[-1]) + 1
        record.body.string_value = " ".join(words)[-length:]

    return _records(rows, fill)


def values(rows: int, distinct: int) -> bytes:
    """A `LogsData` message with so many different texts in one attribute, in no order."""
    order = list(range(rows))
    random.Random(distinct).shuffle(order)

    def fill(record: LogRecord, number: int) -> None:
        record.body.string_value = "done"
        record.attributes.add(key="method").value.string_value = payloads.METHODS[number % len(payloads.METHODS)]
        record.attributes.add(key="value").value.string_value = f"session-{order[number] % distinct:08d}-of-a-user"

    return _records(rows, fill)
