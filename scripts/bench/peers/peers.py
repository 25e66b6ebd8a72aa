"""A Python peer's process: loads once, then answers each line of stdin with a line of JSON. The other end is worker.ts.

Argument: JSON of worker.ts's PeerOptions; `library` chooses one of LOADERS, `pairs` names a file with query, document,
inputIds, tokenTypeIds of each pair. Request: {"count": N, "batch": N}, the first N pairs in batches of that size. Answer:
{"seconds": s, "scores": [...]}, on a GPU also "peakGpuMiB"; or {"error": "..."}, after which the next one may go well.
"""

import json
import os
import sys
import time
from importlib.metadata import version

import numpy

# Dynamic shapes are compiled for whole classes of lengths; with few lengths recompilation ends in the warm-up.
COMPILED_LENGTHS = 16


def padded(pairs, multiple=1):
    """input_ids, attention_mask, token_type_ids: int64 [pairs, longest]; the longest is rounded up to `multiple`."""
    lengths = numpy.array([len(pair["inputIds"]) for pair in pairs])
    longest = -(-lengths.max() // multiple) * multiple
    filled = numpy.arange(longest) < lengths[:, None]
    inputs = {"attention_mask": filled.astype(numpy.int64)}
    for name, key in (("input_ids", "inputIds"), ("token_type_ids", "tokenTypeIds")):
        inputs[name] = numpy.zeros(filled.shape, dtype=numpy.int64)
        inputs[name][filled] = numpy.concatenate([pair[key] for pair in pairs])
    return inputs


def score_in_batches(pairs, size, by_length, run, join=numpy.concatenate, multiple=1):
    """Scores in the order of the pairs.

    `run` takes what `padded` makes and returns the batch's scores or what stands for them while a device computes; `join`
    makes one numpy array of all.
    """
    order = range(len(pairs))
    if by_length:
        order = sorted(order, key=lambda i: -len(pairs[i]["inputIds"]))
    cuts = [order[start : start + size] for start in range(0, len(pairs), size)]
    scores = numpy.empty(len(pairs), dtype=numpy.float32)
    scores[list(order)] = join([run(padded([pairs[i] for i in cut], multiple)) for cut in cuts])
    return scores


def torch_dtype(options):
    import torch

    torch.set_num_threads(options["threads"])
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[options["precision"]]


def load_transformers(options):
    """Ready token ids; bf16 has bf16 weights. `compiled` runs the model through torch.compile."""
    import torch
    from transformers import AutoModelForSequenceClassification

    dtype = torch_dtype(options)
    device = torch.device(options["device"])
    model = AutoModelForSequenceClassification.from_pretrained(options["folder"], dtype=dtype).to(device).eval()
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

    return score


def load_sentence_transformers(options):
    """CrossEncoder.predict on texts: it tokenizes and sorts by length itself. bf16 has bf16 weights."""
    import torch
    from sentence_transformers import CrossEncoder

    where = {"device": options["device"], "local_files_only": True}
    kwargs = {"model_kwargs": {"dtype": torch_dtype(options)}}
    model = CrossEncoder(options["folder"], activation_fn=torch.nn.Identity(), **where, **kwargs)

    def score(pairs, batch):
        texts = [(pair["query"], pair["document"]) for pair in pairs]
        # as a tensor: its way to numpy copies every score from the GPU by itself
        scores = model.predict(texts, batch_size=batch, show_progress_bar=False, convert_to_tensor=True)
        return scores.float().cpu().numpy()

    return score


def load_lightning_ir(options):
    """CrossEncoderModule.score on texts, in the order given; bf16 is Lightning's bf16-mixed: autocast."""
    import torch
    from lightning_ir import CrossEncoderModule

    dtype = torch_dtype(options)
    module = CrossEncoderModule(model_name_or_path=options["folder"]).eval()

    @torch.inference_mode()
    def score(pairs, batch):
        scores = []
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            for start in range(0, len(pairs), batch):
                chosen = pairs[start : start + batch]
                output = module.score([pair["query"] for pair in chosen], [[pair["document"]] for pair in chosen])
                scores.extend(output.scores.flatten().float().tolist())
        return scores

    return score


def load_onnxruntime(options):
    """Ready token ids; the files are make_models.py's."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options["threads"]
    settings.inter_op_num_threads = 1
    file = {"float32": "model.onnx", "int8": "model_quantized.onnx"}[options["precision"]]
    path = f"{options['folder']}/onnx/{file}"
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    run = lambda inputs: session.run(None, inputs)[0][:, 0]
    return lambda pairs, batch: score_in_batches(pairs, batch, options["sorted"], run)


# A loader returns a function of pairs and batch size that gives their scores, in the host's memory.
LOADERS = {
    "transformers": load_transformers,
    "sentence_transformers": load_sentence_transformers,
    "lightning_ir": load_lightning_ir,
    "onnxruntime": load_onnxruntime,
}


def answer(score, pairs, batch, cuda):
    if cuda:
        cuda.synchronize()
        cuda.reset_peak_memory_stats()
    try:
        start = time.perf_counter()
        scores = score(pairs, batch)
        found = {"seconds": time.perf_counter() - start, "scores": [float(value) for value in scores]}
    except Exception as error:  # a batch that does not fit into a GPU's memory
        found = {"error": f"{type(error).__name__}: {error}"}
    if cuda:
        found["peakGpuMiB"] = cuda.max_memory_allocated() / 2**20
        if "error" in found:
            cuda.empty_cache()
    return found


def main():
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not come between the answers
    options = json.loads(sys.argv[1])
    with open(options["pairs"], encoding="utf8") as file:
        pairs = json.load(file)
    for pair in pairs:
        for key in ("inputIds", "tokenTypeIds"):
            pair[key] = numpy.array(pair[key], dtype=numpy.int64)
    score = LOADERS[options["library"]](options)
    print(json.dumps({"version": version(options["library"].replace("_", "-"))}), file=answers)
    cuda = sys.modules["torch"].cuda if options["device"] == "cuda" else None
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(answer(score, pairs[: request["count"]], request["batch"], cuda)), file=answers)


if __name__ == "__main__":
    main()
