"""A peer's process: loads once, then answers each line of stdin with a line of JSON. The other end is worker.ts.

Argument: JSON with `folder` (the model), `pairs` (a file: query, document, inputIds, tokenTypeIds of each), `precision`,
`sorted` (by length) and `threads`. Request: {"count": N, "batch": N}, the first N pairs in batches of that size. Answer:
{"seconds": s, "scores": [...]}.
"""

import json
import os
import sys
import time


def serve(load):
    """`load(options)` returns the library's version and a function of pairs and batch size that returns their scores."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not come between the answers
    options = json.loads(sys.argv[1])
    with open(options["pairs"], encoding="utf8") as file:
        pairs = json.load(file)
    version, score = load(options)
    print(json.dumps({"version": version}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        chosen = pairs[: request["count"]]
        start = time.perf_counter()
        scores = score(chosen, request["batch"])
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "scores": [float(value) for value in scores]}), file=answers)
