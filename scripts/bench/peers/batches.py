"""Padded batches of ready token ids, as a user of the library would make them."""

import numpy


def score_in_batches(pairs, size, by_length, run):
    """Scores in the order of the pairs. `run` takes input_ids, attention_mask, token_type_ids: int64 [batch, longest]."""
    order = range(len(pairs))
    if by_length:
        order = sorted(order, key=lambda i: -len(pairs[i]["inputIds"]))
    scores = numpy.empty(len(pairs), dtype=numpy.float32)
    for start in range(0, len(pairs), size):
        chosen = order[start : start + size]
        scores[list(chosen)] = run(padded([pairs[i] for i in chosen]))
    return scores


def padded(pairs):
    longest = max(len(pair["inputIds"]) for pair in pairs)
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = {name: numpy.zeros((len(pairs), longest), dtype=numpy.int64) for name in names}
    for row, pair in enumerate(pairs):
        length = len(pair["inputIds"])
        inputs["input_ids"][row, :length] = pair["inputIds"]
        inputs["attention_mask"][row, :length] = 1
        inputs["token_type_ids"][row, :length] = pair["tokenTypeIds"]
    return inputs
