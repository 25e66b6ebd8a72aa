"""Hugging Face transformers on ready token ids; bf16 has bf16 weights. `compiled` runs it through torch.compile."""

import torch
import transformers
from batches import score_in_batches
from serve import serve

# Dynamic shapes are compiled for whole classes of lengths; with few lengths recompilation ends in the warm-up.
COMPILED_LENGTHS = 16


def load(options):
    torch.set_num_threads(options["threads"])
    device = torch.device(options["device"])
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[options["precision"]]
    model = transformers.AutoModelForSequenceClassification.from_pretrained(options["folder"], dtype=dtype)
    model = model.to(device).eval()
    forward = torch.compile(model, dynamic=True) if options["compiled"] else model
    multiple = COMPILED_LENGTHS if options["compiled"] else 1

    def on_device(values):
        tensor = torch.from_numpy(values)
        return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor

    def run(inputs):
        return forward(**{name: on_device(values) for name, values in inputs.items()}).logits[:, 0].float()

    @torch.inference_mode()
    def score(pairs, batch):
        # one copy to the host at the end: a GPU starts the next batch while the host pads the one after it
        join = lambda found: torch.cat(found).cpu().numpy()
        return score_in_batches(pairs, batch, options["sorted"], run, join, multiple)

    return transformers.__version__, score


serve(load)
