"""Writes the expected files of test/data/golden: what lightning-ir 0.0.6 makes of the small invented files there, and what
ir_datasets' FixEncoding makes of texts with UTF-8 encoded twice.

usage: python scripts/references/data.py [SHARED]

Needs lightning-ir==0.0.6 and pyarrow. With SHARED (a folder with data/trec-dl-2020) it also hashes the samples of two TREC
runs and the repaired passages of DL 2020; without, those hashes are left as they are. Nothing of SHARED is written out but
SHA-256 sums.

lightning-ir.json           samples of each run with its options; a run as ReRankCallback writes it
training/lightning-ir.json  `cases`: samples that do not depend on chance; `draws`: how often each document was drawn, and how
                            often first, in so many samples of each random strategy; `tuples`: what TupleDataset gives
repair-utf8.json            texts before and after
"""

import gzip
import hashlib
import io
import shutil
import sys
import types
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from common import TEST, read, write
from ir_datasets.datasets.msmarco_passage import FixEncoding
from lightning_ir.callbacks import RegisterLocalDatasetCallback
from lightning_ir.callbacks.callbacks import ReRankCallback
from lightning_ir.data import RankBatch, RunDataset, TupleDataset
from lightning_ir.data.dataset import Sampler
from lightning_ir.data.external_datasets.ir_datasets_utils import ScoredDocTuples, register_new_dataset

GOLDEN = TEST / "data" / "golden"
TRAINING = GOLDEN / "training"


def register(name: str, **files: Path) -> None:
    RegisterLocalDatasetCallback(name, **{key: str(path) for key, path in files.items()}).setup(None, None, "test")


def sample_of(sample) -> dict:
    return {
        **{"queryId": sample.query_id, "query": sample.query},
        **{"docIds": list(sample.doc_ids), "docs": list(sample.docs)},
    }


def samples(dataset) -> list[dict]:
    return [sample_of(dataset[i]) for i in range(len(dataset))]


# --- re-ranking -----------------------------------------------------------------------------------------------------


def run_case(case: dict) -> dict:
    dataset = RunDataset(GOLDEN / case["run"], **case["options"])
    found = {**case, "datasetId": dataset.dataset_id, "samples": samples(dataset), "qrels": None}
    if dataset.qrels is not None:
        frame = dataset.qrels.stack(future_stack=True).dropna().astype(int).reset_index()
        found["qrels"] = sorted([q, d, g] for q, d, g in zip(frame["query_id"], frame["doc_id"], frame["relevance"]))
    return found


def written_run(case: dict) -> dict:
    """What ReRankCallback writes for one batch of scores, through its own methods."""
    scores = torch.tensor(case["scores"])
    ids = [f"d{i}" for i in range(len(scores))]
    path = GOLDEN / "written.run"
    callback = ReRankCallback(save_dir=GOLDEN)
    callback._gather = lambda module, value: value
    callback._get_save_path = lambda module, dataset: path
    model = types.SimpleNamespace(
        model=types.SimpleNamespace(), get_dataset=lambda index: RunDataset(GOLDEN / "with-texts.jsonl")
    )
    trainer = types.SimpleNamespace(is_global_zero=True, test_dataloaders=[None], num_test_batches=[1])
    batch = RankBatch(["query"], [[""] * len(ids)], ["q1"], [ids])
    callback.on_test_batch_end(trainer, model, types.SimpleNamespace(scores=scores), batch, 0)
    text = path.read_text()
    path.unlink()
    return {**case, "text": text}


def hashes(shared: Path, before: dict) -> dict:
    year = shared / "data" / "trec-dl-2020"
    qrels = GOLDEN / "tmp.qrels"
    qrels.write_bytes((year / "qrels.txt").read_bytes())
    name = "msmarco-passage/local-2020"
    register(name, docs=year / "collection.tsv", queries=year / "queries.tsv", qrels=qrels)
    colbert = next((shared / "data" / "first-stage-runs").glob("__colbert__*.gz"))
    contents = {"bm25": (year / "runs" / "bm25.run").read_bytes(), "colbert": gzip.decompress(colbert.read_bytes())}
    result = {}
    for name, content in contents.items():
        path = GOLDEN / f"__{name}__msmarco-passage-local-2020.run"
        path.write_bytes(content)
        depth = before[name]["depth"]
        digest = hashlib.sha256()
        for s in samples(RunDataset(path, depth=depth)):
            for doc_id, doc in zip(s["docIds"], s["docs"]):
                digest.update(f"{s['queryId']}\t{s['query']}\t{doc_id}\t{doc}\n".encode())
        result[name] = {"depth": depth, "sha256": digest.hexdigest()}
        path.unlink()
    qrels.unlink()
    return result


# --- training -------------------------------------------------------------------------------------------------------


def training_sample(sample) -> dict:
    """Targets as the losses see them: the greatest over iterations (ScoringLossFunction.process_targets)."""
    targets = sample.targets if sample.targets.ndim == 1 else sample.targets.amax(-1)
    return {**sample_of(sample), "targets": [None if torch.isnan(t) else t.item() for t in targets]}


def training_case(case: dict) -> dict:
    run = TRAINING / f"__made__training-{case['dataset']}.run"
    dataset = RunDataset(run, sampling_strategy="top", **case["options"])
    return {**case, "samples": [training_sample(dataset[i]) for i in range(len(dataset))]}


def draw(case: dict, count: int) -> dict:
    run = TRAINING / "__made__training-grades.run"
    dataset = RunDataset(run, targets="relevance", add_docs_not_in_ranking=case["add"])
    dataset._setup()
    group = dataset.run_groups.get_group(case["topic"])
    drawn, first = Counter(), Counter()
    for _ in range(count):
        doc_ids = list(Sampler.sample(group, case["size"], case["strategy"])["doc_id"])
        assert len(doc_ids) == case["size"]
        drawn.update(doc_ids)
        first[doc_ids[0]] += 1
    counts = {"drawn": dict(sorted(drawn.items())), "first": dict(sorted(first.items()))}
    return {**case, "candidates": list(group["doc_id"]), **counts}


def tuple_case(case: dict) -> dict:
    dataset = TupleDataset(f"training/{case['dataset']}", targets=case["targets"], num_docs=case["num_docs"])
    return {**case, "samples": [training_sample(sample) for sample in dataset]}


def training(expected: dict) -> dict:
    texts = {"docs": TRAINING / "docs.tsv", "queries": TRAINING / "queries.tsv", "docpairs": TRAINING / "pairs.tsv"}
    for name in ("grades", "subtopics"):
        register(f"training/{name}", qrels=TRAINING / f"{name}.tsv", **texts)
    for name, file in (("scored-pairs", "scored-pairs.tsv"), ("lists", "lists.json")):
        like = {"docs": "training/grades", "queries": "training/grades"}
        register_new_dataset(f"training/{name}", docpairs=str(TRAINING / file), DocpairsType=ScoredDocTuples, **like)
    np.random.seed(7)
    return {
        **expected,
        "cases": list(map(training_case, expected["cases"])),
        "draws": [draw(case, expected["draws_per_case"]) for case in expected["draws"]],
        "tuples": list(map(tuple_case, expected["tuples"])),
    }


def repaired(data: bytes) -> bytes:
    return b"".join(FixEncoding(types.SimpleNamespace(stream=lambda: io.BytesIO(data))))


def main(shared: Path | None) -> None:
    names = {key: GOLDEN / f"{key}.tsv" for key in ("docs", "queries", "qrels")}
    register("golden/test", **names)
    expected = read(GOLDEN / "lightning-ir.json")
    expected["cases"] = list(map(run_case, expected["cases"]))
    expected["written"] = written_run(expected["written"])
    utf8 = read(GOLDEN / "repair-utf8.json")
    utf8["cases"] = [[text, repaired(text.encode()).decode()] for text, _ in utf8["cases"]]
    if shared:
        expected["hashes"] = hashes(shared, expected["hashes"])
        collection = (shared / "data" / "trec-dl-2020" / "collection.tsv").read_bytes()
        utf8["trecDl2020"] = hashlib.sha256(repaired(collection)).hexdigest()
    write(GOLDEN / "lightning-ir.json", expected, ensure_ascii=False, indent=1)
    write(GOLDEN / "repair-utf8.json", utf8)
    path = TRAINING / "lightning-ir.json"
    write(path, training(read(path)), ensure_ascii=False, indent=1)
    for left in GOLDEN.glob("**/*.pklz4"):
        shutil.rmtree(left)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
