"""The two executors of one bytecode: `columns` over tables, `rows` over protobuf messages; `messages` reads and writes the latter."""
