"""Writes test/golden/families/: small models of encoder families other than BERT and ELECTRA, with transformers' scores
and gradients.

Needs the virtual environment of make_references.py:

    venv/bin/python scripts/references/make_families.py

One folder per model, as transformers or lightning-ir saves it, with two more files:
  expected.json          as make_references.py writes it
  gradients.safetensors  of Σ (1 + i mod 3) · score of pair i, by transformers' names; nothing is dropped

All words are invented there (seeded); no text of any collection is used.
"""

import random
import shutil
import tempfile
from pathlib import Path

import torch
import transformers
from lightning_ir import CrossEncoderModule
from lightning_ir.models import MonoConfig
from make_references import SEED, make_pairs, make_vocabulary, write_expected
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertModel,
    DistilBertTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
    RobertaModel,
    RobertaTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaTokenizerFast,
)

OUT = Path(__file__).parents[2] / "test" / "golden" / "families"
VOCABULARY = make_vocabulary(random.Random(SEED))
PAIRS = make_pairs(random.Random(SEED + 1), VOCABULARY)
TEXTS = [text for pair in PAIRS for text in pair] + [word for word in VOCABULARY if word.isalpha()]
# RoBERTa gives a padding token within a text its own position, and counts on without it.
PADDED = [("bakori <pad> mul", "Tenri <pad><pad> so limgar."), ("<pad>", "va-ko <pad>")]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


# --- tokenizers -----------------------------------------------------------------------------------------------------


def roberta_tokenizer() -> RobertaTokenizerFast:
    """Byte-level BPE."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, False)
    return RobertaTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, trim_offsets=True)


def xlm_roberta_tokenizer() -> XLMRobertaTokenizerFast:
    """A Unigram model as sentencepiece trains it."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" {2,}", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=150, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False, seed_size=1000
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return XLMRobertaTokenizerFast(tokenizer_object=tokenizer, model_max_length=64)


def distilbert_tokenizer() -> DistilBertTokenizerFast:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocab.txt"
        path.write_text("\n".join(VOCABULARY) + "\n", encoding="utf8")
        return DistilBertTokenizerFast(vocab_file=str(path), do_lower_case=True, model_max_length=64)


# --- models ---------------------------------------------------------------------------------------------------------


def sizes(tokenizer, **changes) -> dict:
    names = dict(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=20,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=66,
        type_vocab_size=1,
    )
    return {**names, "vocab_size": len(tokenizer), "initializer_range": 0.3, **changes}


def distilbert_sizes(tokenizer, **changes) -> dict:
    names = dict(
        dim=32,
        n_layers=2,
        n_heads=2,
        hidden_dim=20,
        dropout=0.0,
        attention_dropout=0.0,
        seq_classif_dropout=0.0,
        max_position_embeddings=64,
    )
    return {**names, "vocab_size": len(tokenizer), "initializer_range": 0.3, **changes}


def roughen(model: torch.nn.Module) -> None:
    """Vectors off their defaults, so that a swapped LayerNorm or a forgotten bias shows; a padding row off zero."""
    for name, parameter in model.named_parameters():
        is_scale = "norm" in name.lower() and name.endswith("weight")
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=1.0 if is_scale else 0.0, std=0.1)
        elif "embeddings" in name:
            torch.nn.init.normal_(parameter, std=0.3)


def expect(folder: Path, source: str, pairs, encode, model, score, options: dict) -> None:
    """Scores pair by pair, unpadded, and the gradients of their weighted sum."""
    model.eval().float().zero_grad()
    rows = []
    for i, (query, document) in enumerate(pairs):
        encoding = encode(query, document)
        value = score(encoding)
        (value * (1 + i % 3)).backward()
        ids = encoding["input_ids"][0].tolist()
        types = encoding["token_type_ids"][0].tolist() if "token_type_ids" in encoding else [0] * len(ids)
        rows.append(
            {"query": query, "document": document, "input_ids": ids, "token_type_ids": types, "score": value.item()}
        )
    write_expected(folder, source, rows, **options)
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    save_file(gradients, folder / "gradients.safetensors")


def fresh(name: str) -> Path:
    torch.manual_seed(SEED + sum(map(ord, name)))
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def classifier(name: str, model, tokenizer, pairs, label: int = 0) -> None:
    folder = fresh(name)
    roughen(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "vocab.txt").unlink(missing_ok=True)  # tokenizer.json says the same
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    options = {"label": model.config.id2label[label]} if model.config.num_labels > 1 else {}

    def encode(query, document):
        return tokenizer([query], [document], truncation="longest_first", max_length=64, return_tensors="pt")

    source = f"transformers {transformers.__version__}, torch {torch.__version__}"
    expect(folder, source, pairs, encode, model, lambda encoding: model(**encoding).logits[0, label], options)


def mono(name: str, backbone, tokenizer, pairs, **settings) -> None:
    folder = fresh(name)
    roughen(backbone)
    with tempfile.TemporaryDirectory() as saved:
        backbone.save_pretrained(saved)
        tokenizer.save_pretrained(saved)
        module = CrossEncoderModule(
            model_name_or_path=saved, config=MonoConfig(query_length=8, doc_length=40, linear_bias=True, **settings)
        )
        torch.nn.init.normal_(module.model.linear.weight, std=0.3)
        torch.nn.init.normal_(module.model.linear.bias, mean=0.5, std=0.3)
        module.save_pretrained(folder)
    (folder / "vocab.txt").unlink(missing_ok=True)
    module = CrossEncoderModule(model_name_or_path=str(folder))

    def encode(query, document):
        return module.prepare_input([query], [document], [1])["encoding"]

    source = f"lightning-ir 0.0.6, transformers {transformers.__version__}, torch {torch.__version__}"
    expect(folder, source, pairs, encode, module.model, lambda encoding: module.model.forward(encoding).scores[0], {})


def main() -> None:
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    roberta, xlm_roberta, distilbert = roberta_tokenizer(), xlm_roberta_tokenizer(), distilbert_tokenizer()
    one, three = dict(num_labels=1), dict(id2label={0: "bad", 1: "fair", 2: "good"}, label2id={"bad": 0, "fair": 1, "good": 2})
    torch.manual_seed(SEED)
    eps = dict(layer_norm_eps=1e-5)
    classifier("roberta", RobertaForSequenceClassification(RobertaConfig(**sizes(roberta, **three, **eps))), roberta, PAIRS + PADDED, 1)
    classifier("xlm-roberta", XLMRobertaForSequenceClassification(XLMRobertaConfig(**sizes(xlm_roberta, **one, **eps))), xlm_roberta, PAIRS + PADDED)
    classifier("distilbert", DistilBertForSequenceClassification(DistilBertConfig(**distilbert_sizes(distilbert, num_labels=2))), distilbert, PAIRS, 1)
    mono("mono-roberta", RobertaModel(RobertaConfig(**sizes(roberta))), roberta, PAIRS)
    mono("mono-distilbert", DistilBertModel(DistilBertConfig(**distilbert_sizes(distilbert))), distilbert, PAIRS, pooling_strategy="mean")


if __name__ == "__main__":
    main()
