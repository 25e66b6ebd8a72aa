"""Writes test/loss/golden/: values and gradients of lightning-ir's losses in float64.

usage: python scripts/references/losses.py SHARED

Needs lightning-ir==0.0.6; SHARED is the folder with golden/losses.json.

lightning-ir.json   lists that a random batch does not hold: ties, one document, equal targets, no relevant document,
                    targets below 0, scores far apart. A value of null is NaN. Lists with tied targets have at most 16
                    documents: above that the order of equals in torch.argsort depends on the machine.
float32-noise.json  entries of the shared losses.json, which is float32, that lightning-ir itself, in float64, does not
                    give within the tolerance of the test, with what it gives
"""

import math
import sys
from pathlib import Path

import torch
from common import TEST, compute_loss, read, train_batch, write

GOLDEN = TEST / "loss" / "golden"


def compute(case: dict, loss: str, arguments: dict) -> tuple[float | None, list]:
    scores = torch.tensor(case["scores"], requires_grad=True)
    targets = torch.tensor(case["targets"])
    queries, docs = targets.shape
    value = compute_loss(loss, arguments, scores, train_batch(["q"] * queries, [["d"] * docs] * queries, targets))
    value.backward()
    return None if math.isnan(value.item()) else value.item(), scores.grad.tolist()


def refreshed(case: dict) -> dict:
    results = []
    for result in case["results"]:
        value, gradient = compute(case, result["loss"], result["init_args"])
        results.append({**result, "value": value, "gradient": gradient})
    return {**case, "results": results}


def float32_noise(shared: list[dict]) -> list[dict]:
    """Gradients near 0 are sums of large terms that cancel, of which float32 leaves few digits."""
    entries = []
    for index, case in enumerate(shared):
        _, gradient = compute(case, case["loss"], case["init_args"])
        pairs = zip(sum(case["grad"], []), sum(gradient, []), strict=True)
        for entry, (single, double) in enumerate(pairs):
            if abs(double - single) > 1e-5 * abs(single) + 1e-7:
                entries.append({"case": index, "entry": entry, "float32": single, "float64": double})
    return entries


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    path = GOLDEN / "lightning-ir.json"
    write(path, [refreshed(case) for case in read(path)])
    write(GOLDEN / "float32-noise.json", float32_noise(read(Path(sys.argv[1]) / "golden" / "losses.json")))
