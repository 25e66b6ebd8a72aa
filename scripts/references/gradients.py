"""Figures behind the tolerances of training tests; needs lightning-ir 0.0.6.

  python scripts/references/gradients.py bf16
      prints how far lightning-ir's own gradients under bf16 autocast are from those in float32: test/train/bf16.test.ts
      allows twice that.
  python scripts/references/gradients.py full SHARED OUT
      writes what it computes for SHARED/golden/training.json in full: every gradient of step 1 and every parameter after
      ten AdamW steps, in float32 and in float64, which tells whose rounding a difference is: a deeper look than
      test/train/golden-training.test.ts takes.
"""

import sys
from pathlib import Path

import torch
from common import TEST, compute_loss, read, train_batch
from lightning_ir import CrossEncoderModule
from safetensors.torch import save_file

REFERENCES = TEST / "golden" / "references"


def gradient(module: CrossEncoderModule, pairs: list[dict], bf16: bool) -> torch.Tensor:
    module.zero_grad()
    queries, docs = [pair["query"] for pair in pairs], [pair["document"] for pair in pairs]
    encoding = module.prepare_input(queries, docs, [1] * len(pairs))["encoding"]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        scores = module.model.forward(encoding).scores
    weights = torch.tensor([1.0 + i % 3 for i in range(len(pairs))])
    (scores.float() * weights).sum().backward()
    return torch.cat([p.grad.flatten() for p in module.model.parameters() if p.grad is not None])


def print_bf16() -> None:
    for name in ("mono-rank", "mono-head-64", "mono-mean"):
        module = CrossEncoderModule(model_name_or_path=str(REFERENCES / name))
        module.model.train()
        pairs = read(REFERENCES / name / "expected.json")["pairs"]
        exact, mixed = (gradient(module, pairs, bf16) for bf16 in (False, True))
        print(name, ((mixed - exact).norm() / exact.norm()).item())


def train(shared: Path, out: Path, golden: dict, run: dict, dtype: torch.dtype) -> None:
    module = CrossEncoderModule(model_name_or_path=str(shared / "golden/tiny-monoelectra"))
    module.model.to(dtype).train()
    optimizer = torch.optim.AdamW(module.model.parameters(), lr=run["lr"], weight_decay=run["weight_decay"])
    targets = torch.tensor(run["targets"], dtype=dtype)
    queries = list(golden["queries"].values())
    docs = [golden["docs"][id] for id in golden["queries"]]
    batch = train_batch(queries, docs, targets)
    name = f"{run['loss']}.{str(dtype).removeprefix('torch.')}"
    for step in range(len(run["trace"])):
        optimizer.zero_grad()
        encoding = module.prepare_input(queries, sum(docs, []), [targets.shape[1]] * len(queries))["encoding"]
        scores = module.model.forward(encoding).scores.view(targets.shape)
        loss = compute_loss(run["loss"], run["init_args"], scores, batch)
        loss.backward()
        if step == 0:
            gradients = {n: p.grad.clone() for n, p in module.model.named_parameters() if p.grad is not None}
            save_file(gradients, out / f"{name}.gradients.safetensors")
        optimizer.step()
    parameters = {n: p.detach().clone() for n, p in module.model.named_parameters()}
    save_file(parameters, out / f"{name}.parameters.safetensors")
    print(name, loss.item())


if __name__ == "__main__":
    if sys.argv[1:] == ["bf16"]:
        print_bf16()
    else:
        _, shared, out = map(Path, sys.argv[1:])
        out.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(1)
        golden = read(shared / "golden/training.json")
        for run in golden["runs"]:
            for dtype in (torch.float32, torch.float64):
                train(shared, out, golden, run, dtype)
