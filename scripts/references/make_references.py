"""Writes test/golden/references/: small models in every form that we read, and what the original libraries compute.

Needs a virtual environment of its own (torch first: a later step would fetch another build of it):

    python3 -m venv venv
    venv/bin/pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu
    venv/bin/pip install 'transformers<5' lightning-ir==0.0.6 sentence-transformers
    venv/bin/python scripts/references/make_references.py

One folder per model, each with `expected.json`:
  source   the library that computed the scores
  options  what the test passes to loadCheckpoint
  pairs    query, document, input_ids, token_type_ids, score (float32, CPU)

All words are invented here (seeded); no text of any collection is used. lightning-ir 0.0.6 cannot read the config
generations before `mono` any more: those folders are made from a mono model by renaming keys of config.json and of
the weights (`rewrite_*` below), and keep the scores of that mono model. What the old code computed is the same:
https://github.com/webis-de/lightning-ir, lightning_ir/cross_encoder/{mono,model}.py of 2024 (a Linear with bias over the
first row of ElectraModel).
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from lightning_ir import CrossEncoderModule
from lightning_ir.models import MonoConfig
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizerFast,
    ElectraConfig,
    ElectraForSequenceClassification,
    ElectraModel,
    ElectraTokenizerFast,
)

SEED = 20270301
OUT = Path(__file__).parents[2] / "test" / "golden" / "references"
WHOLE = ("mono-rank", "bert-classification", "mono-pair-truncated")  # without links, so that `cp -r` copies a model

# --- text -----------------------------------------------------------------------------------------------------------

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SYLLABLES = ["ba", "ko", "ri", "ten", "mul", "va", "so", "lim", "gar", "eu", "pos", "dra"]


def make_vocabulary(rng: random.Random) -> list[str]:
    """Words of two or three syllables, then letters, digits and pieces, so that every word can be spelt."""
    words = set()
    while len(words) < 70:
        words.add("".join(rng.choice(SYLLABLES) for _ in range(rng.choice((2, 3)))))
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    pieces = ["##" + c for c in letters] + ["##" + s for s in SYLLABLES]
    return SPECIAL + list(".,;:!?'-()0123456789") + letters + pieces + sorted(words)


def make_pairs(rng: random.Random, vocabulary: list[str]) -> list[tuple[str, str]]:
    words = [w for w in vocabulary if w.isalpha() and len(w) > 1]

    def text(count: int) -> str:
        chosen = [rng.choice(words) for _ in range(count)]
        chosen[0] = chosen[0].capitalize()
        for i in range(2, count, 5):
            chosen[i] += rng.choice([",", ";", "'s", "-" + rng.choice(words), " (" + rng.choice(words) + ")"])
        return " ".join(chosen) + "."

    pairs = [(text(rng.randint(2, 5)), text(rng.randint(4, 14))) for _ in range(5)]
    pairs.append((text(3), text(90)))  # a document past every limit
    pairs.append((text(40), text(40)))  # both sides past it
    pairs.append(("", text(6)))
    pairs.append((text(3), ""))
    pairs.append(("Quixotic zzz 42 \u00e9t\u00e9?", "bakori don't; [SEP] x\u4e16y"))
    return pairs


# --- models ---------------------------------------------------------------------------------------------------------


def encoder_config(family: str, vocabulary: list[str], **changes):
    sizes = dict(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=20,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.3,
    )
    if family == "electra":
        return ElectraConfig(**{**sizes, "embedding_size": 16, **changes})
    return BertConfig(**{**sizes, **changes})


def roughen(model: torch.nn.Module) -> None:
    """Vectors off their defaults, so that a swapped LayerNorm or a forgotten bias shows."""
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=1.0 if name.endswith("LayerNorm.weight") else 0.0, std=0.1)


def save_tokenizer(family: str, vocabulary: list[str], folder: Path, limit: int | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf8")
    kwargs = {} if limit is None else {"model_max_length": limit}
    cls = ElectraTokenizerFast if family == "electra" else BertTokenizerFast
    cls(vocab_file=str(folder / "vocab.txt"), do_lower_case=True, **kwargs).save_pretrained(folder)
    (folder / "vocab.txt").unlink(missing_ok=True)  # tokenizer.json says the same


def mono_model(out: Path, vocabulary, family="electra", limit=64, encoder=None, again=True, **mono) -> CrossEncoderModule:
    """A lightning-ir cross-encoder from a random backbone, saved to `out` and loaded `again` from there."""
    mono = {"query_length": 8, "doc_length": 40, **mono}
    with tempfile.TemporaryDirectory() as backbone:
        model = (ElectraModel if family == "electra" else BertModel)(encoder_config(family, vocabulary, **(encoder or {})))
        roughen(model)
        model.save_pretrained(backbone)
        save_tokenizer(family, vocabulary, Path(backbone), limit)
        module = CrossEncoderModule(model_name_or_path=backbone, config=MonoConfig(**mono))
        torch.nn.init.normal_(module.model.linear.weight, std=0.3)
        if module.model.linear.bias is not None:
            torch.nn.init.normal_(module.model.linear.bias, mean=0.5, std=0.3)
        module.save_pretrained(out)
    (out / "vocab.txt").unlink(missing_ok=True)
    return CrossEncoderModule(model_name_or_path=str(out)) if again else module


def classification_model(out: Path, vocabulary, family: str, labels: list[str], limit=64, encoder=None) -> None:
    names = {i: label for i, label in enumerate(labels)}
    config = encoder_config(
        family, vocabulary, id2label=names, label2id={v: k for k, v in names.items()}, **(encoder or {})
    )
    cls = ElectraForSequenceClassification if family == "electra" else BertForSequenceClassification
    model = cls(config)
    roughen(model)
    model.save_pretrained(out)
    save_tokenizer(family, vocabulary, out, limit)


# --- expectations ---------------------------------------------------------------------------------------------------


def score_lightning_ir(module: CrossEncoderModule, pairs) -> list[dict]:
    module.eval().float()
    rows = []
    with torch.inference_mode():
        for query, document in pairs:
            encoding = module.prepare_input([query], [document], [1])["encoding"]
            rows.append(row(query, document, encoding, module.model.forward(encoding).scores[0]))
    return rows


def score_sentence_transformers(folder: Path, pairs, label: int = 0) -> list[dict]:
    model = CrossEncoder(str(folder), activation_fn=torch.nn.Identity(), device="cpu", local_files_only=True)
    rows = []
    for query, document in pairs:
        scores = torch.as_tensor(model.predict([(query, document)], show_progress_bar=False))[0].reshape(-1)
        rows.append(row(query, document, model.preprocess([(query, document)]), scores[label]))
    return rows


def row(query, document, encoding, score) -> dict:
    return {
        "query": query,
        "document": document,
        "input_ids": encoding["input_ids"][0].tolist(),
        "token_type_ids": encoding["token_type_ids"][0].tolist(),
        "score": score.item(),
    }


def write_expected(folder: Path, source: str, rows: list[dict], **options) -> None:
    head = json.dumps({"source": source, "options": options})[:-1]
    lines = ",\n".join(json.dumps(r) for r in rows)  # a line for each pair
    (folder / "expected.json").write_text(f'{head}, "pairs": [\n{lines}\n]}}\n', encoding="utf8")


# --- rewriting: older generations and other file formats ------------------------------------------------------------


def rewrite_config(folder: Path, set_keys: dict, drop: tuple = ()) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for key in drop:
        config.pop(key, None)
    config.update(set_keys)
    path.write_text(json.dumps(config, indent=2) + "\n")


def take_weights(folder: Path) -> dict[str, torch.Tensor]:
    path = folder / "model.safetensors"
    weights = load_file(path)
    path.unlink()
    return weights


def with_prefix(weights: dict, prefix: str) -> dict:
    """The backbone was a member of the first model classes; the head never was."""
    return {(k if k.startswith("linear.") else prefix + k): v for k, v in weights.items()}


def with_tensorflow_names(weights: dict) -> dict:
    return {
        k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
        for k, v in weights.items()
    }


def use_vocab_txt(folder: Path, vocabulary: list[str]) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf8")


# What configs of 2024 did not have. `query_length` and `doc_length` they had.
NEW_KEYS = (
    "_bert_pool",
    "adapter_config",
    "pretrained_adapter_name_or_path",
    "use_adapter",
    "scoring_strategy",
    "tokenizer_pattern",
    "dtype",
)


def main() -> None:
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    vocabulary = make_vocabulary(random.Random(SEED))
    pairs = make_pairs(random.Random(SEED + 1), vocabulary)
    if sys.argv[1:2] == ["--score-hub-id"]:  # a process of its own, because the cache folder is read at import
        print(json.dumps(score_lightning_ir(CrossEncoderModule(model_name_or_path=sys.argv[2]), pairs)))
        return
    only = set(sys.argv[1:])
    lightning = f"lightning-ir 0.0.6, transformers {transformers.__version__}, torch {torch.__version__}"
    import sentence_transformers

    st = f"sentence-transformers {sentence_transformers.__version__}, transformers {transformers.__version__}, torch {torch.__version__}"

    def fresh(name: str) -> Path | None:
        if only and name not in only:
            return None
        torch.manual_seed(SEED + sum(map(ord, name)))
        folder = OUT / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def mono(name: str, rewrite=None, **settings) -> None:
        folder = fresh(name)
        if folder is None:
            return
        rows = score_lightning_ir(mono_model(folder, vocabulary, **settings), pairs)
        if rewrite:
            rewrite(folder)
        write_expected(folder, lightning, rows)

    def classifier(name: str, label: int = 0, **settings) -> None:
        folder = fresh(name)
        if folder is None:
            return
        classification_model(folder, vocabulary, **settings)
        labels = settings["labels"]
        options = {"label": labels[label]} if len(labels) > 1 else {}
        write_expected(folder, st, score_sentence_transformers(folder, pairs, label), **options)

    def external(name: str, hub_id: str) -> None:
        """A published model of others that lightning-ir knows by its name: a hub cache with a small stand-in."""
        folder = fresh(name)
        if folder is None:
            return
        classification_model(folder, vocabulary, family="bert", labels=["no", "yes"])
        with tempfile.TemporaryDirectory() as cache:
            repo = Path(cache) / f"models--{hub_id.replace('/', '--')}"
            (repo / "refs").mkdir(parents=True)
            (repo / "refs" / "main").write_text("0" * 40)
            shutil.copytree(folder, repo / "snapshots" / ("0" * 40))
            command = [sys.executable, __file__, "--score-hub-id", hub_id]
            env = {**os.environ, "HF_HUB_CACHE": cache, "HF_HUB_OFFLINE": "1"}
            printed = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
        write_expected(folder, lightning, json.loads(printed.splitlines()[-1]), hubId=hub_id)

    # lightning-ir as it is now: heads, pooling, sizes
    mono("mono-rank")
    mono("mono-bias", linear_bias=True, encoder=dict(hidden_size=52))  # head size 26
    mono("mono-head-32", encoder=dict(num_attention_heads=1))
    mono("mono-head-64", encoder=dict(num_attention_heads=1, hidden_size=64, embedding_size=64))
    mono("mono-mean", pooling_strategy="mean")
    mono("mono-max", pooling_strategy="max")
    mono("mono-sum", pooling_strategy="sum", linear_bias=True)
    mono("mono-bert-pool", pooling_strategy="bert_pool")
    mono("mono-two-labels", scoring_strategy="mono", linear_bias=True)
    # transformers takes `bert_pool.` for the prefix `bert` and loads this head as random numbers: score the saved model
    bert_pool = dict(pooling_strategy="bert_pool", family="bert", again=False)
    mono("mono-two-labels-bert-pool", scoring_strategy="mono", linear_bias=True, **bert_pool)
    mono("mono-bert", family="bert", encoder=dict(hidden_act="gelu_new"))
    mono("mono-relu", encoder=dict(hidden_act="relu", layer_norm_eps=1e-5))
    mono("mono-pair-truncated", query_length=24, doc_length=64, limit=48)  # the pair too runs past model_max_length
    mono("mono-not-truncated", query_length=None, doc_length=None)

    # generations of config.json
    mono("mono-without-scoring-strategy", lambda f: rewrite_config(f, {}, ("scoring_strategy",)))

    def to_cross_encoder(folder: Path) -> None:
        names = {"model_type": "cross-encoder", "architectures": ["CrossEncoderElectraModel"]}
        rewrite_config(folder, names, NEW_KEYS)

    def to_first_cross_encoder(folder: Path) -> None:
        to_cross_encoder(folder)
        rewrite_config(folder, {}, ("linear_bias",))

    def to_mono_electra(architecture: str):
        def rewrite(folder: Path) -> None:
            names = {"model_type": "mono-electra", "architectures": [architecture]}
            rewrite_config(folder, names, (*NEW_KEYS, "linear_bias", "pooling_strategy", "backbone_model_type"))
            use_vocab_txt(folder, vocabulary)

        return rewrite

    def to_mono_electra_zip(folder: Path) -> None:
        to_mono_electra("MonoElectraModel")(folder)
        weights = with_prefix(take_weights(folder), "electra.")
        torch.save(weights, folder / "pytorch_model.bin")

    def to_flash_mono_electra(folder: Path) -> None:
        to_mono_electra("FlashMonoElectraModel")(folder)
        weights = with_prefix(take_weights(folder), "electra.")
        save_file(weights, folder / "model.safetensors", {"format": "pt"})

    mono("cross-encoder-bias", to_cross_encoder, linear_bias=True)
    mono("cross-encoder-no-bias", to_cross_encoder)
    mono("cross-encoder-no-bias-key", to_first_cross_encoder, linear_bias=True)  # only the file knows of the bias
    mono("mono-electra", to_mono_electra_zip, linear_bias=True)
    mono("flash-mono-electra", to_flash_mono_electra, linear_bias=True)

    # file formats
    def to_legacy(folder: Path) -> None:
        weights = with_tensorflow_names(with_prefix(take_weights(folder), "electra."))
        weights["electra.embeddings.position_ids"] = torch.arange(64)[None]
        weights["discriminator_predictions.dense.weight"] = torch.ones(2, 2)
        torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)

    def to_zip(folder: Path) -> None:
        torch.save({k: torch.nn.Parameter(v) for k, v in take_weights(folder).items()}, folder / "pytorch_model.bin")

    def to_shards(folder: Path) -> None:
        write_shards(folder, take_weights(folder), "model", "safetensors", save_file)

    def to_bin_shards(folder: Path) -> None:
        write_shards(folder, take_weights(folder), "pytorch_model", "bin", torch.save)

    mono("legacy-bin", to_legacy)
    mono("zip-bin", to_zip, family="bert")
    mono("sharded-safetensors", to_shards)
    mono("sharded-bin", to_bin_shards)
    for dtype in (torch.bfloat16, torch.float16):
        name = f"stored-as-{str(dtype).removeprefix('torch.')}"
        folder = fresh(name)
        if folder is not None:
            mono_model(folder, vocabulary)
            weights = {k: v.to(dtype) for k, v in take_weights(folder).items()}
            save_file(weights, folder / "model.safetensors", {"format": "pt"})
            module = CrossEncoderModule(model_name_or_path=str(folder), model_kwargs={"dtype": torch.float32})
            write_expected(folder, lightning, score_lightning_ir(module, pairs))

    # sequence classification, scored by sentence-transformers
    classifier("bert-classification", family="bert", labels=["LABEL_0"])
    classifier("bert-classification-limit", family="bert", labels=["LABEL_0"], limit=40)
    classifier("bert-classification-no-limit", family="bert", labels=["LABEL_0"], limit=None)  # 1e30 in the file
    classifier("electra-classification", family="electra", labels=["LABEL_0"])
    classifier("electra-classification-3", family="electra", labels=["bad", "fair", "good"], label=2)
    classifier("bert-classification-2", family="bert", labels=["no", "yes"], label=1)

    external("external-monobert", "castorini/monobert-large-msmarco")

    link_equal_files()
    size = sum(p.stat().st_size for p in OUT.rglob("*") if p.is_file())
    print(f"{len(list(OUT.iterdir()))} models, {size / 1e6:.2f} MB")


def link_equal_files() -> None:
    """Tokenizer files and configs are kept once; further folders link to them."""
    first = {}
    others = sorted(folder.name for folder in OUT.iterdir() if folder.name not in WHOLE)
    for name in (*WHOLE, *others):
        for file in sorted((OUT / name).glob("*.json")):
            source = first.setdefault((file.name, file.read_bytes()), file)
            if source is not file and name not in WHOLE and not file.is_symlink():
                file.unlink()
                file.symlink_to(f"../{source.parent.name}/{file.name}")


def write_shards(folder: Path, weights: dict, stem: str, suffix: str, save) -> None:
    names = sorted(weights)
    parts = [names[0::3], names[1::3], names[2::3]]
    weight_map = {}
    for i, part in enumerate(parts, 1):
        file = f"{stem}-{i:05}-of-{len(parts):05}.{suffix}"
        save({name: weights[name].clone() for name in part}, folder / file)
        weight_map.update({name: file for name in part})
    total = sum(w.numel() * w.element_size() for w in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
