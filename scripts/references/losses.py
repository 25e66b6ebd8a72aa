"""Writes test/loss/golden/: values and gradients of lightning-ir's losses in float64.

Needs: pip install lightning-ir==0.0.6
Usage: python scripts/references/losses.py <folder of the shared golden files> test/loss/golden

lightning-ir.json   lists that a random batch does not hold: ties, one document, equal targets, no relevant document,
                    targets below 0, scores far apart. A value of null is NaN. Lists with tied targets have at most 16
                    documents: above that the order of equals in torch.argsort depends on the machine.
float32-noise.json  entries of the shared losses.json, which is float32, that lightning-ir itself, in float64, does not
                    give within the tolerance of the test, with what it gives
"""

import json
import math
import sys
from pathlib import Path

import lightning_ir.loss as losses
import torch
from lightning_ir.base.model import LightningIROutput
from lightning_ir.data import TrainBatch

ARGUMENTS = [
    ("RankNet", {}),
    ("RankNet", {"temperature": 0.25}),
    ("InfoNCE", {}),
    ("KLDivergence", {}),
    ("PearsonCorrelation", {}),
    ("ConstantMarginMSE", {}),
    ("ConstantMarginMSE", {"margin": -0.5}),
    ("SupervisedMarginMSE", {}),
    ("ApproxNDCG", {}),
    ("ApproxNDCG", {"temperature": 0.1, "scale_gains": False}),
    ("ApproxMRR", {}),
    ("ApproxMRR", {"temperature": 0.1}),
    ("ApproxRankMSE", {}),
    ("ApproxRankMSE", {"temperature": 3.0, "discount": "log2"}),
    ("ApproxRankMSE", {"temperature": 0.1, "discount": "reciprocal"}),
]


def lists(generator):
    """Name of a case -> (scores, targets), both [queries, docs]."""

    def normal(*shape):
        return torch.randn(*shape, generator=generator) * 2

    def grades(*shape):
        return torch.randint(0, 4, shape, generator=generator).double()

    mixed = grades(3, 6)
    mixed[1] = 2
    return {
        "random targets": (normal(2, 20), normal(2, 20)),
        "normalized targets": (normal(3, 7), torch.rand(3, 7, generator=generator)),
        "tied targets": (normal(3, 16), grades(3, 16)),
        "tied scores": (grades(2, 9), torch.stack([torch.randperm(9, generator=generator) / 8 for _ in range(2)])),
        "one document": (normal(3, 1), grades(3, 1) + 1),
        "one document without relevance": (normal(2, 1), torch.zeros(2, 1)),
        "equal targets": (normal(2, 5), torch.full((2, 5), 0.1)),
        "nothing relevant": (normal(2, 5), torch.zeros(2, 5)),
        "one query without pairs": (normal(3, 6), mixed),
        "targets below 0": (normal(2, 6), -1 - torch.rand(2, 6, generator=generator)),
        "scores far apart": (normal(2, 8) * 200, torch.rand(2, 8, generator=generator)),
        "large targets": (normal(1, 12), torch.randperm(12, generator=generator).reshape(1, 12) * 10.0),
    }


def compute(name, arguments, scores, targets):
    scores = scores.clone().requires_grad_(True)
    queries, docs = targets.shape
    batch = TrainBatch(
        queries=("q",) * queries, docs=(("d",) * docs,) * queries, query_ids=None, doc_ids=None, targets=targets
    )
    loss = getattr(losses, name)(**arguments).compute_loss(LightningIROutput(scores=scores), batch)
    loss.backward()
    return loss.item(), scores.grad.tolist()


def float32_noise(golden):
    """Gradients near 0 are sums of large terms that cancel, of which float32 leaves few digits."""
    entries = []
    for index, case in enumerate(json.loads(golden.read_text())):
        scores, targets = torch.tensor(case["scores"]), torch.tensor(case["targets"])
        _, gradient = compute(case["loss"], case["init_args"], scores, targets)
        pairs = zip(sum(case["grad"], []), sum(gradient, []), strict=True)
        for entry, (single, double) in enumerate(pairs):
            if abs(double - single) > 1e-5 * abs(single) + 1e-7:
                entries.append({"case": index, "entry": entry, "float32": single, "float64": double})
    return entries


def main(shared, out):
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    cases = []
    for kind, (scores, targets) in lists(torch.Generator().manual_seed(5)).items():
        results = []
        for name, arguments in ARGUMENTS:
            value, gradient = compute(name, arguments, scores, targets)
            value = None if math.isnan(value) else value
            results.append({"loss": name, "init_args": arguments, "value": value, "gradient": gradient})
        cases.append({"kind": kind, "scores": scores.tolist(), "targets": targets.tolist(), "results": results})
    out.mkdir(parents=True, exist_ok=True)
    (out / "lightning-ir.json").write_text(json.dumps(cases) + "\n")
    (out / "float32-noise.json").write_text(json.dumps(float32_noise(shared / "losses.json")) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
