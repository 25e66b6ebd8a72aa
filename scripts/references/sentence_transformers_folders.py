"""Writes test/golden/sentence-transformers/: folders as sentence-transformers saves them, and what it computes with them.

Needs the environment of make_references.py, whose model `bert-classification` all of these are; run that first:
    venv/bin/python scripts/references/sentence_transformers_folders.py

Each folder has `expected.json`: `activation`, the function that predict() applies (a class of torch), and `pairs`:
query, document, input_ids, token_type_ids and the raw score. Those that this package refuses have none.
`max-seq-length`, `lower-case` and `tokenizer-args` have the keys that earlier versions wrote into
sentence_bert_config.json, which 5.7 still reads; `layout-3` and `layout-4` are the files of versions 3 and 4.
"""

import json
import os
import shutil
from pathlib import Path

import torch
from make_references import OUT as REFERENCES
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

BASE = REFERENCES / "bert-classification"
OUT = REFERENCES.parent / "sentence-transformers"
PAIRS = [(p["query"], p["document"]) for p in json.loads((BASE / "expected.json").read_text(encoding="utf8"))["pairs"]]


def save(name: str, model) -> Path:
    folder = OUT / name
    model.save(str(folder), create_model_card=False)
    return folder


def edit(folder: Path, file: str, **keys) -> None:
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf8")), **keys}, indent=2) + "\n", encoding="utf8")


def drop(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).unlink()


def write_expected(folder: Path) -> None:
    model = CrossEncoder(str(folder), device="cpu")
    rows = []
    for query, document in PAIRS:
        prompt = model._resolve_prompt(None, None)
        features = model.preprocess([(query, document)], prompt=prompt)
        types = features.get("token_type_ids", torch.zeros_like(features["input_ids"]))
        score = model.predict([(query, document)], activation_fn=torch.nn.Identity())[0]
        rows.append({"query": query, "document": document, "input_ids": features["input_ids"][0].tolist(),
                     "token_type_ids": types[0].tolist(), "score": float(score)})
    expected = {"activation": type(model.activation_fn).__name__, "pairs": rows}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n", encoding="utf8")


def link_equal_files() -> None:
    """Weights, configs and tokenizer files are kept once; further folders link to them. tokenizer.json has what vocab.txt has."""
    first = {(file.name, file.read_bytes()): file for file in BASE.iterdir()}
    for file in sorted(OUT.glob("**/*.*")):
        if file.name == "vocab.txt":
            file.unlink()
            continue
        file.chmod(0o644)
        source = first.setdefault((file.name, file.read_bytes()), file)
        if source is not file:
            file.unlink()
            file.symlink_to(os.path.relpath(source, file.parent))


def main() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    base = str(BASE)
    scored = [
        save("plain", CrossEncoder(base)),
        save("identity", CrossEncoder(base, activation_fn=torch.nn.Identity())),
        save("prompt", CrossEncoder(base, prompts={"query": "Bakori: ", "other": "x"}, default_prompt_name="query")),
        save("unused-prompt", CrossEncoder(base, prompts={"query": "Bakori: "})),
        save("processing-kwargs", CrossEncoder(modules=[Transformer(
            base, transformer_task="sequence-classification", processing_kwargs={"text": {"max_length": 20}, "common": {"padding": "longest"}})])),
        save("max-seq-length", CrossEncoder(base)),
        save("lower-case", CrossEncoder(base, processor_kwargs={"do_lower_case": False})),
        save("tokenizer-args", CrossEncoder(base)),
        save("layout-4", CrossEncoder(base)),
        save("layout-3", CrossEncoder(base)),
    ]
    edit(OUT / "max-seq-length", "sentence_bert_config.json", max_seq_length=22)
    edit(OUT / "lower-case", "sentence_bert_config.json", do_lower_case=True)
    edit(OUT / "tokenizer-args", "sentence_bert_config.json", tokenizer_args={"model_max_length": 18, "truncation_side": "left"})
    newer = ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json")
    drop(OUT / "layout-4", *newer)
    edit(OUT / "layout-4", "config.json", sentence_transformers={"activation_fn": "torch.nn.modules.activation.Sigmoid", "version": "4.1.0"})
    drop(OUT / "layout-3", *newer)
    edit(OUT / "layout-3", "config.json", sbert_ce_default_activation_function="torch.nn.modules.linear.Identity")
    for folder in scored:
        write_expected(folder)

    encoder = Transformer(base)
    pooling = Pooling(encoder.get_embedding_dimension())
    save("bi-encoder", SentenceTransformer(modules=[encoder, pooling, Dense(32, 8)]))
    features = Transformer(base, transformer_task="feature-extraction")
    save("cross-encoder-of-modules", CrossEncoder(modules=[features, Pooling(32), Dense(
        32, 1, activation_function=torch.nn.Identity(), module_input_name="sentence_embedding", module_output_name="scores")]))
    link_equal_files()


main()
