"""The rule sets that the benchmarks run: configurations of the transform processor, for each signal.

`none` has no statements; `one` has one condition and one set; `policy` is the three policy scripts (masking, status by
duration, keeping what is allowed); `mixed` is ten statements of all kinds; `parsing`, for logs, takes bodies apart. The
headline of `bench/run.py` is the geometric mean over the three that do something to spans.
"""

from __future__ import annotations

from typing import Any, Final

PROD: Final = 'where resource.attributes["env"] == "prod"'
CARD: Final = 'span.attributes["credit_card"]'
SLOW: Final = "where span.end_time_unix_nano - span.start_time_unix_nano > 3000000000"
KEPT_SPAN: Final = (
    '"http.request.method", "http.route", "url.full", "http.response.status_code", "server.address", "credit_card", '
    '"user.id"'
)
ACCESS: Final = 'where IsMatch(log.body, "^[0-9]+[.]")'
GROK: Final = (
    "^%{IP:client.ip} %{WORD:method} %{URIPATH:path} %{NUMBER:status:int} %{NUMBER:size:int} %{NUMBER:took:int}"
)

ONE_SPAN: Final = (
    'set(span.attributes["internal.slow"], true) where span.attributes["http.response.status_code"] >= 500',
)

POLICY_SPANS: Final = (
    f"set({CARD}, SHA256({CARD})) {PROD}",
    f"set(span.status.code, STATUS_CODE_ERROR) {SLOW}",
    f'set(span.status.message, "slow") {SLOW}',
    f"keep_keys(span.attributes, [{KEPT_SPAN}])",
)

MIXED_SPANS: Final = (
    'replace_pattern(span.attributes["url.full"], "/[0-9]+(/|$)", "/{id}$1")',
    'set(span.attributes["op"], Concat([span.attributes["http.request.method"], span.attributes["http.route"]], " "))',
    'set(span.attributes["tier"], "money") where IsMatch(resource.attributes["service.name"], "^(checkout|payment)-")',
    'delete_matching_keys(span.attributes, "^internal\\\\..*")',
    'set(span.attributes["duration_ms"], (span.end_time_unix_nano - span.start_time_unix_nano) / 1000000)',
    f"set({CARD}, SHA256({CARD})) where {CARD} != nil",
    'set(span.status.code, STATUS_CODE_ERROR) where span.attributes["http.response.status_code"] >= 400',
    'set(span.name, span.attributes["op"]) where span.name != span.attributes["op"]',
    'delete_key(span.attributes, "user.id") where resource.attributes["env"] != "prod"',
    "truncate_all(span.attributes, 48)",
)

ONE_LOG: Final = ('set(log.attributes["alert"], true) where log.severity_number >= SEVERITY_NUMBER_ERROR',)

POLICY_LOGS: Final = (
    f'set(log.attributes["credit_card"], SHA256(log.attributes["credit_card"])) {PROD}',
    'set(log.severity_text, "ALERT") where log.severity_number >= 17 and IsMatch(log.body, " 50[0-9] ")',
    'keep_keys(log.attributes, ["log.file.name", "session.id", "credit_card", "code.function.name"])',
)

PARSING_LOGS: Final = (
    'merge_maps(log.attributes, ParseJSON(log.body), "upsert") where HasPrefix(log.body, "{")',
    'merge_maps(log.attributes, ParseKeyValue(log.body, "=", " "), "upsert") where IsMatch(log.body, "^level=")',
    f'merge_maps(log.attributes, ExtractGrokPatterns(log.body, "{GROK}", true), "upsert") {ACCESS}',
    "flatten(log.attributes)",
    'replace_pattern(log.body, "password=[^ ]*", "password=***")',
)

ONE_POINT: Final = (
    'set(datapoint.attributes["env"], resource.attributes["env"]) where metric.name == "http.server.duration"',
)

POLICY_POINTS: Final = (
    'set(metric.description, "requests since start") where metric.name == "http.server.requests"',
    'set(datapoint.attributes["class"], datapoint.attributes["http.response.status_code"] / 100)',
    'delete_key(datapoint.attributes, "user.id") where resource.attributes["env"] == "prod"',
    'keep_keys(datapoint.attributes, ["http.request.method", "http.route", "class", "user.id", "server.address"])',
)

STATEMENTS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "traces": {"none": (), "one": ONE_SPAN, "policy": POLICY_SPANS, "mixed": MIXED_SPANS},
    "logs": {"none": (), "one": ONE_LOG, "policy": POLICY_LOGS, "parsing": PARSING_LOGS},
    "metrics": {"none": (), "one": ONE_POINT, "policy": POLICY_POINTS},
}
"""Signal, name of the rule set, statements."""

KEYS: Final = {"traces": "trace_statements", "logs": "log_statements", "metrics": "metric_statements"}


def configuration(signal: str, name: str) -> dict[str, Any]:
    """The rule set as a configuration of the transform processor."""
    statements = STATEMENTS[signal][name]
    return {"error_mode": "ignore", KEYS[signal]: list(statements)} if statements else {"error_mode": "ignore"}
