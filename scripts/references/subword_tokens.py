"""Writes test/tokenize/subwords/: token ids of byte-level BPE and Unigram tokenizers, and of transformers 5's.

Two steps, since transformers 4 and 5 need an environment each (make_references.py says how to make the first one, which
needs sentencepiece and protobuf as well):
  venv4/bin/python scripts/references/subword_tokens.py
  venv5/bin/python scripts/references/subword_tokens.py      # after the first: tokenizers and transformers 5 alone

The texts are those of test/tokenize/nasty-texts.ts, two a pair; the tokenizers are trained on them and on the words
below. expected-4.json and expected-5.json hold ids (separated by spaces) and token types (one digit each) by folder and
setting.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import transformers
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoTokenizer, BertConfig, DistilBertConfig, RobertaConfig, XLMRobertaConfig

ROOT = Path(__file__).parents[2]
OUT = ROOT / "test/tokenize/subwords"
PAIRS = 150
LONGEST_FIRST = [9, 16, 31, 48]
LIGHTNING_IR = [[6, 20], [None, 9]]
WORDS = "the old lighthouse on the island was built in 1871 ; its keeper don't won't can't leave Naïve café über straße".split()
MARKS = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True}
CONFIGS = {
    "bert": BertConfig, "distilbert": DistilBertConfig, "roberta": RobertaConfig, "xlm-roberta": XLMRobertaConfig,
}


def texts() -> list[str]:
    code = ("const { nastyTexts } = await import('./test/tokenize/nasty-texts.ts');"
            f"console.log(JSON.stringify(nastyTexts({2 * PAIRS}).map((text) => Buffer.from(text).toString())));")
    run = subprocess.run(["node", "--import", "tsx", "--input-type=module", "-e", code], cwd=ROOT, check=True, capture_output=True)
    return json.loads(run.stdout)


TEXTS = texts()
QUERIES, DOCUMENTS = TEXTS[0::2], TEXTS[1::2]


def write(folder: Path, name: str, value) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf8")


def write_roberta(corpus: Path) -> None:
    bpe = ByteLevelBPETokenizer()
    bpe.train([str(corpus)], vocab_size=420, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], show_progress=False)
    merges = OUT / "roberta-merges"
    merges.mkdir(parents=True)
    bpe.save_model(str(merges))
    write(merges, "tokenizer_config.json", {"model_max_length": 48})
    write(merges, "special_tokens_map.json", {
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>", "pad_token": "<pad>",
        "cls_token": "<s>", "mask_token": {"content": "<mask>", "lstrip": True, "normalized": False, "rstrip": False, "single_word": False}})
    converted = AutoTokenizer.from_pretrained(with_config(merges, "roberta"))
    converted.save_pretrained(OUT / "roberta")
    keep_only(OUT / "roberta", "tokenizer.json", "tokenizer_config.json")
    # the stored setting is overruled by tokenizer_config.json, and by its default where it is silent
    stored = json.loads((OUT / "roberta/tokenizer.json").read_text(encoding="utf8"))
    stored["pre_tokenizer"]["add_prefix_space"] = True
    write(OUT / "roberta-silent", "tokenizer.json", stored)
    write(OUT / "roberta-silent", "tokenizer_config.json", {"tokenizer_class": "RobertaTokenizerFast", "mask_token": "<mask>"})
    stored["pre_tokenizer"]["add_prefix_space"] = False
    stored["added_tokens"] = [token for token in stored["added_tokens"] if token["content"] != "<mask>"]
    write(OUT / "roberta-prefix-space", "tokenizer.json", stored)
    write(OUT / "roberta-prefix-space", "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": True})


def write_xlm_roberta(corpus: Path, work: Path) -> None:
    import sentencepiece
    from transformers import XLMRobertaTokenizer, XLMRobertaTokenizerFast

    # a normalization table of our own: the usual one takes 240 kB
    rules = work / "rules.tsv"
    pairs = {"ﬁ": "fi", "½": "1/2", "ｗ": "w", "\u212b": "\u00c5", "\u3000": " ", "\t": " ", "\n": " ", "\u00a0": " ", "\u200b": "", "…": "..."}
    rules.write_text("".join(f"{' '.join(f'{ord(c):X}' for c in a)}\t{' '.join(f'{ord(c):X}' for c in b)}\n" for a, b in pairs.items()))
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(work / "sentencepiece.bpe"), vocab_size=400, model_type="unigram", character_coverage=0.98,
        normalization_rule_tsv=str(rules), hard_vocab_limit=False, minloglevel=2, num_threads=1)
    slow = XLMRobertaTokenizer(str(work / "sentencepiece.bpe.model"), model_max_length=48)
    slow.save_pretrained(work / "slow")
    fast = XLMRobertaTokenizerFast.from_pretrained(work / "slow", from_slow=True)
    fast.save_pretrained(OUT / "xlm-roberta")
    keep_only(OUT / "xlm-roberta", "tokenizer.json", "tokenizer_config.json")
    config = json.loads((OUT / "xlm-roberta/tokenizer_config.json").read_text(encoding="utf8"))
    del config["from_slow"]  # with it transformers asks for the sentencepiece model again
    write(OUT / "xlm-roberta", "tokenizer_config.json", config)


def write_untyped() -> None:
    """A tokenizer.json as the first versions of tokenizers wrote it, without the model's type."""
    golden = ROOT / "test/tokenize/golden"
    tokenizer = AutoTokenizer.from_pretrained(with_config(golden / "uncased-vocab", "bert"))
    tokenizer.save_pretrained(OUT / "bert-untyped")
    keep_only(OUT / "bert-untyped", "tokenizer.json", "tokenizer_config.json")
    state = json.loads((OUT / "bert-untyped/tokenizer.json").read_text(encoding="utf8"))
    del state["model"]["type"]
    write(OUT / "bert-untyped", "tokenizer.json", state)


def write_of_5() -> None:
    """Tokenizers that transformers 5 saves: under a class's name, and as the backend that all of them have."""
    from transformers import PreTrainedTokenizerFast

    for source, name in (("golden/cased-json", "bert-5"), ("subwords/xlm-roberta", "xlm-roberta-5"), ("subwords/roberta", "roberta-5")):
        model_type = name.removesuffix("-5")
        folder = with_config(ROOT / "test/tokenize" / source, model_type)
        AutoTokenizer.from_pretrained(folder).save_pretrained(OUT / name)
        PreTrainedTokenizerFast.from_pretrained(folder).save_pretrained(OUT / f"{model_type}-backend-5")


def keep_only(folder: Path, *names: str) -> None:
    for file in folder.iterdir():
        if file.name not in names:
            file.unlink()


def with_config(folder: Path, model_type: str) -> str:
    """A copy beside a config.json, which says to which encoder the tokenizer belongs."""
    target = tempfile.mkdtemp()
    CONFIGS[model_type](max_position_embeddings=64).save_pretrained(target)
    for file in folder.iterdir():
        shutil.copy(file, target)
    return target


def rows(encoding) -> list[list[str]]:
    ids = encoding["input_ids"]
    types = encoding.get("token_type_ids") or [[0] * len(row) for row in ids]
    return [[" ".join(map(str, i)), "".join(map(str, t))] for i, t in zip(ids, types)]


def longest_first(folder: str) -> dict:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return {n: rows(tokenizer(QUERIES, DOCUMENTS, truncation="longest_first", max_length=n)) for n in LONGEST_FIRST}


def lightning_ir(folder: str) -> list:
    from lightning_ir.cross_encoder.cross_encoder_tokenizer import CrossEncoderTokenizer
    from lightning_ir.models import MonoConfig

    expected = []
    for query_length, doc_length in LIGHTNING_IR:
        config = MonoConfig(query_length=query_length, doc_length=doc_length)
        tokenizer = CrossEncoderTokenizer.from_pretrained(folder, config=config)
        encoding = tokenizer.tokenize(QUERIES, DOCUMENTS, [1] * PAIRS, truncation=True, max_length=48)["encoding"]
        expected.append({"queryLength": query_length, "docLength": doc_length, "rows": rows(encoding)})
    return expected


def save(version: int, expected: dict) -> None:
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in expected.items())
    (OUT / f"expected-{version}.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf8")


def main_4() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    work = Path(tempfile.mkdtemp())
    corpus = work / "corpus.txt"
    corpus.write_text("\n".join(t.replace("\n", " ").replace("\0", " ") for t in TEXTS) + "\n" + (" ".join(WORDS) + "\n") * 20, encoding="utf8")
    write_roberta(corpus)
    write_xlm_roberta(corpus, work)
    write_untyped()
    expected = {}
    for name in sorted(folder.name for folder in OUT.iterdir()):
        model_type = "xlm-roberta" if name.startswith("xlm") else name.split("-")[0]
        folder = with_config(OUT / name, model_type)
        expected[name] = {"encoder": model_type, "longestFirst": longest_first(folder), "lightningIr": lightning_ir(folder)}
    save(4, expected)


def main_5() -> None:
    write_of_5()
    names = sorted(folder.name for folder in OUT.iterdir() if folder.name.endswith("-5"))
    save(5, {
        name: {"encoder": (encoder := name.removesuffix("-5").removesuffix("-backend")),
               "longestFirst": longest_first(with_config(OUT / name, encoder)), "lightningIr": []}
        for name in names
    })


os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.exit(main_4() if transformers.__version__.startswith("4.") else main_5())
