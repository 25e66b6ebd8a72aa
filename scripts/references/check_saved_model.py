"""Loads a model folder that rank-distillm saved with the original libraries and prints what they compute.

Needs a virtual environment with torch, 'transformers<5' and lightning-ir==0.0.6 (see common.py):

    venv/bin/python scripts/references/check_saved_model.py FOLDER PAIRS.jsonl [--label N] [--source FOLDER]

PAIRS has an object with "query" and "document" (or "doc") on each line. One JSON object a pair comes out:
  score              lightning-ir's CrossEncoderModule, float32 on the CPU; for a classification model the logit of
                     label N of transformers' AutoModelForSequenceClassification
  first_row          [hidden] first row of the last_hidden_state of transformers' own ElectraModel or BertModel
  score_from_hidden  pooling and head of the saved tensors on that last_hidden_state, in plain PyTorch (mono models)
  hidden_difference  largest difference of that last_hidden_state from the one inside lightning-ir's model (mono models)
  source_difference  largest difference from the last_hidden_state of the model in --source, where given
"""

import argparse
import json
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertModel, ElectraModel

BACKBONES = {"electra": ElectraModel, "bert": BertModel}


def load_backbone(folder: Path, family: str):
    """The encoder alone; a tensor of it that the folder lacks is an error, the head's are left over."""
    kwargs = {"add_pooling_layer": False} if family == "bert" else {}
    model, info = BACKBONES[family].from_pretrained(folder, output_loading_info=True, **kwargs)
    for key in ("missing_keys", "mismatched_keys"):
        if info[key]:
            raise SystemExit(f"{folder}: {BACKBONES[family].__name__} finds {key}: {info[key]}")
    return model.eval().float()


def head_score(hidden: torch.Tensor, config: dict, weights: dict) -> float:
    weights = {name.removeprefix("bert."): value for name, value in weights.items()}
    pooled = {
        "first": lambda: hidden[0],
        "mean": lambda: hidden.mean(0),
        "max": lambda: hidden.amax(0),
        "sum": lambda: hidden.sum(0),
    }[config["pooling_strategy"]]()
    if config["_bert_pool"]:
        pooled = torch.tanh(weights["bert_pool.0.weight"] @ pooled + weights["bert_pool.0.bias"])
    logits = weights["linear.weight"] @ pooled
    if config["linear_bias"]:
        logits = logits + weights["linear.bias"]
    return (torch.log_softmax(logits, 0)[1] if config["scoring_strategy"] == "mono" else logits[0]).item()


def mono_rows(folder: Path, config: dict, pairs):
    from lightning_ir import CrossEncoderModule

    module = CrossEncoderModule(model_name_or_path=str(folder)).eval().float()
    backbone = load_backbone(folder, config["backbone_model_type"])
    weights = load_file(folder / "model.safetensors")
    for query, document in pairs:
        encoding = module.prepare_input([query], [document], [1])["encoding"]
        hidden = backbone(**encoding).last_hidden_state[0]
        inside = module.model._backbone_forward(**encoding).last_hidden_state[0]
        yield encoding, hidden, {
            "score": module.model.forward(encoding).scores[0].item(),
            "score_from_hidden": head_score(hidden, config, weights),
            "hidden_difference": (hidden - inside).abs().max().item(),
        }


def classification_rows(folder: Path, config: dict, pairs, label: int):
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval().float()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    backbone = load_backbone(folder, config["model_type"])
    limit = min(tokenizer.model_max_length, config["max_position_embeddings"])
    for query, document in pairs:
        encoding = tokenizer(query, document, truncation=True, max_length=limit, return_tensors="pt")
        hidden = backbone(**encoding).last_hidden_state[0]
        yield encoding, hidden, {"score": model(**encoding).logits[0, label].item()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--label", type=int, default=0)
    parser.add_argument("--source", type=Path)
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    folder = arguments.folder
    config = json.loads((folder / "config.json").read_text(encoding="utf8"))
    lines = arguments.pairs.read_text(encoding="utf8").split("\n")  # not splitlines: texts may hold U+2028
    read = [json.loads(line) for line in lines if line]
    pairs = [(row["query"], row["document"] if "document" in row else row["doc"]) for row in read]
    is_mono = config["model_type"] == "mono"
    family = config["backbone_model_type" if is_mono else "model_type"]
    source = load_backbone(arguments.source, family) if arguments.source else None
    rows = mono_rows(folder, config, pairs) if is_mono else classification_rows(folder, config, pairs, arguments.label)
    with torch.inference_mode():
        for encoding, hidden, row in rows:
            row["first_row"] = hidden[0].tolist()
            if source is not None:
                there = source(**encoding).last_hidden_state[0]
                row["source_difference"] = (hidden - there).abs().max().item()
            print(json.dumps(row))


if __name__ == "__main__":
    main()
