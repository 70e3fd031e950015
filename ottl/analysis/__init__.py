"""Numeric algorithms on arrays and on the trace graph.

Knows no OTTL: the functions in `ottl.stdlib` call it, and both executors give it the same arrays.

- `running`: statistics that go on from row to row, one series a slot; `keyed`: slots by key, bounded.
- `spans`: the spans of a payload as arrays; `traces`: the graph they form; `causes`: what may have caused a failure.

Everything here gives the same answer for the same rows in the same order, however they are cut into batches.
"""
