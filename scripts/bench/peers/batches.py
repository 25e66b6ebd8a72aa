"""Padded batches of ready token ids, as a user of the library would make them."""

import numpy


def score_in_batches(pairs, size, by_length, run, join=numpy.concatenate, multiple=1):
    """Scores in the order of the pairs.

    `run` takes input_ids, attention_mask, token_type_ids: int64 [batch, longest], and returns the batch's scores or what
    stands for them while a device computes; `join` makes one numpy array of all. Lengths are rounded up to `multiple`.
    """
    order = range(len(pairs))
    if by_length:
        order = sorted(order, key=lambda i: -len(pairs[i]["inputIds"]))
    cuts = [order[start : start + size] for start in range(0, len(pairs), size)]
    found = join([run(padded([pairs[i] for i in cut], multiple)) for cut in cuts])
    scores = numpy.empty(len(pairs), dtype=numpy.float32)
    scores[list(order)] = found
    return scores


def padded(pairs, multiple=1):
    """Ids are numpy arrays where serve.py read them: row by row from lists they would take longer than a GPU's scores."""
    lengths = numpy.array([len(pair["inputIds"]) for pair in pairs])
    longest = -(-lengths.max() // multiple) * multiple
    filled = numpy.arange(longest) < lengths[:, None]
    inputs = {"attention_mask": filled.astype(numpy.int64)}
    for name, key in (("input_ids", "inputIds"), ("token_type_ids", "tokenTypeIds")):
        inputs[name] = numpy.zeros(filled.shape, dtype=numpy.int64)
        inputs[name][filled] = numpy.concatenate([pair[key] for pair in pairs])
    return inputs
