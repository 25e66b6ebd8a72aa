"""Writes test/train/golden/schedules.json: the rates that lightning-ir 0.0.6 and torch give an optimizer, step by step.

usage: python scripts/references/make_schedules.py

Needs lightning-ir==0.0.6. `rates` are what the optimizer's group holds when its step() is called.
"""

import json
import warnings
from pathlib import Path

import torch
from lightning_ir.schedulers import ConstantLRSchedulerWithLinearWarmup, LinearLRSchedulerWithLinearWarmup
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR

GOLDEN = Path(__file__).resolve().parents[2] / "test" / "train" / "golden"

CASES = [
    (LinearLRSchedulerWithLinearWarmup, {"num_warmup_steps": 5, "num_training_steps": 20}),
    (LinearLRSchedulerWithLinearWarmup, {"num_warmup_steps": 0, "num_training_steps": 7}),
    (LinearLRSchedulerWithLinearWarmup, {"num_warmup_steps": 3, "num_training_steps": 17, "final_value": 0.02}),
    (
        LinearLRSchedulerWithLinearWarmup,
        {"num_warmup_steps": 4, "num_training_steps": 16, "final_value": 0.1, "num_delay_steps": 3},
    ),
    (LinearLRSchedulerWithLinearWarmup, {"num_warmup_steps": 1000, "num_training_steps": 20}),
    (ConstantLRSchedulerWithLinearWarmup, {"num_warmup_steps": 6}),
    (ConstantLRSchedulerWithLinearWarmup, {"num_warmup_steps": 0}),
    (ConstantLRSchedulerWithLinearWarmup, {"num_warmup_steps": 7, "num_delay_steps": 2}),
    (LinearLR, {}),
    (LinearLR, {"start_factor": 1.0, "end_factor": 0.05, "total_iters": 13}),
    (LinearLR, {"start_factor": 0.25, "end_factor": 0.5, "total_iters": 1}),
    (ConstantLR, {}),
    (ConstantLR, {"factor": 0.7, "total_iters": 11}),
    (CosineAnnealingLR, {"T_max": 10}),
    (CosineAnnealingLR, {"T_max": 7, "eta_min": 1e-6}),
    (CosineAnnealingLR, {"T_max": 1, "eta_min": 1e-5}),
]
STEPS = 24


def rates(schedule, arguments, lr):
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.AdamW([parameter], lr=lr)
    scheduler = schedule(optimizer, **arguments)
    result = []
    for _ in range(STEPS):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return result


def main():
    warnings.filterwarnings("ignore", category=UserWarning)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    cases = []
    for i, (schedule, arguments) in enumerate(CASES):
        lr = (1e-5, 3e-4)[i % 2]
        cases.append({"name": schedule.__name__, "args": arguments, "lr": lr, "rates": rates(schedule, arguments, lr)})
    lines = ",\n".join(json.dumps(case) for case in cases)
    (GOLDEN / "schedules.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
