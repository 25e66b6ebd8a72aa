"""Writes test/train/golden/trainer-runs.json: what Lightning's Trainer does, batch by batch, with a module of one weight;
and checkpoint-names.json: how its ModelCheckpoint formats names.

usage: python scripts/references/make_trainer_runs.py

Needs lightning==2.6.6. A run's trace is a list of words:

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

Metrics: `loss` is 1 / step; `val` takes the run's values, one per validation.
"""

import json
import logging
import tempfile
import warnings
from pathlib import Path

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch.utils.data import DataLoader

GOLDEN = Path(__file__).resolve().parents[2] / "test" / "train" / "golden"
VALUES = [0.5, 0.4, 0.45, 0.4, 0.3, 0.6, 0.35, 0.2, 0.25, 0.7]

T = "trainer"
C = "checkpoint"
E = "early_stopping"
RUNS = [
    # how long
    {T: {"max_epochs": 2}},
    {T: {"max_epochs": 2, "accumulate_grad_batches": 4}},
    {T: {"max_steps": 7}},
    {T: {"max_steps": 7, "accumulate_grad_batches": 3}},
    {T: {"max_steps": 50, "max_epochs": 1}},
    {T: {"max_steps": 0}},
    {T: {"max_epochs": 0}},
    {T: {"max_epochs": 2, "limit_train_batches": 3}},
    {T: {"max_epochs": 1, "limit_train_batches": 300}},
    {T: {"max_epochs": 2, "limit_train_batches": 0.55}},
    {T: {"max_epochs": 2, "limit_train_batches": 1.0, "max_steps": 12}},
    {T: {"max_epochs": 2, "limit_train_batches": 1}},
    {T: {"max_epochs": 1, "limit_train_batches": 0.05}},
    {T: {"max_epochs": 1, "limit_train_batches": 0}},
    {T: {"max_epochs": 1, "limit_train_batches": 5, "accumulate_grad_batches": 7}},
    # when it validates
    {T: {"max_epochs": 2}, "val": [3]},
    {T: {"max_epochs": 2}, "val": [3, 2]},
    {T: {"max_epochs": 2, "num_sanity_val_steps": 0}, "val": [3, 2]},
    {T: {"max_epochs": 1, "num_sanity_val_steps": -1}, "val": [3, 1]},
    {T: {"max_epochs": 1, "limit_val_batches": 2}, "val": [3, 1]},
    {T: {"max_epochs": 1, "limit_val_batches": 0.5}, "val": [4, 2]},
    {T: {"max_epochs": 1, "limit_val_batches": 0.4}, "val": [3, 2]},
    {T: {"max_epochs": 1, "limit_val_batches": 0.2}, "val": [3]},
    {T: {"max_epochs": 1, "limit_val_batches": 0}, "val": [3]},
    {T: {"max_epochs": 2, "val_check_interval": 4}, "val": [1]},
    {T: {"max_epochs": 2, "val_check_interval": 0.25}, "val": [1]},
    {T: {"max_epochs": 1, "val_check_interval": 0.01}, "val": [1]},
    {T: {"max_epochs": 1, "val_check_interval": 1}, "val": [1]},
    {T: {"max_epochs": 2, "val_check_interval": 11}, "val": [1]},
    {T: {"max_epochs": 3, "val_check_interval": 11, "check_val_every_n_epoch": None}, "val": [1]},
    {T: {"max_epochs": 2, "val_check_interval": 0.5, "check_val_every_n_epoch": None}, "val": [1]},
    {T: {"max_epochs": 5, "check_val_every_n_epoch": 2}, "val": [1]},
    {T: {"max_epochs": 4, "check_val_every_n_epoch": 2, "val_check_interval": 5}, "val": [1]},
    {T: {"max_steps": 6, "accumulate_grad_batches": 3, "val_check_interval": 5}, "val": [1]},
    {T: {"max_steps": 4}, "val": [1]},
    # checkpoints
    {T: {"max_epochs": 3}, C: {}},
    {T: {"max_epochs": 3}, "val": [1], C: {}},
    {T: {"max_steps": 14}, C: {}},
    {T: {"max_steps": 14}, C: {"every_n_train_steps": 5}},
    {T: {"max_steps": 14}, C: {"every_n_train_steps": 5, "save_top_k": -1}},
    {T: {"max_steps": 10}, C: {"every_n_train_steps": 5, "save_top_k": 0}},
    {T: {"max_steps": 8, "accumulate_grad_batches": 3}, C: {"every_n_train_steps": 2}},
    {T: {"max_epochs": 4}, C: {"every_n_epochs": 2}},
    {T: {"max_epochs": 4}, C: {"every_n_epochs": 0, "save_last": True}},
    {T: {"max_epochs": 3}, "val": [1], C: {"save_last": True}},
    {T: {"max_steps": 14}, C: {"every_n_train_steps": 5, "save_last": True}},
    {T: {"max_steps": 14}, C: {"every_n_train_steps": 5, "save_last": True, "save_top_k": 0}},
    {T: {"max_epochs": 5}, "val": [1], C: {"monitor": "val"}},
    {T: {"max_epochs": 8}, "val": [1], C: {"monitor": "val", "save_top_k": 2}},
    {T: {"max_epochs": 8}, "val": [1], C: {"monitor": "val", "save_top_k": 3, "mode": "max", "save_last": True}},
    {T: {"max_epochs": 4}, "val": [1], C: {"monitor": "val", "save_top_k": -1}},
    {T: {"max_epochs": 4}, "val": [1], C: {"monitor": "step", "mode": "max", "save_top_k": 2}},
    {T: {"max_epochs": 3, "val_check_interval": 4}, "val": [1], C: {"monitor": "val", "save_top_k": 2}},
    {T: {"max_epochs": 3, "val_check_interval": 4}, "val": [1], C: {}},
    {T: {"max_epochs": 6, "check_val_every_n_epoch": 2}, "val": [1], C: {"monitor": "val"}},
    {T: {"max_epochs": 6, "check_val_every_n_epoch": 2}, "val": [1], C: {"every_n_epochs": 3}},
    {T: {"max_steps": 29}, "val": [1], C: {"monitor": "loss", "every_n_train_steps": 3, "save_top_k": 2}},
    {T: {"max_epochs": 3}, "val": [1], C: {"monitor": "loss", "mode": "max", "every_n_train_steps": 4}},
    {T: {"max_epochs": 2, "val_check_interval": 5}, "val": [1], C: {"monitor": "val", "every_n_train_steps": 4}},
    {
        T: {"max_epochs": 3, "val_check_interval": 5},
        "val": [1],
        C: {"monitor": "val", "every_n_train_steps": 4, "save_top_k": 2, "save_last": True},
        "values": [0.5, 0.4, 0.3, 0.2, 0.1, 0.6],
    },
    {
        T: {"max_epochs": 4},
        "val": [1],
        C: {"monitor": "val", "save_top_k": 2, "filename": "{epoch:02d}-{val:.2f}-{other}"},
    },
    {T: {"max_steps": 4}, "val": [1], C: {"monitor": "val"}},
    {T: {"max_epochs": 2}, "val": [1], C: {"monitor": "missing"}},
    {T: {"max_epochs": 2}, "val": [1], C: {"save_top_k": 3}},
    {T: {"max_epochs": 2}, "val": [1], C: {"every_n_epochs": 1, "every_n_train_steps": 2}},
    {T: {"max_epochs": 5}, "val": [1], C: {"monitor": "val"}, "values": [float("nan"), 0.5, float("nan"), 0.4, 0.3]},
    {T: {"max_epochs": 3}, "val": [1], C: {"monitor": "val", "save_on_train_epoch_end": False, "save_top_k": 2}},
    {T: {"max_epochs": 2}, C: {"save_on_train_epoch_end": False}},
    {T: {"max_epochs": 3, "val_check_interval": 4}, "val": [1], C: {"save_on_train_epoch_end": True}},
    {
        T: {"max_epochs": 3, "val_check_interval": 4},
        "val": [1],
        C: {"monitor": "val", "save_on_train_epoch_end": True, "save_top_k": 2, "save_last": True},
    },
    {T: {"max_epochs": 5, "check_val_every_n_epoch": 2}, "val": [1], C: {"save_on_train_epoch_end": True, "save_top_k": -1}},
    {T: {"max_steps": 14, "val_check_interval": 4}, "val": [1], C: {"save_on_train_epoch_end": True, "save_top_k": -1}},
    # early stopping
    {T: {"max_epochs": 9}, "val": [1], E: {"monitor": "val"}},
    {T: {"max_epochs": 9}, "val": [1], E: {"monitor": "val", "patience": 1}},
    {T: {"max_epochs": 9}, "val": [1], E: {"monitor": "val", "mode": "max", "patience": 2}},
    {T: {"max_epochs": 9}, "val": [1], E: {"monitor": "val", "min_delta": 0.15, "patience": 2}},
    {T: {"max_epochs": 9}, "val": [1], E: {"monitor": "val", "stopping_threshold": 0.42}},
    {T: {"max_epochs": 9}, "val": [1], E: {"monitor": "val", "divergence_threshold": 0.55, "patience": 5}},
    {T: {"max_epochs": 9}, "val": [1], E: {"monitor": "val", "mode": "max", "divergence_threshold": 0.42, "patience": 5}},
    {T: {"max_epochs": 9, "val_check_interval": 5}, "val": [1], E: {"monitor": "val", "patience": 2, "min_delta": 0.06}},
    {T: {"max_epochs": 9}, "val": [1], E: {"monitor": "val"}, "values": [0.5, float("nan"), 0.1]},
    {T: {"max_epochs": 3}, "val": [1], E: {"monitor": "val", "check_finite": False}, "values": [0.5, float("nan"), 0.1]},
    {T: {"max_epochs": 2}, "val": [1], E: {"monitor": "missing"}},
    {T: {"max_epochs": 2}, "val": [1], E: {"monitor": "missing", "strict": False}},
    {T: {"max_epochs": 3}, E: {"monitor": "loss", "mode": "max", "patience": 2}},
    {T: {"max_epochs": 9}, "val": [1], C: {"monitor": "val"}, E: {"monitor": "val", "patience": 2}},
    {T: {"max_epochs": 9}, "val": [1], E: {"monitor": "val", "patience": 2, "check_on_train_epoch_end": False}},
    {
        T: {"max_epochs": 9, "val_check_interval": 4},
        "val": [1],
        E: {"monitor": "val", "patience": 1, "check_on_train_epoch_end": True},
    },
    {
        T: {"max_epochs": 9, "check_val_every_n_epoch": 2},
        "val": [1],
        E: {"monitor": "loss", "mode": "max", "patience": 3, "check_on_train_epoch_end": True},
    },
    {
        T: {"max_epochs": 4, "val_check_interval": 4},
        "val": [1],
        C: {"save_on_train_epoch_end": True, "save_top_k": -1},
        E: {"monitor": "val", "mode": "max", "patience": 2},
    },
]

NAMES = [
    (None, True),
    ("{epoch:03d}_{loss:.2f}", True),
    ("m-{a/nDCG@10:.3f}", True),
    ("{loss:.1e}-{tiny:.2e}", True),
    ("{loss:.3g}-{tiny:.3g}-{step:.2g}-{tenth:g}-{thousand:.6g}", True),
    ("{loss:.1%}-{loss:f}-{missing}-{missing:.1f}", True),
    ("{minus:06.1f}-{minus:7.1f}-{step:6d}", True),
    ("{nan:.2f}-{infinite:.1f}", True),
    ("{epoch}{epoch}", True),
    ("e{epoch}-l{loss:.3f}", False),
    ("plain", True),
    ("epoch={epoch}", True),
]
VALUES_OF_NAMES = {
    "epoch": 2,
    "step": 1234,
    "loss": 0.123456,
    "a/nDCG@10": 0.7156,
    "tiny": 1.5e-7,
    "tenth": 0.1,
    "thousand": 1000.0,
    "minus": -2.3,
    "nan": float("nan"),
    "infinite": float("-inf"),
}


def names():
    values = {name: torch.tensor(v, dtype=None if isinstance(v, int) else torch.float64) for name, v in VALUES_OF_NAMES.items()}
    for template, insert in NAMES:
        callback = ModelCheckpoint(filename=template, auto_insert_metric_name=insert)
        name = callback.format_checkpoint_name(dict(values)).removesuffix(".ckpt")
        yield {"template": template, "insert": insert, "name": name}


class Module(LightningModule):
    def __init__(self, run, trace):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.values = run.get("values", VALUES)
        self.trace = trace
        self.validations = 0
        self.counts = []

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
            self.log("val", torch.tensor(self.values[self.validations], dtype=torch.float64))
            self.validations += 1


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


def play(run, folder):
    trace = []
    module = Module(run, trace)
    result = dict(run)
    try:
        callbacks = [Steps()]
        if E in run:
            callbacks.append(Stopping(**run[E]))
            callbacks[-1].trace = trace
        if C in run:
            callbacks.append(Checkpoint(dirpath=folder, **run[C]))
        trainer = Trainer(
            accelerator="cpu",
            logger=False,
            enable_checkpointing=C in run,
            enable_progress_bar=False,
            enable_model_summary=False,
            log_every_n_steps=1,
            callbacks=callbacks,
            **run[T],
        )
        loaders = [DataLoader(torch.zeros(n), batch_size=1) for n in run.get("val", [])]
        # 19 samples by 2: 10 batches
        trainer.fit(module, DataLoader(torch.zeros(19), batch_size=2), loaders or None)
        result["total_steps"] = trainer.estimated_stepping_batches if trainer.num_training_batches else 0
    except Exception as error:
        trace.append("error")
        print(f"{json.dumps(run)}: {type(error).__name__}: {str(error)[:120]}")
    result["trace"] = " ".join(trace)
    return result


def main():
    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    (GOLDEN / "checkpoint-names.json").write_text("[\n" + ",\n".join(json.dumps(name) for name in names()) + "\n]\n")
    lines = []
    for run in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            # JSON has no NaN: null
            lines.append(json.dumps(play(run, folder)).replace("NaN", "null"))
    (GOLDEN / "trainer-runs.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
