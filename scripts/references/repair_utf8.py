"""Writes test/data/golden/repair-utf8.json: what ir_datasets' FixEncoding makes of texts with UTF-8 encoded twice.

usage: python scripts/references/repair_utf8.py [SHARED]

Needs ir-datasets. With SHARED (a folder with data/trec-dl-2020) it also hashes DL 2020's repaired passages; without, that
hash is left as it is.
"""

import hashlib
import io
import json
import random
import sys
from pathlib import Path

from ir_datasets.datasets.msmarco_passage import FixEncoding

OUT = Path(__file__).resolve().parents[2] / "test" / "data" / "golden" / "repair-utf8.json"
# of one to four bytes, the ends of what each length may hold, C1 controls, the byte order mark, a line separator
CHARACTERS = "a ,’é–“”ßñ€\u0080\u00bf\u07ff\u0800\u2028\ud7ff\ue000\ufeff\uffff\U00010000😀\U0010ffff"
# bytes that are no sequence: overlong, a surrogate, above U+10FFFF, cut short, continuations alone
SPOILT = [b"\xc0\x80", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xe2\x80",
          b"\xf0\x9f\x98", b"\xc3", b"\x80", b"\xbf\xbf", b"\xff\xfe"]  # fmt: skip


class Lines:
    def __init__(self, data: bytes):
        self.data = data

    def stream(self):
        return io.BytesIO(self.data)


def repaired(data: bytes) -> bytes:
    return b"".join(FixEncoding(Lines(data)))


def misread(character: str, times: int) -> str:
    for _ in range(times):
        character = character.encode("utf8").decode("latin1")
    return character


def texts() -> list[str]:
    rng = random.Random(20261126)
    found = ["", "plain", "donâ\x80\x99t", "â\x80\x9cquotedâ\x80\x9d", "cafÃ©", "Ã\x83Â©", "â€™", "é next to Ã©", "😀ð\x9f\x98\x80"]
    found += [data.decode("latin1") for data in SPOILT]
    for _ in range(400):
        parts = [misread(rng.choice(CHARACTERS), rng.choice([0, 1, 1, 1, 2])) for _ in range(rng.randrange(1, 9))]
        if rng.random() < 0.5:
            parts.insert(rng.randrange(len(parts) + 1), rng.choice(SPOILT).decode("latin1"))
        found.append("".join(parts))
    return [text for text in found if "\n" not in text]


def main() -> None:
    cases = [[text, repaired(text.encode()).decode()] for text in texts()]
    result = {"cases": cases, "trecDl2020": json.loads(OUT.read_text())["trecDl2020"] if OUT.exists() else None}
    if len(sys.argv) > 1:
        collection = (Path(sys.argv[1]) / "data" / "trec-dl-2020" / "collection.tsv").read_bytes()
        result["trecDl2020"] = hashlib.sha256(repaired(collection)).hexdigest()
    OUT.write_text(json.dumps(result) + "\n")


main()
