"""A peer's process: loads once, then answers each line of stdin with a line of JSON. The other end is worker.ts.

Argument: JSON of peer-options.ts's PeerOptions; `pairs` names a file with query, document, inputIds, tokenTypeIds of each.
Request: {"count": N, "batch": N}, the first N pairs in batches of that size. Answer: {"seconds": s, "scores": [...]}, on a
GPU also "peakGpuMiB", what the request held there at most; or {"error": "..."}, after which the next one may go well.
"""

import json
import os
import sys
import time

import numpy


def serve(load):
    """`load(options)` returns the library's version and a function of pairs and batch size that returns their scores.

    Scores lie in the host's memory when it returns, so a GPU's work is in the time.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not come between the answers
    options = json.loads(sys.argv[1])
    pairs = read_pairs(options["pairs"])
    version, score = load(options)
    print(json.dumps({"version": version}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        chosen = pairs[: request["count"]]
        cuda = sys.modules["torch"].cuda if options["device"] == "cuda" else None
        if cuda:
            cuda.synchronize()
            cuda.reset_peak_memory_stats()
        try:
            answer = timed(score, chosen, request["batch"])
        except Exception as error:  # a batch that does not fit into a GPU's memory
            answer = {"error": f"{type(error).__name__}: {error}"}
        if cuda:
            answer["peakGpuMiB"] = cuda.max_memory_allocated() / 2**20
            if "error" in answer:
                cuda.empty_cache()
        print(json.dumps(answer), file=answers)


def timed(score, pairs, batch):
    start = time.perf_counter()
    scores = score(pairs, batch)
    return {"seconds": time.perf_counter() - start, "scores": [float(value) for value in scores]}


def read_pairs(path):
    with open(path, encoding="utf8") as file:
        pairs = json.load(file)
    for pair in pairs:
        for key in ("inputIds", "tokenTypeIds"):
            pair[key] = numpy.array(pair[key], dtype=numpy.int64)
    return pairs
