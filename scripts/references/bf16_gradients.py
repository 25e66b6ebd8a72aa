"""Prints how far lightning-ir's own gradients under bf16 autocast are from those in float32: test/train/bf16.test.ts allows
twice that.

  python scripts/references/bf16_gradients.py

Needs lightning-ir 0.0.6 with transformers < 5.
"""

import json
from pathlib import Path

import torch
from lightning_ir import CrossEncoderModule

REFERENCES = Path(__file__).resolve().parents[2] / "test/golden/references"


def gradient(module: CrossEncoderModule, pairs: list[dict], bf16: bool) -> torch.Tensor:
    module.zero_grad()
    queries, docs = [pair["query"] for pair in pairs], [pair["document"] for pair in pairs]
    encoding = module.prepare_input(queries, docs, [1] * len(pairs))["encoding"]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        scores = module.model.forward(encoding).scores
    weights = torch.tensor([1.0 + i % 3 for i in range(len(pairs))])
    (scores.float() * weights).sum().backward()
    return torch.cat([p.grad.flatten() for p in module.model.parameters() if p.grad is not None])


for name in ("mono-rank", "mono-head-64", "mono-mean"):
    module = CrossEncoderModule(model_name_or_path=str(REFERENCES / name))
    module.model.train()
    pairs = json.loads((REFERENCES / name / "expected.json").read_text())["pairs"]
    exact, mixed = (gradient(module, pairs, bf16) for bf16 in (False, True))
    print(name, ((mixed - exact).norm() / exact.norm()).item())
