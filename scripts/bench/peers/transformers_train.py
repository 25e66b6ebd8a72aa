"""Trains transformers' encoder with a linear head and prints its speed as JSON: the peer of scripts/bench/train.ts on a GPU.

  python scripts/bench/peers/transformers_train.py MODEL SAMPLES PRECISION STEPS THREADS DEVICE

What a careful user writes in plain PyTorch: ready token ids sorted by length and padded to the longest of each micro-batch,
autocast for bf16-mixed, fused AdamW, gradient caching (Gao et al. 2021) where a batch has several micro-batches: all are
scored without gradients, RankNet gives the gradient of the scores, and each is computed again for its slice of it, with the
dropout masks of the first time. The size of a micro-batch is the fastest of a few.
"""

import json
import resource
import sys
import time

import torch
import transformers
from batches import padded

SIZES = (64, 128, 256, 512, 1024)


def rank_net(scores, targets):
    """Mean over the pairs of a query's documents of which the first has the greater target."""
    ordered = targets[:, :, None] > targets[:, None, :]
    return torch.nn.functional.softplus(scores[:, None, :] - scores[:, :, None])[ordered].mean()


class Training:
    def __init__(self, folder, samples, precision, device):
        self.device = torch.device(device)
        self.autocast = precision.startswith("bf16")
        self.encoder = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).to(self.device).train()
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

    def micro_batches(self, size):
        cuts = [self.order[start : start + size] for start in range(0, len(self.order), size)]
        batches = [padded([self.pairs[i] for i in cut]) for cut in cuts]
        tensors = [{name: torch.from_numpy(value) for name, value in batch.items()} for batch in batches]
        if self.device.type != "cuda":
            return tensors
        return [{name: value.pin_memory() for name, value in batch.items()} for batch in tensors]

    def scores(self, number, batch):
        torch.manual_seed(self.steps << 16 | number)  # both passes draw the same dropout masks
        inputs = {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.autocast):
            hidden = self.encoder(**inputs).last_hidden_state[:, 0]
            return self.head(hidden)[:, 0].float()

    def loss(self, scores):
        return rank_net(scores[self.places].view(self.targets.shape), self.targets)

    def step(self, batches):
        self.optimizer.zero_grad()
        if len(batches) == 1:
            loss = self.loss(self.scores(0, batches[0]))
            loss.backward()
        else:
            with torch.no_grad():
                found = [self.scores(number, batch) for number, batch in enumerate(batches)]
            cached = torch.cat(found).requires_grad_()
            loss = self.loss(cached)
            loss.backward()
            slices = cached.grad.split([len(scores) for scores in found])
            for number, (batch, gradient) in enumerate(zip(batches, slices)):
                self.scores(number, batch).backward(gradient)
        self.optimizer.step()
        self.steps += 1
        return loss.detach()

    def seconds(self, batches, steps):
        self.wait()
        start = time.perf_counter()
        for _ in range(steps):
            self.step(batches)
        self.wait()
        return time.perf_counter() - start

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def fastest(self):
        """Of the sizes that fit into memory; the last of them may be the whole batch."""
        best = None
        for size in (*[size for size in SIZES if size < len(self.pairs)], len(self.pairs)):
            if size > max(SIZES):
                break
            batches = self.micro_batches(size)
            try:
                self.seconds(batches, 1)  # what the first step of a shape builds
                seconds = self.seconds(batches, 1)
            except torch.OutOfMemoryError:
                break
            if best is None or seconds < best[0]:
                best = seconds, size, batches
        _, size, batches = best
        return size, batches

    def peak_mib(self):
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated() / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    folder, samples_path, precision, steps, threads, device = sys.argv[1:7]
    torch.set_num_threads(int(threads))
    with open(samples_path, encoding="utf8") as file:
        training = Training(folder, json.load(file), precision, device)
    size, batches = training.fastest()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = training.seconds(batches, int(steps))
    result = {"pairsPerSecond": len(training.pairs) * int(steps) / seconds, "peakMemoryMiB": training.peak_mib()}
    print(json.dumps({**result, "microBatch": size, "version": transformers.__version__}))


if __name__ == "__main__":
    main()
