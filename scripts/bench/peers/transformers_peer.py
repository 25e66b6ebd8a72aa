"""Hugging Face transformers on ready token ids; bf16 has bf16 weights."""

import torch
import transformers
from batches import score_in_batches
from serve import serve


def load(options):
    torch.set_num_threads(options["threads"])
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[options["precision"]]
    model = transformers.AutoModelForSequenceClassification.from_pretrained(options["folder"], dtype=dtype).eval()

    def run(inputs):
        return model(**{name: torch.from_numpy(value) for name, value in inputs.items()}).logits[:, 0].float().numpy()

    @torch.inference_mode()
    def score(pairs, batch):
        return score_in_batches(pairs, batch, options["sorted"], run)

    return transformers.__version__, score


serve(load)
