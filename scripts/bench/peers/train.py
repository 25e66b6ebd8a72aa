"""Trains a peer on one batch again and again and prints its speed as JSON: the peers of scripts/bench/train.ts.

  python scripts/bench/peers/train.py lightning-ir|transformers MODEL SAMPLES PRECISION STEPS THREADS DEVICE

lightning-ir (0.0.6 with transformers < 5) takes Lightning's step: autocast for bf16-mixed, padded batch, AdamW.

transformers is the loop that a careful user writes in plain PyTorch for a GPU: token ids sorted by length and padded to the
longest of each micro-batch, autocast, fused AdamW, gradient caching (Gao et al. 2021) where a batch has several
micro-batches: all are scored without gradients, RankNet gives the gradient of the scores, and each is computed again for
its slice of it, with the dropout masks of the first time. The micro-batch is the fastest of a few sizes.
"""

import json
import resource
import sys
import time

import torch

SIZES = (64, 128, 256, 512, 1024)


class LightningIr:
    def __init__(self, folder, samples, bf16, device):
        from lightning_ir import CrossEncoderModule
        from lightning_ir.base.model import LightningIROutput
        from lightning_ir.data import TrainBatch
        from lightning_ir.loss import RankNet
        from lightning_ir.models import MonoConfig

        self.bf16 = bf16
        self.queries = [sample["query"] for sample in samples]
        self.docs = [doc for sample in samples for doc in sample["docs"]]
        self.targets = torch.tensor([sample["targets"] for sample in samples], dtype=torch.float32)
        batch = TrainBatch(
            queries=tuple(self.queries),
            docs=tuple(tuple(sample["docs"]) for sample in samples),
            query_ids=tuple(sample["queryId"] for sample in samples),
            doc_ids=None,
            targets=self.targets,
            qrels=None,
        )
        self.module = CrossEncoderModule(folder, config=MonoConfig(query_length=32, doc_length=256))
        self.module.model.train()
        self.optimizer = torch.optim.AdamW(self.module.parameters(), lr=1e-5)
        self.loss = lambda scores: RankNet().compute_loss(LightningIROutput(scores=scores), batch)

    def prepare(self):
        self.step()
        return {}

    def step(self):
        self.optimizer.zero_grad()
        counts = [self.targets.shape[1]] * len(self.queries)
        encoding = self.module.prepare_input(self.queries, self.docs, counts)["encoding"]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            loss = self.loss(self.module.model.forward(encoding).scores.view(self.targets.shape))
        loss.backward()
        self.optimizer.step()


class Transformers:
    def __init__(self, folder, samples, bf16, device):
        from transformers import AutoModel

        self.device = torch.device(device)
        self.bf16 = bf16
        self.encoder = AutoModel.from_pretrained(folder, dtype=torch.float32).to(self.device).train()
        self.head = torch.nn.Linear(self.encoder.config.hidden_size, 1, device=self.device)
        parameters = [*self.encoder.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, lr=1e-5, fused=True)
        self.targets = torch.tensor([sample["targets"] for sample in samples], device=self.device)
        self.pairs = [
            {"inputIds": ids, "tokenTypeIds": types}
            for sample in samples
            for ids, types in zip(sample["inputIds"], sample["tokenTypeIds"])
        ]
        self.order = sorted(range(len(self.pairs)), key=lambda i: -len(self.pairs[i]["inputIds"]))
        self.places = torch.tensor(self.order, device=self.device).argsort()
        self.steps = 0

    def prepare(self):
        """Chooses the fastest of the sizes that fit into memory; the last of them may be the whole batch."""
        best = None
        for size in (*[size for size in SIZES if size < len(self.pairs)], len(self.pairs)):
            if size > max(SIZES):
                break
            self.batches = self.micro_batches(size)
            try:
                self.step()  # what the first step of a shape builds
                found = seconds(self, 1)
            except torch.OutOfMemoryError:
                break
            if best is None or found < best[0]:
                best = found, size, self.batches
        _, size, self.batches = best
        return {"microBatch": size}

    def micro_batches(self, size):
        from peers import padded

        cuts = [self.order[start : start + size] for start in range(0, len(self.order), size)]
        batches = [padded([self.pairs[i] for i in cut]) for cut in cuts]
        pin = (lambda tensor: tensor.pin_memory()) if self.device.type == "cuda" else lambda tensor: tensor
        return [{name: pin(torch.from_numpy(value)) for name, value in batch.items()} for batch in batches]

    def scores(self, number, batch):
        torch.manual_seed(self.steps << 16 | number)  # both passes draw the same dropout masks
        inputs = {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            return self.head(self.encoder(**inputs).last_hidden_state[:, 0])[:, 0].float()

    def loss(self, scores):
        """RankNet: the mean over the pairs of a query's documents of which the first has the greater target."""
        scores, targets = scores[self.places].view(self.targets.shape), self.targets
        ordered = targets[:, :, None] > targets[:, None, :]
        return torch.nn.functional.softplus(scores[:, None, :] - scores[:, :, None])[ordered].mean()

    def step(self):
        self.optimizer.zero_grad()
        if len(self.batches) == 1:
            self.loss(self.scores(0, self.batches[0])).backward()
        else:
            with torch.no_grad():
                found = [self.scores(number, batch) for number, batch in enumerate(self.batches)]
            cached = torch.cat(found).requires_grad_()
            self.loss(cached).backward()
            slices = cached.grad.split([len(scores) for scores in found])
            for number, (batch, gradient) in enumerate(zip(self.batches, slices)):
                self.scores(number, batch).backward(gradient)
        self.optimizer.step()
        self.steps += 1


def seconds(training, steps):
    wait = torch.cuda.synchronize if torch.cuda.is_initialized() else lambda: None
    wait()
    start = time.perf_counter()
    for _ in range(steps):
        training.step()
    wait()
    return time.perf_counter() - start


def main():
    trainer, folder, samples_path, precision, steps, threads, device = sys.argv[1:]
    torch.set_num_threads(int(threads))
    with open(samples_path, encoding="utf8") as file:
        samples = json.load(file)
    peer = {"lightning-ir": LightningIr, "transformers": Transformers}[trainer]
    training = peer(folder, samples, precision.startswith("bf16"), device)
    chosen = training.prepare()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    pairs = sum(len(sample["docs"]) for sample in samples)
    rate = pairs * int(steps) / seconds(training, int(steps))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    print(json.dumps({"pairsPerSecond": rate, "peakMemoryMiB": peak, **chosen}))


if __name__ == "__main__":
    main()
