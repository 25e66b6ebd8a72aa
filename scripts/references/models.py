"""Writes `expected.json` beside the small models of test/golden, and test/golden/model-kwargs.json.

    venv/bin/python scripts/references/models.py [FOLDER ...]      # below test/golden; default: all

references/             every config generation, head, pooling, size and file format of BERT and ELECTRA
families/               the other encoder families; gradients.safetensors, too: the gradients of the sum over pairs of
                        (1 + i mod 3) * score of pair i, by transformers' names; nothing is dropped
sentence-transformers/  folders as versions 3 to 5.7 save them

expected.json holds `source`, the library that computed the scores; `options`, what the test passes to loadCheckpoint, or
`activation`, what predict() applies; and `pairs`: query, document, input_ids, token_type_ids, score (float32, CPU).

Models that lightning-ir saved are scored by it, others by sentence-transformers. lightning-ir 0.0.6 cannot read config
generations before `mono` any more, nor what transformers takes for a prefix: `as_mono` writes those anew in today's form. What
the old code computed is the same: https://github.com/webis-de/lightning-ir, lightning_ir/cross_encoder/{mono,model}.py of 2024.

To add a model, save it with its own library into a folder, with vectors off their defaults, so that a swapped LayerNorm or a
forgotten bias shows, add an expected.json with the queries and documents of another one, and run this.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

# read at import; published models have a small stand-in there
os.environ.update(HF_HUB_CACHE=tempfile.mkdtemp(), HF_HUB_OFFLINE="1")

import sentence_transformers
import torch
import transformers
from common import TEST, read, write_lines
from lightning_ir import CrossEncoderModule
from lightning_ir.models import MonoConfig
from safetensors.torch import load_file, save_file

GOLDEN = TEST / "golden"
TODAY = {"model_type": "mono", "architectures": ["MonoElectraModel"], "backbone_model_type": "electra"}
KWARGS_MODEL = GOLDEN / "references" / "mono-rank"


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """By the names that lightning-ir gives them today."""
    weights = {}
    for file in [*folder.glob("*.safetensors"), *folder.glob("*.bin")]:
        if file.name != "gradients.safetensors":
            weights.update(load_file(file) if file.suffix == ".safetensors" else torch.load(file))
    gone = ("position_ids", "discriminator_predictions")
    return {
        name.removeprefix("electra.").replace("gamma", "weight").replace("beta", "bias"): value.detach().float()
        for name, value in weights.items()
        if not any(word in name for word in gone)
    }


def as_mono(folder: Path) -> CrossEncoderModule:
    weights = weights_of(folder)
    config = read(folder / "config.json")
    if config["model_type"] != "mono":
        config.update(TODAY)
    config.update(linear_bias="linear.bias" in weights, dtype="float32")
    with tempfile.TemporaryDirectory() as name:
        for file in folder.iterdir():
            if file.suffix in (".json", ".txt") and "index" not in file.name:
                shutil.copy(file, name)
        Path(name, "config.json").write_text(json.dumps(config))
        save_file({k: v.clone() for k, v in weights.items()}, Path(name, "model.safetensors"), {"format": "pt"})
        module = CrossEncoderModule(model_name_or_path=name)
    # transformers takes `bert_pool.` for the prefix `bert` and loads that head as random numbers
    module.model.load_state_dict(weights, strict=False)
    return module


def cached(folder: Path, hub_id: str) -> str:
    repo = Path(os.environ["HF_HUB_CACHE"]) / f"models--{hub_id.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("0" * 40)
    shutil.copytree(folder, repo / "snapshots" / ("0" * 40))
    return hub_id


class LightningIr:
    source = f"lightning-ir 0.0.6, transformers {transformers.__version__}, torch {torch.__version__}"

    def __init__(self, module: CrossEncoderModule):
        self.module, self.model = module, module.model

    def encode(self, query: str, document: str):
        return self.module.prepare_input([query], [document], [1])["encoding"]

    def score(self, encoding) -> torch.Tensor:
        return self.model.forward(encoding).scores[0]


class SentenceTransformers:
    source = f"sentence-transformers {sentence_transformers.__version__}, {LightningIr.source.split(', ', 1)[1]}"

    def __init__(self, folder: Path, label: str | None):
        self.encoder = sentence_transformers.CrossEncoder(str(folder), device="cpu", local_files_only=True)
        self.model = self.encoder.model
        self.label = 0 if label is None else self.model.config.label2id[label]

    def encode(self, query: str, document: str):
        features = self.encoder.preprocess([(query, document)], prompt=self.encoder._resolve_prompt(None, None))
        return {name: value for name, value in features.items() if torch.is_tensor(value)}

    def score(self, encoding) -> torch.Tensor:
        return self.model(**encoding).logits[0, self.label]


def original(folder: Path, options: dict):
    if "hubId" in options:
        return LightningIr(CrossEncoderModule(model_name_or_path=cached(folder, options["hubId"])))
    if "ForSequenceClassification" in read(folder / "config.json")["architectures"][0]:
        return SentenceTransformers(folder, options.get("label"))
    return LightningIr(as_mono(folder))


def refresh(folder: Path) -> None:
    expected = read(folder / "expected.json")
    library = original(folder, expected.get("options", {}))
    library.model.eval().float().zero_grad()
    rows = []
    for i, pair in enumerate(expected["pairs"]):
        encoding = library.encode(pair["query"], pair["document"])
        value = library.score(encoding)
        (value * (1 + i % 3)).backward()
        ids = encoding["input_ids"][0].tolist()
        types = encoding["token_type_ids"][0].tolist() if "token_type_ids" in encoding else [0] * len(ids)
        rows.append({**pair, "input_ids": ids, "token_type_ids": types, "score": value.item()})
    if "activation" in expected:
        head = {"activation": type(library.encoder.activation_fn).__name__}
    else:
        head = {"source": library.source, "options": expected["options"]}
    write_lines(folder / "expected.json", rows, f'{json.dumps(head)[:-1]}, "pairs": [', "]}")
    gradients = folder / "gradients.safetensors"
    if gradients.exists():
        save_file({n: p.grad for n, p in library.model.named_parameters() if p.grad is not None}, gradients)


def with_kwargs(case: dict) -> dict:
    """Scores with `model_kwargs`, alone and beside `config` (arguments of MonoConfig, or null)."""
    settings = None if case["config"] is None else MonoConfig(**case["config"])
    kwargs = dict(case["kwargs"])
    module = CrossEncoderModule(model_name_or_path=str(KWARGS_MODEL), config=settings, model_kwargs=kwargs).eval()
    library = LightningIr(module)
    pairs = read(KWARGS_MODEL / "expected.json")["pairs"]
    return {**case, "scores": [library.score(library.encode(p["query"], p["document"])).item() for p in pairs]}


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    chosen = sys.argv[1:] or sorted(str(file.parent.relative_to(GOLDEN)) for file in GOLDEN.glob("*/*/expected.json"))
    for name in chosen:
        refresh(GOLDEN / name)
        print(name)
    if len(sys.argv) == 1:
        path = GOLDEN / "model-kwargs.json"
        write_lines(path, map(with_kwargs, read(path)))
