"""Trains lightning-ir on a batch again and again and prints its speed as JSON: the peer of scripts/bench/train.ts.

  python scripts/bench/peers/lightning_ir_train.py MODEL SAMPLES PRECISION STEPS THREADS

Needs lightning-ir 0.0.6 with transformers < 5. The step is Lightning's: autocast for bf16-mixed, padded batch, AdamW.
"""

import json
import resource
import sys
import time

import torch
from lightning_ir import CrossEncoderModule
from lightning_ir.base.model import LightningIROutput
from lightning_ir.data import TrainBatch
from lightning_ir.loss import RankNet
from lightning_ir.models import MonoConfig

model_path, samples_path, precision, steps, threads = sys.argv[1:6]
torch.set_num_threads(int(threads))
samples = json.load(open(samples_path))
queries = [sample["query"] for sample in samples]
docs = [doc for sample in samples for doc in sample["docs"]]
targets = torch.tensor([sample["targets"] for sample in samples], dtype=torch.float32)
batch = TrainBatch(
    queries=tuple(queries),
    docs=tuple(tuple(sample["docs"]) for sample in samples),
    query_ids=tuple(sample["queryId"] for sample in samples),
    doc_ids=None,
    targets=targets,
    qrels=None,
)
module = CrossEncoderModule(model_name_or_path=model_path, config=MonoConfig(query_length=32, doc_length=256))
module.model.train()
optimizer = torch.optim.AdamW(module.parameters(), lr=1e-5)
loss_function = RankNet()


def step() -> None:
    optimizer.zero_grad()
    encoding = module.prepare_input(queries, docs, [targets.shape[1]] * len(queries))["encoding"]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision.startswith("bf16")):
        scores = module.model.forward(encoding).scores.view(targets.shape)
        loss = loss_function.compute_loss(LightningIROutput(scores=scores), batch)
    loss.backward()
    optimizer.step()


step()
start = time.perf_counter()
for _ in range(int(steps)):
    step()
seconds = time.perf_counter() - start
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"pairsPerSecond": len(docs) * int(steps) / seconds, "peakMemoryMiB": memory}))
