"""Writes test/models/golden/saved-layout.json: what lightning-ir and transformers save, file by file and key by key.

    venv/bin/python scripts/references/saved_layout.py

Of each case: `source`, the small files and the tensor shapes of the folder that is loaded; `overrides`, what is changed, by
our names; `saved`, the same of the folder that `save_pretrained` writes. Weights and vocabulary do not matter here: a source
is written again from its description, with tensors of zeros.
"""

import json
import tempfile
from pathlib import Path

import torch
import transformers
from common import TEST, read, write, write_lines
from lightning_ir import CrossEncoderModule
from lightning_ir.models import MonoConfig
from safetensors import safe_open
from safetensors.torch import save_file

GOLDEN = TEST / "models" / "golden" / "saved-layout.json"
VOCABULARY = TEST / "golden" / "references" / "mono-electra" / "vocab.txt"
SMALL_FILES = ("config.json", "tokenizer_config.json", "special_tokens_map.json")
THEIR_NAMES = {
    "queryLength": "query_length",
    "docLength": "doc_length",
    "poolingStrategy": "pooling_strategy",
    "linearBias": "linear_bias",
    "scoringStrategy": "scoring_strategy",
}


def describe(folder: Path) -> dict:
    entry = {"files": sorted(path.name for path in folder.iterdir())}
    entry.update({name: read(folder / name) for name in SMALL_FILES if (folder / name).exists()})
    with safe_open(folder / "model.safetensors", "pt") as file:
        entry["tensors"] = {name: file.get_slice(name).get_shape() for name in file.keys()}
    return entry


def write_source(folder: Path, source: dict) -> None:
    bert = source["config.json"].get("backbone_model_type", source["config.json"]["model_type"]) == "bert"
    tokenizer = transformers.BertTokenizerFast if bert else transformers.ElectraTokenizerFast
    tokenizer(vocab_file=str(VOCABULARY)).save_pretrained(folder)
    for name in SMALL_FILES:
        if name in source:
            write(folder / name, source[name])
    tensors = {name: torch.zeros(shape) for name, shape in source["tensors"].items()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def save_again(source: str, saved: str, case: dict) -> None:
    config = case["source"]["config.json"]
    if "ForSequenceClassification" in config["architectures"][0]:
        getattr(transformers, config["architectures"][0]).from_pretrained(source).save_pretrained(saved)
        transformers.AutoTokenizer.from_pretrained(source).save_pretrained(saved)
        return
    overrides = {THEIR_NAMES[name]: value for name, value in case["overrides"].items()}
    module = CrossEncoderModule(model_name_or_path=source, config=MonoConfig(**overrides))
    if case["saveStep"] is not None:
        module.config.save_step = case["saveStep"]  # as on_save_checkpoint does
    module.save_pretrained(saved)


def refreshed(case: dict) -> dict:
    with tempfile.TemporaryDirectory() as source, tempfile.TemporaryDirectory() as saved:
        write_source(Path(source), case["source"])
        save_again(source, saved, case)
        return {**case, "saved": describe(Path(saved))}


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    versions = f"lightning-ir 0.0.6, transformers {transformers.__version__}"
    cases = map(refreshed, read(GOLDEN)["cases"])
    write_lines(GOLDEN, cases, f'{{"source": {json.dumps(versions)}, "cases": [', "]}")
