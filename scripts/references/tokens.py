"""Writes test/tokenize/golden/: token ids that transformers, sentence-transformers and lightning-ir give.

Needs lightning-ir 0.0.6, transformers 4.57 and sentence-transformers in a virtual environment:
  python scripts/references/tokens.py test/tokenize/golden

The vocabulary and the texts are made up here. Each folder is a tokenizer described in another way; expected.json
holds the texts and, per folder and setting, the ids (separated by spaces) and the token types (one digit each).
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

from lightning_ir.cross_encoder.cross_encoder_tokenizer import CrossEncoderTokenizer
from lightning_ir.models import MonoConfig
from sentence_transformers import CrossEncoder
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

warnings.filterwarnings("ignore")
OUT = Path(sys.argv[1])
POSITIONS = 48
LONGEST_FIRST = [5, 8, 9, 16, 23]
LIGHTNING_IR = [[4, 9], [None, 7], [6, None], [32, 60]]
NO_LIMIT = int(1e30)
TABLE = 12

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = """the query do don not can what where harbour lighthouse island ferry built in year keeper river old new is
it did n't The Harbour NASA resume cafe naive strasse straße café über istanbul st ##er ##ing ##s ##ed ##house
light ##keeper un ##aff ##able ##n ##t ##or""".split()
OTHER = list("0123456789.,;:!?'\"-_()[]#@$%&*+=/<>`~^|\\{}") + list("中国東京のか天门門") + list("абвгдежийклмн") + [
    "##" + c for c in "абвгдежийклмн中国0123456789"] + ["ß", "ı", "σ", "ς", "##σ", "##ς", "é", "e\u0301", "##é", "ﬁ", "½", "’", "…", "–", "€",
    "ह", "न", "##ि", "##ं", "##ी", "ा", "ᄒ", "##ᅡ", "##ᆫ", "😀", "##\u0301", "ü", "##ü", "ö", "å", "A", "B", "N", "T", "I", "##A"]

TEXTS = [
    ("where is the old lighthouse", "The old lighthouse on the island was built in 1871; its keeper did not leave."),
    ("", "an empty query"), ("an empty document", ""), ("", ""), (" \t ", "\n \r\n"),
    ("what don't they do?", "They don't, can't, won't do it. Did n't it? do n ' t"),
    ("n ' t", "x n ' the . n ' t , n't 'm 's 've 're"), ("' s", "it ' s the keeper ' s ' ' boat ."),
    ("a n't", "the n 't the n' t the n't N'T N ' T"), ("the . n't", "中 n ' t [UNK] n ' t [SEP] n ' t"),
    ("[CLS] [SEP] [MASK] [UNK] [PAD]", "a [SEP]inside[CLS] text [mask] [ SEP ] [[SEP]] [DOC] <extra> newtok newtoken"),
    ("unaffable", "unaffables unaffable-ing lighthousekeepers strassen"),
    ("the " * 40, "harbour " * 40), ("the " * 20, "harbour " * 20), ("the " * 21, "harbour " * 20), ("the " * 20, "harbour " * 21),
    ("the " * 3, "harbour " * 60), ("the " * 60, "harbour " * 3), ("query " * 7, "river " * 8), ("query " * 8, "river " * 7),
    ("a" * 99, "a" * 100), ("a" * 101, "b" * 150 + " end"), ("é" * 60, "e\u0301" * 60),
    ("Café Über Straße ﬁne", "CAFÉ ÜBER STRASSE ½ ＦＵＬＬ"), ("İstanbul ıI", "ǅ ß ẞ ſ Σς ΑΣ"),
    ("cafe\u0301 a\u030a", "\u1e9b\u0323 \u2126 \u212b e\u0301\u0323"), ("中国 東京", "東京は日本の首都です。天安门"),
    ("中国abc", "a中b国c 中国 中中"), ("абв где", "Ёжик и АБВ клмн"), ("한국 한", "ᄒ\u1161\u11ab 각"),
    ("हिन्दी", "हिन्दी ा हिं नि"), ("😀 👩\u200d👧", "a😀b 😀😀 🇩🇪"),
    ("zero\u200bwidth soft\u00adhyphen", "bom\ufeffbom \ufeff \u00a0nbsp\u00a0 \u3000 \u2028 \u0085"),
    ("con\x00trol\x07chars", "tab\tnew\nline\r\nend\x0bvt\x0cff \x7f \ufffd \ue000"), ("#ing ##ing", "# # ## ##s light##house"),
    ("$3.5-(million)?", "see http://example.com/a_b?c=d&e=f. U.S.A. ... !!! , , ."), ("’quoted’ – …", "it’s “so” don’t €5"),
    ("\u034f\u0301a", "\U0001d165\u034f\u302e 한\u302e\u034f\u302f"), ("newtok", "xnewtokx NEWTOK <extra><extra> a<extra>b"),
    ("a [DOC] b", "[DOC][DOC] a[DOC]b  [MASK]  c"),
]


def vocab():
    pieces = SPECIAL + list(LETTERS) + ["##" + c for c in LETTERS] + WORDS + OTHER
    return list(dict.fromkeys(pieces))


def folders():
    """Name, model_max_length and the files of each tokenizer."""
    text = "\n".join(vocab()) + "\n"
    uncased = OUT / "uncased-vocab"
    uncased.mkdir(parents=True, exist_ok=True)
    (uncased / "vocab.txt").write_text(text, encoding="utf8")
    write(uncased, "tokenizer_config.json", {"do_lower_case": True, "model_max_length": 24, "tokenizer_class": "BertTokenizer"})

    legacy = OUT / "legacy-vocab"
    legacy.mkdir(parents=True, exist_ok=True)
    (legacy / "vocab.txt").write_bytes(text.replace("\n", "\r\n").encode("utf8"))
    write(legacy, "tokenizer_config.json", {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False})
    write(legacy, "special_tokens_map.json", {
        "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]",
        "mask_token": {"content": "[MASK]", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False},
        "additional_special_tokens": ["<extra>", "[DOC]"]})
    write(legacy, "added_tokens.json", {"newtok": len(vocab()) + 2, "[DOC]": len(vocab()), "<extra>": len(vocab()) + 1})

    # what tokenizer_config.json says overrules tokenizer.json, and the stored truncation and padding must not apply
    cased = OUT / "cased-json"
    cased.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(uncased)
    backend = tokenizer.backend_tokenizer
    backend.enable_truncation(6)
    backend.enable_padding(length=20)
    backend.save(str(cased / "tokenizer.json"))
    size = len(tokenizer)
    flags = {"lstrip": False, "rstrip": False, "single_word": False}
    added = {str(i): {"content": t, "normalized": False, "special": True, **flags} for i, t in enumerate(SPECIAL)}
    added[str(size)] = {"content": "[DOC]", "normalized": False, "special": True, **flags}
    added[str(size + 1)] = {"content": "newtok", "normalized": True, "special": False, **flags}
    write(cased, "tokenizer_config.json", {
        "added_tokens_decoder": added, "additional_special_tokens": ["[DOC]"], "clean_up_tokenization_spaces": True,
        "do_lower_case": False, "model_max_length": NO_LIMIT, "tokenizer_class": "BertTokenizerFast"})

    left = OUT / "left-json"
    left.mkdir(parents=True, exist_ok=True)
    state = json.loads((cased / "tokenizer.json").read_text(encoding="utf8"))
    state["padding"] = None
    state["truncation"]["direction"] = "Left"
    write(left, "tokenizer.json", state)
    write(left, "tokenizer_config.json", {
        "model_max_length": 24, "tokenizer_class": "DistilBertTokenizer"})
    return ["uncased-vocab", "legacy-vocab", "cased-json", "left-json"]


def write(folder, name, value):
    (folder / name).write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf8")


def rows(encoding):
    ids = encoding["input_ids"]
    types = encoding.get("token_type_ids") or [[0] * len(row) for row in ids]
    return [[" ".join(map(str, i)), "".join(map(str, t))] for i, t in zip(ids, types)]


def unpadded(encoding):
    """Rows of a padded batch, as lists without the padding."""
    keep = [[bool(m) for m in row] for row in encoding["attention_mask"].tolist()]
    return {k: [[x for x, m in zip(row, mask) if m] for row, mask in zip(encoding[k].tolist(), keep)]
            for k in ("input_ids", "token_type_ids") if k in encoding}


def longest_first(folder):
    with tempfile.TemporaryDirectory() as name:
        tokenizer = AutoTokenizer.from_pretrained(with_config(folder, Path(name)))
        return {n: rows(tokenizer(*map(list, zip(*TEXTS)), truncation="longest_first", max_length=n)) for n in LONGEST_FIRST}


def longest_first_table():
    """Tokens that stay of the first side, by room, tokens of the first and tokens of the second side."""
    tokenizer = AutoTokenizer.from_pretrained(OUT / "uncased-vocab")

    counts = [(first, second) for first in range(TABLE) for second in range(TABLE)]
    texts = ["a " * first for first, _ in counts], ["b " * second for _, second in counts]
    table = []
    for room in range(TABLE - 2):
        encoding = tokenizer(*texts, truncation="longest_first", max_length=room + 3)
        assert [len(ids) - 3 for ids in encoding["input_ids"]] == [min(room, sum(both)) for both in counts]
        kept = [types.count(0) - 2 for types in encoding["token_type_ids"]]
        table.append([kept[i : i + TABLE] for i in range(0, len(kept), TABLE)])
    return table


def cross_encoder(folder):
    """The ids that reach the model in sentence-transformers' CrossEncoder.predict."""
    with tempfile.TemporaryDirectory() as name:
        model = with_config(folder, Path(name))
        encoder = CrossEncoder(str(model), device="cpu")
        return rows(unpadded(encoder.preprocess([list(pair) for pair in TEXTS])))


def lightning_ir(folder):
    expected = []
    with tempfile.TemporaryDirectory() as name:
        model = with_config(folder, Path(name))
        for query_length, doc_length in LIGHTNING_IR:
            config = MonoConfig(query_length=query_length, doc_length=doc_length)
            tokenizer = CrossEncoderTokenizer.from_pretrained(str(model), config=config)
            encoding = tokenizer.tokenize([q for q, _ in TEXTS], [d for _, d in TEXTS], [1] * len(TEXTS), truncation=True)["encoding"]
            expected.append({"queryLength": query_length, "docLength": doc_length, "rows": rows(encoding)})
    return expected


def with_config(folder, target):
    config = BertConfig(vocab_size=len(vocab()) + 8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
                        max_position_embeddings=POSITIONS, num_labels=1)
    BertForSequenceClassification(config).save_pretrained(target)
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def main():
    names = folders()
    expected = {}
    for name in names:
        folder = OUT / name
        expected[name] = {"longestFirst": longest_first(folder), "crossEncoder": cross_encoder(folder), "lightningIr": lightning_ir(folder)}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in expected.items())
    texts = json.dumps([{"query": q, "document": d} for q, d in TEXTS])
    (OUT / "expected.json").write_text(
        f'{{"positions": {POSITIONS}, "vocabSize": {len(vocab()) + 8},\n"longestFirst": {json.dumps(longest_first_table())},\n"pairs": {texts},\n"expected": {{\n{lines}\n}}}}\n', encoding="utf8")


main()
