"""Writes what lightning-ir computes for ../shared/golden/training.json in full: every gradient of step 1 and every
parameter after ten AdamW steps, in float32 and in float64, for a deeper look than test/train/golden-training.test.ts takes.

  python scripts/references/make_training.py SHARED_FOLDER OUT_FOLDER

Needs lightning-ir 0.0.6 with transformers < 5. The float64 files tell whose rounding a difference is.
"""

import json
import sys
from pathlib import Path

import lightning_ir.loss as losses
import torch
from lightning_ir import CrossEncoderModule
from lightning_ir.base.model import LightningIROutput
from lightning_ir.data import TrainBatch
from safetensors.torch import save_file

shared, out = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
torch.set_num_threads(1)
golden = json.loads((shared / "golden/training.json").read_text())
queries = golden["queries"]
docs = [doc for id in queries for doc in golden["docs"][id]]


def train(run: dict, dtype: torch.dtype) -> None:
    module = CrossEncoderModule(model_name_or_path=str(shared / "golden/tiny-monoelectra"))
    module.model.to(dtype).train()
    optimizer = torch.optim.AdamW(module.model.parameters(), lr=run["lr"], weight_decay=run["weight_decay"])
    loss_function = getattr(losses, run["loss"])(**run["init_args"])
    targets = torch.tensor(run["targets"], dtype=dtype)
    batch = TrainBatch(
        queries=tuple(queries.values()),
        docs=tuple(tuple(golden["docs"][id]) for id in queries),
        query_ids=tuple(queries),
        doc_ids=None,
        targets=targets,
        qrels=None,
    )
    name = f"{run['loss']}.{str(dtype).removeprefix('torch.')}"
    for step in range(len(run["trace"])):
        optimizer.zero_grad()
        encoding = module.prepare_input(list(queries.values()), docs, [targets.shape[1]] * len(queries))["encoding"]
        scores = module.model.forward(encoding).scores.view(targets.shape)
        loss = loss_function.compute_loss(LightningIROutput(scores=scores), batch)
        loss.backward()
        if step == 0:
            gradients = {n: p.grad.clone() for n, p in module.model.named_parameters() if p.grad is not None}
            save_file(gradients, out / f"{name}.gradients.safetensors")
        optimizer.step()
    parameters = {n: p.detach().clone() for n, p in module.model.named_parameters()}
    save_file(parameters, out / f"{name}.parameters.safetensors")
    print(name, loss.item())


for run in golden["runs"]:
    for dtype in (torch.float32, torch.float64):
        train(run, dtype)
