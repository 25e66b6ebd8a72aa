"""Writes test/train/golden: what Lightning's Trainer does, how its ModelCheckpoint formats names, and the rates of schedules.

usage: python scripts/references/train.py

Needs lightning==2.6.6 and lightning-ir==0.0.6. trainer-runs.json has the Trainer play each run, batch by batch, with a module
of one weight. A trace is a list of words:

    S2+1        validation before training: batches of each dataset
    .           a batch whose gradient is kept
    s           a batch with an optimizer step
    V3+2        validation: batches of each dataset
    E           end of an epoch
    +NAME       a checkpoint is saved
    -NAME       a checkpoint is removed
    last=STEP   last.ckpt is saved at this step
    stop        early stopping ends the run
    error       Lightning raises

Metrics: `loss` is 1 / step; `val` takes the run's values, one per validation (null is NaN). schedules.json holds what the
optimizer's group holds when its step() is called.
"""

import json
import logging
import tempfile
import warnings
from pathlib import Path

import torch
from common import TEST, read, without, write_lines
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning_ir import schedulers
from torch.utils.data import DataLoader

GOLDEN = TEST / "train" / "golden"
VALUES = [0.5, 0.4, 0.45, 0.4, 0.3, 0.6, 0.35, 0.2, 0.25, 0.7]
# what checkpoint-names.json formats; test/train/checkpoint-keeper.test.ts has them, too
VALUES_OF_NAMES = {
    **{"epoch": 2, "step": 1234, "loss": 0.123456, "a/nDCG@10": 0.7156, "tiny": 1.5e-7, "tenth": 0.1},
    **{"thousand": 1000.0, "minus": -2.3, "nan": float("nan"), "infinite": float("-inf")},
}


class Module(LightningModule):
    def __init__(self, values, trace):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.values = iter(values)
        self.trace = trace

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def training_step(self, batch):
        self.log("loss", torch.tensor(1 / (self.global_step + 1), dtype=torch.float64))
        return self.weight.sum()

    def on_train_batch_start(self, batch, batch_idx):
        self.step_before = self.global_step

    def on_validation_epoch_start(self):
        self.counts = {}

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        self.counts[dataloader_idx] = self.counts.get(dataloader_idx, 0) + 1

    def on_validation_epoch_end(self):
        word = "S" if self.trainer.sanity_checking else "V"
        self.trace.append(word + "+".join(str(count) for count in self.counts.values()))
        if not self.trainer.sanity_checking:
            self.log("val", torch.tensor(next(self.values), dtype=torch.float64))


class Steps(Callback):
    """Runs before the checkpoint callback, which Lightning puts at the end."""

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        module.trace.append("s" if trainer.global_step > module.step_before else ".")

    def on_train_epoch_end(self, trainer, module):
        module.trace.append("E")


class Checkpoint(ModelCheckpoint):
    def _save_checkpoint(self, trainer, filepath):
        super()._save_checkpoint(trainer, filepath)
        name = Path(filepath).stem
        trainer.lightning_module.trace.append(f"last={trainer.global_step}" if name == "last" else f"+{name}")

    def _remove_checkpoint(self, trainer, filepath):
        super()._remove_checkpoint(trainer, filepath)
        trainer.lightning_module.trace.append(f"-{Path(filepath).stem}")


class Stopping(EarlyStopping):
    def _evaluate_stopping_criteria(self, current):
        should_stop, reason = super()._evaluate_stopping_criteria(current)
        if should_stop:
            self.trace.append("stop")
        return should_stop, reason


def play(case: dict, folder: str) -> dict:
    run = without(case, "total_steps", "trace")
    trace = []
    module = Module([float("nan") if v is None else v for v in run.get("values", VALUES)], trace)
    callbacks = [Steps()]
    try:
        if "early_stopping" in run:
            callbacks.append(Stopping(**run["early_stopping"]))
            callbacks[-1].trace = trace
        if "checkpoint" in run:
            callbacks.append(Checkpoint(dirpath=folder, **run["checkpoint"]))
        quiet = dict(logger=False, enable_progress_bar=False, enable_model_summary=False)
        trainer = Trainer(
            accelerator="cpu",
            enable_checkpointing="checkpoint" in run,
            log_every_n_steps=1,
            callbacks=callbacks,
            **quiet,
            **run["trainer"],
        )
        loaders = [DataLoader(torch.zeros(n), batch_size=1) for n in run.get("val", [])]
        # 19 samples by 2: 10 batches
        trainer.fit(module, DataLoader(torch.zeros(19), batch_size=2), loaders or None)
        run["total_steps"] = trainer.estimated_stepping_batches if trainer.num_training_batches else 0
    except Exception as error:
        trace.append("error")
        print(f"{json.dumps(run)}: {type(error).__name__}: {str(error)[:120]}")
    return {**run, "trace": " ".join(trace)}


def name_of(case: dict) -> dict:
    as_logged = {k: torch.tensor(v, dtype=None if isinstance(v, int) else torch.float64) for k, v in VALUES_OF_NAMES.items()}
    callback = ModelCheckpoint(filename=case["template"], auto_insert_metric_name=case["insert"])
    return {**case, "name": callback.format_checkpoint_name(as_logged).removesuffix(".ckpt")}


def rates_of(case: dict) -> dict:
    schedule = getattr(schedulers, case["name"], None) or getattr(torch.optim.lr_scheduler, case["name"])
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))], lr=case["lr"])
    scheduler = schedule(optimizer, **case["args"])
    rates = []
    for _ in range(24):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return {**case, "rates": rates}


def main() -> None:
    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)
    for name, compute in (("checkpoint-names", name_of), ("schedules", rates_of)):
        path = GOLDEN / f"{name}.json"
        write_lines(path, map(compute, read(path)))
    played = []
    for case in read(GOLDEN / "trainer-runs.json"):
        with tempfile.TemporaryDirectory() as folder:
            played.append(play(case, folder))
    write_lines(GOLDEN / "trainer-runs.json", played)


if __name__ == "__main__":
    main()
