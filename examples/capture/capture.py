"""Makes the captures in `examples/data`: starts the services, orders things, stops them and gathers their files.

python3 -m venv /tmp/shop && /tmp/shop/bin/pip install -r requirements.txt && /tmp/shop/bin/python capture.py
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import requests

PORTS = {"storefront": 8701, "payment": 8702, "stock": 8703}
SIGNALS = ("traces", "metrics", "logs")
ROOTS = {"traces": "resourceSpans", "metrics": "resourceMetrics", "logs": "resourceLogs"}
HERE = Path(__file__).parent
DATA = HERE.parent / "data"
PEOPLE = ["ada.byron@example.com", "grace@example.org", "h.poirot@example.net", "zoë.müller@example.com"]
CARDS = ["4111111111111111", "5555555555554444", "4000000000000002"]
ARTICLES = {"lamp": 39.9, "chair": 120.0, "desk": 349.5}


def main() -> None:
    """Run the shop for a few seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        services = [
            subprocess.Popen([sys.executable, "service.py", service, str(port), name], cwd=HERE)
            for service, port in PORTS.items()
        ]
        try:
            wait_until_up()
            order(random.Random(7), 24)
        finally:
            for service in services:
                service.terminate()
            for service in services:
                service.wait()
        gather(folder)


def wait_until_up() -> None:
    """Ask each service until it answers."""
    for port in PORTS.values():
        for _ in range(100):
            try:
                requests.get(f"http://localhost:{port}/healthz", timeout=1)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        else:
            raise SystemExit(f"nothing answers on port {port}")


def order(dice: random.Random, count: int) -> None:
    """Orders by several people of several tenants."""
    for number in range(count):
        articles = dice.sample(sorted(ARTICLES), dice.randint(1, 3))
        body = {
            "email": dice.choice(PEOPLE),
            "card": dice.choice(CARDS),
            "priority": dice.randint(0, 3),
            "items": [{"article": a, "count": dice.randint(1, 3), "price": ARTICLES[a]} for a in articles],
        }
        if number % 4 == 0:
            body["discount"] = "SPRING"
        headers = {"X-Tenant": dice.choice(["acme", "globex", "initech"]), "Authorization": f"Bearer tok_{number:04d}"}
        requests.post(f"http://localhost:{PORTS['storefront']}/orders", json=body, headers=headers, timeout=10)
        if number % 5 == 0:
            requests.get(f"http://localhost:{PORTS['storefront']}/healthz", timeout=1)
        time.sleep(0.1)


def gather(folder: Path) -> None:
    """JSON lines and frames with all signals, lines of parts of them, one plain message."""
    DATA.mkdir(exist_ok=True)
    lines: list[tuple[int, str]] = []
    frames: list[tuple[int, bytes]] = []
    for signal in SIGNALS:
        for service in PORTS:
            path = folder / f"{service}-{signal}"
            texts = path.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
            bodies = list(split(path.with_suffix(".pb").read_bytes()))
            for text, body in zip(texts, bodies, strict=True):
                lines.append((first_time(text), text))
                frames.append((first_time(text), body))
    lines.sort()
    frames.sort()
    (DATA / "shop.jsonl").write_text("".join(text + "\n" for _, text in lines), encoding="utf-8")
    (DATA / "shop.pb").write_bytes(b"".join(len(body).to_bytes(4, "big") + body for _, body in frames))
    parts = {"payment.jsonl": ("payment", SIGNALS), "storefront-logs.jsonl": ("storefront", ("logs",))}
    for name, (service, signals) in parts.items():
        roots = tuple(f'{{"{ROOTS[signal]}"' for signal in signals)
        ours = [text for _, text in lines if text.startswith(roots) and f'"stringValue":"{service}"' in text]
        (DATA / name).write_text("".join(text + "\n" for text in ours), encoding="utf-8")
    largest = max((body for body in split((folder / "storefront-traces.pb").read_bytes())), key=len)
    (DATA / "storefront-traces.pb").write_bytes(largest)


def split(data: bytes) -> Iterator[bytes]:
    """The bodies of frames."""
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 4 + length]
        at += 4 + length


def first_time(text: str) -> int:
    """The latest time in a message: when it was exported, more or less."""
    return max(times(json.loads(text)))


def times(value: object) -> Iterator[int]:
    """All times below a value."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in {"endTimeUnixNano", "timeUnixNano", "observedTimeUnixNano"}:
                yield int(item)
            else:
                yield from times(item)
    elif isinstance(value, list):
        for item in value:
            yield from times(item)


if __name__ == "__main__":
    main()
