"""Writes test/models/golden/saved-layout.json: what lightning-ir and transformers save, file by file and key by key.

Needs the virtual environment of make_references.py (sentence-transformers is not used):

    venv/bin/python scripts/references/saved_layout.py

One entry per case: `source`, the small files and the tensor shapes of the folder that is loaded; `overrides`, what is
changed, by our names; `saved`, the same of the folder that `save_pretrained` writes. Weights and vocabulary do not
matter here and are left out.
"""

import json
import tempfile
from pathlib import Path

import torch
import transformers
from lightning_ir import CrossEncoderModule
from lightning_ir.models import MonoConfig
from safetensors import safe_open
from transformers import (
    BertConfig,
    BertForPreTraining,
    BertForSequenceClassification,
    BertModel,
    BertTokenizerFast,
    ElectraConfig,
    ElectraForPreTraining,
    ElectraForSequenceClassification,
    ElectraModel,
    ElectraTokenizerFast,
)

OUT = Path(__file__).parents[2] / "test" / "checkpoint" / "golden" / "saved-layout.json"
VOCABULARY = Path(__file__).parents[2] / "test" / "golden" / "references" / "mono-electra" / "vocab.txt"
SIZES = dict(
    vocab_size=len(VOCABULARY.read_text().split()),
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=20,
    max_position_embeddings=64,
)
SMALL_FILES = ("config.json", "tokenizer_config.json", "special_tokens_map.json")
OUR_NAMES = dict(
    query_length="queryLength",
    doc_length="docLength",
    pooling_strategy="poolingStrategy",
    linear_bias="linearBias",
    scoring_strategy="scoringStrategy",
)


def describe(folder: Path) -> dict:
    entry = {"files": sorted(path.name for path in folder.iterdir())}
    for name in SMALL_FILES:
        if (folder / name).exists():
            entry[name] = json.loads((folder / name).read_text())
    with safe_open(folder / "model.safetensors", "pt") as file:
        entry["tensors"] = {name: file.get_slice(name).get_shape() for name in file.keys()}
    return entry


def backbone(folder: Path, model, tokenizer_class, **tokenizer) -> None:
    model.save_pretrained(folder)
    tokenizer_class(vocab_file=str(VOCABULARY), do_lower_case=True, **tokenizer).save_pretrained(folder)


def rewrite(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def only_sizes(folder: Path, **extra) -> None:
    """config.json as it was published years ago: hardly more than the sizes."""
    kept = ("architectures", "model_type", "embedding_size", *SIZES)

    def change(config: dict) -> None:
        for key in [key for key in config if key not in kept]:
            del config[key]
        config.update(extra)

    rewrite(folder / "config.json", change)


def case(name: str, make, save_step=None, **mono) -> dict:
    with tempfile.TemporaryDirectory() as source, tempfile.TemporaryDirectory() as saved:
        make(Path(source))
        module = CrossEncoderModule(model_name_or_path=source, config=MonoConfig(**mono))
        if save_step is not None:
            module.config.save_step = save_step  # as on_save_checkpoint does
        module.save_pretrained(saved)
        entry = {"name": name, "source": describe(Path(source))}
        entry["overrides"] = {OUR_NAMES[key]: value for key, value in mono.items()}
        return {**entry, "saveStep": save_step, "saved": describe(Path(saved))}


def classification(name: str, config, model_class, tokenizer_class) -> dict:
    with tempfile.TemporaryDirectory() as source, tempfile.TemporaryDirectory() as saved:
        backbone(Path(source), model_class(config), tokenizer_class)
        model_class.from_pretrained(source).save_pretrained(saved)
        tokenizer_class.from_pretrained(source).save_pretrained(saved)
        entry = {"name": name, "source": describe(Path(source)), "overrides": {}, "saveStep": None}
        return {**entry, "saved": describe(Path(saved))}


def main() -> None:
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    electra = lambda: ElectraConfig(**SIZES, embedding_size=16)  # noqa: E731
    bert = lambda: BertConfig(**SIZES)  # noqa: E731

    def published_electra(folder: Path) -> None:
        backbone(folder, ElectraForPreTraining(electra()), ElectraTokenizerFast, model_max_length=64)
        only_sizes(folder, torch_dtype="float32", _name_or_path="somewhere/else", summary_last_dropout=0.25, a_note=[1, 2])

    def published_bert(folder: Path) -> None:
        backbone(folder, BertForPreTraining(bert()), BertTokenizerFast, model_max_length=64)
        only_sizes(folder, hidden_dropout_prob=0.0, layer_norm_eps=1e-5)

    def mono_before(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as first:
            backbone(Path(first), ElectraModel(electra()), ElectraTokenizerFast)
            config = MonoConfig(query_length=8, doc_length=16, linear_bias=True)
            CrossEncoderModule(model_name_or_path=first, config=config).save_pretrained(folder)

    one_label = dict(num_labels=1)
    cases = [
        case("electra backbone", lambda f: backbone(f, ElectraModel(electra()), ElectraTokenizerFast)),
        case(
            "published electra",
            published_electra,
            query_length=None,
            doc_length=100,
            pooling_strategy="mean",
            linear_bias=True,
            scoring_strategy="mono",
        ),
        case("bert backbone", lambda f: backbone(f, BertModel(bert(), add_pooling_layer=False), BertTokenizerFast)),
        case("published bert", published_bert, pooling_strategy="bert_pool", save_step=7),
        case("mono model", mono_before, query_length=8, doc_length=24, linear_bias=True),
        classification(
            "electra classification",
            ElectraConfig(**SIZES, embedding_size=16, classifier_dropout=0.2, **one_label),
            ElectraForSequenceClassification,
            ElectraTokenizerFast,
        ),
        classification(
            "bert classification",
            BertConfig(**SIZES, id2label={0: "no", 1: "maybe", 2: "yes"}, label2id={"no": 0, "maybe": 1, "yes": 2}),
            BertForSequenceClassification,
            BertTokenizerFast,
        ),
    ]
    versions = f"lightning-ir 0.0.6, transformers {transformers.__version__}"
    lines = ",\n".join(json.dumps(entry) for entry in cases)
    OUT.write_text(f'{{"source": "{versions}", "cases": [\n{lines}\n]}}\n', encoding="utf8")


if __name__ == "__main__":
    main()
