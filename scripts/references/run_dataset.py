"""Writes test/data/golden: small invented files in every format, and what lightning-ir 0.0.6 makes of them.

usage: python scripts/references/run_dataset.py [SHARED]

Needs lightning-ir==0.0.6 and pyarrow. With SHARED (a folder with data/trec-dl-2020) it also hashes the samples of two
TREC runs; without, those hashes are left as they are. Nothing of SHARED is written out but SHA-256 sums.
"""

import csv
import gzip
import hashlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from lightning_ir.callbacks import RegisterLocalDatasetCallback
from lightning_ir.callbacks.callbacks import ReRankCallback
from lightning_ir.data import RankBatch, RunDataset

GOLDEN = Path(__file__).resolve().parents[2] / "test" / "data" / "golden"

DOCS = {f"d{i}": f"Passage {i} tells of lighthouse {i * 7 % 5} and its keeper." for i in range(1, 13)}
DOCS["d3"] = "Straße, naïve café, 東京 and 🗼 stand for text outside ASCII."
QUERIES = {"q2": "who keeps the lighthouse", "q10": "where is the tower", "q9": "what is a café", "q7": "not judged"}
QRELS = [("q2", "d1", 2), ("q2", "d5", 0), ("q10", "d3", -2), ("q10", "d2", 1), ("q9", "d12", 3)]
# ranks differ from the order of the lines and of the scores, q9 has two documents at one rank, q7 is not judged
RUN = [
    ("q2", "d5", 2, 9.5), ("q2", "d1", 1, 9.5), ("q2", "d8", 4, 8.25), ("q2", "d2", 3, 8.5),
    ("q10", "d3", 1, 0.1), ("q10", "d2", 3, 7.0), ("q10", "d11", 2, -1e-5),
    ("q9", "d12", 1, 3.0), ("q9", "d4", 2, 2.0), ("q9", "d6", 2, 1.0), ("q9", "d7", 5, 0.5), ("q9", "d9", 4, 0.25),
    ("q7", "d10", 1, 1.0),
]  # fmt: skip


def write_inputs() -> None:
    (GOLDEN / "docs.tsv").write_text("".join(f"{i}\t{t}\n" for i, t in DOCS.items()))
    (GOLDEN / "queries.tsv").write_text("".join(f"{i}\t{t}\n" for i, t in QUERIES.items()))
    (GOLDEN / "qrels.tsv").write_text("".join(f"{q} 0 {d} {g}\n" for q, d, g in QRELS))
    lines = "".join(f"{q} Q0 {d} {r} {s} made-up\n" for q, d, r, s in RUN)
    (GOLDEN / "__made__golden-test.run").write_text(lines)
    with gzip.GzipFile(GOLDEN / "__gzipped__golden-test.run.gz", "wb", mtime=0) as file:
        file.write(lines.encode())
    frame = pd.DataFrame(RUN, columns=["query_id", "doc_id", "rank", "score"])
    frame["query"] = frame["query_id"].map(QUERIES)
    frame["text"] = frame["doc_id"].map(DOCS)
    frame["relevance"] = [len(d) - 2 for d in frame["doc_id"]]
    frame.to_json(GOLDEN / "with-texts.jsonl", orient="records", lines=True, force_ascii=False)
    frame.to_json(GOLDEN / "with-texts.json", orient="records", force_ascii=False)
    frame.to_json(GOLDEN / "columns.json", force_ascii=False)
    named = frame.drop(columns=["relevance"]).rename({"query_id": "qid", "doc_id": "docno"}, axis=1)
    for codec in ("snappy", "gzip", "zstd", "brotli", "lz4", "none"):
        table = pa.Table.from_pandas(named, preserve_index=False)
        pq.write_table(table, GOLDEN / f"with-texts-{codec}.parquet", compression=codec, row_group_size=5)
    integers = pa.table({"query_id": pa.array([7, 7, 8], pa.int64()), "doc_id": pa.array([1, 2**53 + 1, 3], pa.int64()),
                         "rank": pa.array([1, 2, 1], pa.int32()), "score": pa.array([2.5, 1.5, 0.5], pa.float32())})  # fmt: skip
    pq.write_table(integers, GOLDEN / "integer-ids.parquet")
    ranks = pa.table({"qid": ["a", "a", "a", "a"], "docno": ["w", "x", "y", "z"], "score": [1.0, 3.0, 1.0, 2.0]})
    pq.write_table(ranks, GOLDEN / "without-ranks.parquet")
    binary = pa.table({"qid": ["a", "a"], "docno": pa.array([b"d4", b"d5"], pa.binary(2)), "score": [1.0, 3.0]})
    pq.write_table(binary, GOLDEN / "binary-ids.parquet")
    latin1 = pa.table({"qid": pa.array([b"a", b"a", b"q\xe9"], pa.binary()), "docno": ["w", "x", "y"],
                       "score": [1.0, 3.0, 1.0]})  # fmt: skip
    pq.write_table(latin1, GOLDEN / "latin1-ids.parquet")


def samples(dataset: RunDataset) -> list[dict]:
    return [
        {"queryId": s.query_id, "query": s.query, "docIds": list(s.doc_ids), "docs": list(s.docs)}
        for s in (dataset[i] for i in range(len(dataset)))
    ]


def qrels(dataset: RunDataset) -> list[list]:
    frame = dataset.qrels.stack(future_stack=True).dropna().astype(int).reset_index()
    return sorted([q, d, g] for q, d, g in zip(frame["query_id"], frame["doc_id"], frame["relevance"]))


def run_samples() -> dict:
    cases = []
    for run, options in [
        ("__made__golden-test.run", {}),
        ("__made__golden-test.run", {"depth": 2}),
        ("__made__golden-test.run", {"depth": 3, "sample_size": 3}),
        ("__made__golden-test.run", {"depth": 5, "sample_size": 4}),
        ("with-texts.jsonl", {"depth": 3}),
        ("with-texts.json", {"depth": 3}),
        ("columns.json", {"depth": 3}),
        ("with-texts-snappy.parquet", {"depth": 4}),
        ("with-texts-zstd.parquet", {"depth": 4}),
        ("with-texts-gzip.parquet", {"depth": 4}),
        ("with-texts-none.parquet", {"depth": 4}),
    ]:
        dataset = RunDataset(GOLDEN / run, **options)
        found = samples(dataset)
        cases.append({"run": run, "options": options, "datasetId": dataset.dataset_id, "samples": found,
                      "qrels": None if dataset.qrels is None else qrels(dataset)})  # fmt: skip
    return {"cases": cases}


def hashes(shared: Path) -> dict:
    year = shared / "data" / "trec-dl-2020"
    qrels_path = GOLDEN / "tmp.qrels"
    qrels_path.write_bytes((year / "qrels.txt").read_bytes())
    RegisterLocalDatasetCallback(
        "msmarco-passage/local-2020", docs=str(year / "collection.tsv"), queries=str(year / "queries.tsv"),
        qrels=str(qrels_path),
    ).setup(None, None, "test")  # fmt: skip
    result = {}
    colbert = next((shared / "data" / "first-stage-runs").glob("__colbert__*.gz"))
    for name, content, depth in [
        ("bm25", (year / "runs" / "bm25.run").read_bytes(), 100),
        ("colbert", gzip.decompress(colbert.read_bytes()), 8),
    ]:
        path = GOLDEN / f"__{name}__msmarco-passage-local-2020.run"
        path.write_bytes(content)
        digest = hashlib.sha256()
        for s in samples(RunDataset(path, depth=depth)):
            for doc_id, doc in zip(s["docIds"], s["docs"]):
                digest.update(f"{s['queryId']}\t{s['query']}\t{doc_id}\t{doc}\n".encode())
        result[name] = {"depth": depth, "sha256": digest.hexdigest()}
        path.unlink()
    qrels_path.unlink()
    return result


def written_run() -> dict:
    """What ReRankCallback writes for one batch of scores, through its own methods."""
    torch.manual_seed(1)
    scores = torch.tensor([0.1, 25.0, 25.0, -3.4567891, 1e-5, 1.23456789e-7, 123456.789, 0.0, 1 / 3, 2e16, -7e-30, 9.5e-5])
    scores = torch.cat([scores, torch.randn(60) * 8])
    ids = [f"d{i}" for i in range(len(scores))]
    callback = ReRankCallback(save_dir=GOLDEN)
    callback._gather = lambda module, value: value
    callback._get_save_path = lambda module, dataset: GOLDEN / "written.run"
    model = types.SimpleNamespace(model=types.SimpleNamespace(), get_dataset=lambda index: RunDataset(GOLDEN / "with-texts.jsonl"))
    trainer = types.SimpleNamespace(is_global_zero=True, test_dataloaders=[None], num_test_batches=[1])
    batch = RankBatch(["query"], [[""] * len(ids)], ["q1"], [ids])
    callback.on_test_batch_end(trainer, model, types.SimpleNamespace(scores=scores), batch, 0)
    text = (GOLDEN / "written.run").read_text()
    (GOLDEN / "written.run").unlink()
    return {"scores": [float(s) for s in scores], "tag": "SimpleNamespace", "text": text}


def main() -> None:
    GOLDEN.mkdir(parents=True, exist_ok=True)
    write_inputs()
    RegisterLocalDatasetCallback(
        "golden/test", docs=str(GOLDEN / "docs.tsv"), queries=str(GOLDEN / "queries.tsv"), qrels=str(GOLDEN / "qrels.tsv")
    ).setup(None, None, "test")
    output = GOLDEN / "lightning-ir.json"
    before = json.loads(output.read_text()) if output.exists() else {}
    result = run_samples() | {"written": written_run()}
    result["hashes"] = hashes(Path(sys.argv[1])) if len(sys.argv) > 1 else before.get("hashes", {})
    output.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    for left in GOLDEN.glob("*.pklz4"):
        for file in sorted(left.rglob("*"), reverse=True):
            file.unlink()
        left.rmdir()


if __name__ == "__main__":
    main()
