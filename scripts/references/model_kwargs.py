"""Writes test/golden/model-kwargs.json: scores of lightning-ir with `model_kwargs`, alone and beside `config`.

Needs the environment of make_references.py, whose model `mono-rank` is scored: venv/bin/python scripts/references/model_kwargs.py
Each case: `kwargs`, `config` (arguments of MonoConfig, or null) and a score for each pair of the model's expected.json.
"""

import json
from pathlib import Path

import torch
from lightning_ir import CrossEncoderModule
from lightning_ir.models import MonoConfig

GOLDEN = Path(__file__).parents[2] / "test" / "golden"
MODEL = GOLDEN / "references" / "mono-rank"
PAIRS = [(p["query"], p["document"]) for p in json.loads((MODEL / "expected.json").read_text(encoding="utf8"))["pairs"]]
CASES = [
    ({}, None), ({"doc_length": 8}, None), ({"query_length": None, "doc_length": None}, None), ({"pooling_strategy": "mean"}, None),
    ({"linear_bias": True}, None), ({"query_length": 2, "attn_implementation": "eager"}, None),
    ({"doc_length": 8}, {"doc_length": 20}), ({"pooling_strategy": "max"}, {"query_length": 4, "pooling_strategy": "sum"}),
]


def score(kwargs: dict, config: dict | None) -> list[float]:
    settings = None if config is None else MonoConfig(**config)
    module = CrossEncoderModule(model_name_or_path=str(MODEL), config=settings, model_kwargs=kwargs).eval()
    if kwargs.get("linear_bias"):
        assert float(module.model.linear.bias.detach()[0]) == 0
    scores = []
    with torch.inference_mode():
        for query, document in PAIRS:
            encoding = module.prepare_input([query], [document], [1])["encoding"]
            scores.append(module.model.forward(encoding).scores[0].item())
    return scores


cases = [{"kwargs": kwargs, "config": config, "scores": score(dict(kwargs), config)} for kwargs, config in CASES]
(GOLDEN / "model-kwargs.json").write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n", encoding="utf8")
