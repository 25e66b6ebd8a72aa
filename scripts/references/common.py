"""What the makers of golden files share.

A golden file holds inputs and what the original library makes of them. The inputs are written by hand (or stand beside it, as
model folders and runs do); a maker reads the file, computes the rest again and writes it back: to add a case, add its inputs
and run the maker. All words are invented.

The makers need an environment of their own (torch first: a later step would fetch another build of it):

    python3 -m venv venv
    venv/bin/pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu
    venv/bin/pip install 'transformers<5' lightning-ir==0.0.6 sentence-transformers==5.7.0
    venv/bin/python scripts/references/models.py
"""

import json
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
TEST = ROOT / "test"


def read(path: Path):
    return json.loads(path.read_text(encoding="utf8"))


def write(path: Path, value, **style) -> None:
    path.write_text(json.dumps(value, **style) + "\n", encoding="utf8")


def write_lines(path: Path, items, head: str = "[", foot: str = "]") -> None:
    """A line for each item of a list."""
    lines = ",\n".join(json.dumps(item) for item in items)
    path.write_text(f"{head}\n{lines}\n{foot}\n", encoding="utf8")


def without(case: dict, *results: str) -> dict:
    """A case's inputs alone."""
    return {key: value for key, value in case.items() if key not in results}


def encoded_rows(encoding) -> list[list[str]]:
    """Token ids (separated by spaces) and token types (one digit each) of unpadded texts."""
    ids = encoding["input_ids"]
    types = encoding.get("token_type_ids") or [[0] * len(row) for row in ids]
    return [[" ".join(map(str, i)), "".join(map(str, t))] for i, t in zip(ids, types)]


def train_batch(queries, docs, targets):
    """A batch of lightning-ir: a text for each query, a list of texts for each."""
    from lightning_ir.data import TrainBatch

    ids = tuple(map(str, range(len(queries))))
    texts = tuple(map(tuple, docs))
    return TrainBatch(queries=tuple(queries), docs=texts, query_ids=ids, doc_ids=None, targets=targets, qrels=None)


def compute_loss(loss: str, arguments: dict, scores: torch.Tensor, batch):
    import lightning_ir.loss as losses
    from lightning_ir.base.model import LightningIROutput

    return getattr(losses, loss)(**arguments).compute_loss(LightningIROutput(scores=scores), batch)
