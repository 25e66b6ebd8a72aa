"""Writes the expected files of test/tokenize: token ids that transformers, sentence-transformers and lightning-ir give.

  venv4/bin/python scripts/references/tokens.py     # the environment of common.py
  venv5/bin/python scripts/references/tokens.py     # tokenizers and transformers 5 alone: expected-5.json

golden/    WordPiece described in four ways, on the pairs of expected.json
subwords/  byte-level BPE, Unigram and a tokenizer.json without the model's type, on the texts of test/tokenize/nasty-texts.ts,
           two a pair; folders that end with 5 were saved by transformers 5, under a class's name and as the backend that all
           of its tokenizers have

The files say what each setting is: positions, lengths. Ids are separated by spaces, token types are one digit each.
"""

import json
import os
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import transformers
from common import ROOT, TEST, encoded_rows, read
from transformers import AutoConfig, AutoTokenizer

GOLDEN = TEST / "tokenize" / "golden"
SUBWORDS = TEST / "tokenize" / "subwords"
PAIRS = 150


def nasty_texts() -> list[str]:
    code = (
        "const { nastyTexts } = await import('./test/tokenize/nasty-texts.ts');"
        f"console.log(JSON.stringify(nastyTexts({2 * PAIRS}).map((text) => Buffer.from(text).toString())));"
    )
    command = ["node", "--import", "tsx", "--input-type=module", "-e", code]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def with_config(folder: Path, model_type: str, **changes) -> str:
    """A copy beside a config.json, which says to which encoder the tokenizer belongs."""
    target = tempfile.mkdtemp()
    AutoConfig.for_model(model_type, **changes).save_pretrained(target)
    for file in folder.iterdir():
        shutil.copy(file, target)
    return target


def longest_first(folder: str, queries, documents, lengths) -> dict:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    cut = lambda n: tokenizer(queries, documents, truncation="longest_first", max_length=n)
    return {n: encoded_rows(cut(int(n))) for n in lengths}


def lightning_ir(folder: str, queries, documents, settings, **limit) -> list[dict]:
    from lightning_ir.cross_encoder.cross_encoder_tokenizer import CrossEncoderTokenizer
    from lightning_ir.models import MonoConfig

    expected = []
    for query_length, doc_length in settings:
        config = MonoConfig(query_length=query_length, doc_length=doc_length)
        tokenizer = CrossEncoderTokenizer.from_pretrained(folder, config=config)
        encoding = tokenizer.tokenize(queries, documents, [1] * len(queries), truncation=True, **limit)["encoding"]
        expected.append({"queryLength": query_length, "docLength": doc_length, "rows": encoded_rows(encoding)})
    return expected


def cross_encoder(folder: str, queries, documents) -> list:
    """The ids that reach the model in sentence-transformers' CrossEncoder.predict."""
    from sentence_transformers import CrossEncoder
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(folder))
    model.save_pretrained(folder)
    encoding = CrossEncoder(folder, device="cpu").preprocess([list(pair) for pair in zip(queries, documents)])
    kept = encoding["attention_mask"].bool()
    names = [name for name in ("input_ids", "token_type_ids") if name in encoding]
    return encoded_rows({n: [row[mask].tolist() for row, mask in zip(encoding[n], kept)] for n in names})


def longest_first_table(size: int) -> list:
    """Tokens that stay of the first side, by room, tokens of the first and tokens of the second side."""
    tokenizer = AutoTokenizer.from_pretrained(GOLDEN / "uncased-vocab")
    counts = [(first, second) for first in range(size) for second in range(size)]
    texts = ["a " * first for first, _ in counts], ["b " * second for _, second in counts]
    table = []
    for room in range(size - 2):
        encoding = tokenizer(*texts, truncation="longest_first", max_length=room + 3)
        assert [len(ids) - 3 for ids in encoding["input_ids"]] == [min(room, sum(both)) for both in counts]
        kept = [types.count(0) - 2 for types in encoding["token_type_ids"]]
        table.append([kept[i : i + size] for i in range(0, len(kept), size)])
    return table


def settings_of(case: dict) -> list:
    return [(setting["queryLength"], setting["docLength"]) for setting in case["lightningIr"]]


def word_pieces() -> None:
    given = read(GOLDEN / "expected.json")
    texts = [pair["query"] for pair in given["pairs"]], [pair["document"] for pair in given["pairs"]]
    small = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, num_labels=1)
    sizes = dict(vocab_size=given["vocabSize"], max_position_embeddings=given["positions"], **small)
    lines = []
    for name, case in given["expected"].items():
        folder = with_config(GOLDEN / name, "bert", **sizes)
        cut = longest_first(folder, *texts, case["longestFirst"])
        ours = lightning_ir(folder, *texts, settings_of(case))
        value = {"longestFirst": cut, "crossEncoder": cross_encoder(folder, *texts), "lightningIr": ours}
        lines.append(f"{json.dumps(name)}: {json.dumps(value)}")
    table = json.dumps(longest_first_table(len(given["longestFirst"]) + 2))
    head = f'{{"positions": {given["positions"]}, "vocabSize": {given["vocabSize"]},\n"longestFirst": {table}'
    text = ",\n".join([head, f'"pairs": {json.dumps(given["pairs"])}', '"expected": {\n' + ",\n".join(lines)])
    (GOLDEN / "expected.json").write_text(text + "\n}}\n", encoding="utf8")


def subwords(version: int) -> None:
    path = SUBWORDS / f"expected-{version}.json"
    texts = nasty_texts()
    queries, documents = texts[0::2], texts[1::2]
    lines = []
    for name, case in read(path).items():
        folder = with_config(SUBWORDS / name, case["encoder"], max_position_embeddings=64)
        cut = longest_first(folder, queries, documents, case["longestFirst"])
        # transformers 5 has no lightning-ir beside it
        settings = settings_of(case)
        ours = lightning_ir(folder, queries, documents, settings, max_length=48) if settings else []
        value = {"encoder": case["encoder"], "longestFirst": cut, "lightningIr": ours}
        lines.append(f"{json.dumps(name)}: {json.dumps(value)}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf8")


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    version = int(transformers.__version__.split(".")[0])
    if version == 4:
        word_pieces()
    subwords(version)
