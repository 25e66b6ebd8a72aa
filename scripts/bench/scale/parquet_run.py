"""Writes the run that writeParquetRun (stand-ins.ts) writes, with pyarrow as pandas does: faster, and another's layout.

usage: parquet_run.py PATH TOPICS DEPTH PASSAGES
"""

import sys

import numpy
import pyarrow
import pyarrow.compute
import pyarrow.parquet

ROWS_TOGETHER = 1_000_000


def main(path: str, topics: int, depth: int, passages: int) -> None:
    text, int32, float32 = pyarrow.string(), pyarrow.int32(), pyarrow.float32()
    schema = pyarrow.schema([("query_id", text), ("doc_id", text), ("rank", int32), ("score", float32)])
    step = max(1, ROWS_TOGETHER // depth)
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for first in range(0, topics, step):
            topic = numpy.repeat(numpy.arange(first, min(first + step, topics), dtype=numpy.int64), depth)
            rank = numpy.tile(numpy.arange(1, depth + 1, dtype=numpy.int64), len(topic) // depth)
            score = 32 - numpy.log(rank + 1) - (topic % 97) / 100
            columns = [
                pyarrow.compute.cast(pyarrow.array(topic), text),
                pyarrow.compute.cast(pyarrow.array((topic * 7919 + rank * 104_729) % passages), text),
                pyarrow.array(rank.astype(numpy.int32)),
                pyarrow.array(score.astype(numpy.float32)),
            ]
            writer.write_table(pyarrow.table(columns, schema=schema), row_group_size=ROWS_TOGETHER)


if __name__ == "__main__":
    main(sys.argv[1], *(int(argument) for argument in sys.argv[2:5]))
