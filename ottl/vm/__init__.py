"""The two executors of one bytecode.

`columns` runs it over tables, `rows` over protobuf messages, which `messages` reads and writes.
"""
