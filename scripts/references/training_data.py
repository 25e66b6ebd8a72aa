"""Writes test/data/golden/training: a small invented dataset and what lightning-ir 0.0.6 draws from it for training.

usage: python scripts/references/training_data.py

Needs lightning-ir==0.0.6. `cases` holds samples that do not depend on chance; `draws` how often each document was drawn,
and how often first, in DRAWS samples of each random strategy; `tuples` what TupleDataset gives.
"""

import itertools
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from lightning_ir.callbacks import RegisterLocalDatasetCallback
from lightning_ir.data import RunDataset, TupleDataset
from lightning_ir.data.dataset import Sampler
from lightning_ir.data.external_datasets.ir_datasets_utils import ScoredDocTuples, register_new_dataset

GOLDEN = Path(__file__).resolve().parents[2] / "test" / "data" / "golden" / "training"
DRAWS = 8_000

DOCS = {f"d{i}": f"Keeper {i} lit the lamp at {i * 5 % 12} o'clock." for i in range(1, 21)}
QUERIES = {"t1": "who lit the lamp", "t2": "when was the lamp lit", "t10": "lamps at noon", "t3": "no judgement"}
# t10 has documents at one rank, t1 a negative grade, t2 a relevant document that the run lacks
RUN = {
    "t1": [("d1", 1, 7.5), ("d12", 2, 7.25), ("d3", 3, 7.25), ("d4", 4, 3.1), ("d5", 5, 0.1), ("d6", 6, -1.5)],
    "t2": [("d9", 1, 1e3), ("d2", 2, 12.0), ("d7", 3, 3.3), ("d8", 4, 3.25), ("d11", 5, 2.0)],
    "t10": [("d20", 2, 0.2), ("d19", 1, 0.3), ("d18", 2, 0.2), ("d2", 2, 0.2), ("d10", 5, 0.05), ("d17", 6, 0.01)],
    "t3": [("d1", 1, 1.0), ("d2", 2, 0.5), ("d3", 3, 0.25), ("d4", 4, 0.125)],
}
QRELS = {
    "grades": [("t1", "0", "d3", 2), ("t1", "0", "d5", -2), ("t1", "0", "d1", 0), ("t1", "0", "d14", 1),
               ("t1", "0", "d13", 0), ("t2", "0", "d16", 3), ("t2", "0", "d2", 1), ("t10", "0", "d18", 1),
               ("t10", "0", "d10", 1), ("t10", "0", "d7", -1)],
    "subtopics": [("t1", "1", "d3", 1), ("t1", "2", "d3", 3), ("t1", "2", "d4", 2), ("t1", "3", "d15", 1),
                  ("t2", "1", "d9", 0), ("t2", "2", "d9", 1), ("t10", "1", "d20", 0), ("t10", "3", "d19", 2)],
}  # fmt: skip
PAIRS = [("t1", "d3", "d1"), ("t2", "d16", "d9"), ("t1", "d14", "d6")]
SCORED_PAIRS = [(9.5, 1.25, "t1", "d3", "d1"), (1e1, -0.1, "t2", "d16", "d9")]
LISTS = [["t2", ["d16", 8.1], ["d9", 3.5], ["d7", -0.25]], ["t1", ["d3", 1], ["d1", 0.5], ["d6", 0.1], ["d5", 0.05]]]


def write_inputs() -> None:
    (GOLDEN / "docs.tsv").write_text("".join(f"{i}\t{t}\n" for i, t in DOCS.items()))
    (GOLDEN / "queries.tsv").write_text("".join(f"{i}\t{t}\n" for i, t in QUERIES.items()))
    lines = [f"{q} Q0 {d} {r} {s} made-up\n" for q, rows in RUN.items() for d, r, s in rows]
    for name, qrels in QRELS.items():
        (GOLDEN / f"{name}.tsv").write_text("".join(f"{q} {i} {d} {g}\n" for q, i, d, g in qrels))
        (GOLDEN / f"__made__training-{name}.run").write_text("".join(lines))
    (GOLDEN / "pairs.tsv").write_text("".join("\t".join(p) + "\n" for p in PAIRS))
    (GOLDEN / "scored-pairs.tsv").write_text("".join("\t".join(map(str, p)) + "\n" for p in SCORED_PAIRS))
    (GOLDEN / "lists.json").write_text("".join(json.dumps(record) + "\n" for record in LISTS))


def register() -> None:
    for name in QRELS:
        RegisterLocalDatasetCallback(
            f"training/{name}", docs=str(GOLDEN / "docs.tsv"), queries=str(GOLDEN / "queries.tsv"),
            qrels=str(GOLDEN / f"{name}.tsv"), docpairs=str(GOLDEN / "pairs.tsv"),
        ).setup(None, None, "fit")  # fmt: skip
    for name, path in [("scored-pairs", "scored-pairs.tsv"), ("lists", "lists.json")]:
        register_new_dataset(f"training/{name}", docs="training/grades", queries="training/grades",
                             docpairs=str(GOLDEN / path), DocpairsType=ScoredDocTuples)  # fmt: skip


def sample_of(sample) -> dict:
    """Targets as the losses see them: the greatest over iterations (ScoringLossFunction.process_targets)."""
    targets = sample.targets if sample.targets.ndim == 1 else sample.targets.amax(-1)
    values = [None if torch.isnan(t) else t.item() for t in targets]
    return {"queryId": sample.query_id, "query": sample.query, "docIds": list(sample.doc_ids),
            "docs": list(sample.docs), "targets": values}  # fmt: skip


def cases() -> list[dict]:
    found = []
    sizes = [(-1, 2), (-1, 5), (3, 3), (4, 2), (5, 6), (3, -1), (5, -1)]
    kinds = itertools.product(QRELS, ["relevance", "rank", "score"], [False, True], [False, True], sizes)
    for name, targets, normalize, add, (depth, size) in kinds:
        if add and (targets == "rank" or size == -1):
            continue  # refused by us: unranked documents would be the best; lists of different lengths
        options = {"targets": targets, "normalize_targets": normalize, "add_docs_not_in_ranking": add,
                   "depth": depth, "sample_size": size}  # fmt: skip
        dataset = RunDataset(GOLDEN / f"__made__training-{name}.run", sampling_strategy="top", **options)
        samples = [sample_of(dataset[i]) for i in range(len(dataset))]
        if samples:
            found.append({"dataset": name, "options": options, "samples": samples})
    return found


def draws() -> list[dict]:
    np.random.seed(7)
    found = []
    for strategy, add, size, topic in [
        ("random", False, 3, "t1"), ("random", True, 4, "t1"), ("log_random", False, 3, "t1"),
        ("log_random", True, 4, "t1"), ("log_random", True, 3, "t10"), ("top_and_random", False, 5, "t1"),
        ("top_and_random", True, 3, "t2"), ("single_relevant", False, 3, "t10"), ("single_relevant", True, 4, "t1"),
        ("single_relevant", True, 4, "t2"),
    ]:  # fmt: skip
        dataset = RunDataset(GOLDEN / "__made__training-grades.run", targets="relevance", add_docs_not_in_ranking=add)
        dataset._setup()
        group = dataset.run_groups.get_group(topic)
        drawn, first = Counter(), Counter()
        for _ in range(DRAWS):
            doc_ids = list(Sampler.sample(group, size, strategy)["doc_id"])
            assert len(doc_ids) == size
            drawn.update(doc_ids)
            first[doc_ids[0]] += 1
        found.append({"strategy": strategy, "add": add, "size": size, "topic": topic, "candidates": list(group["doc_id"]),
                      "drawn": dict(sorted(drawn.items())), "first": dict(sorted(first.items()))})  # fmt: skip
    return found


def tuples() -> list[dict]:
    found = []
    for name, targets, num_docs in [
        ("grades", "order", None), ("grades", "order", 2), ("scored-pairs", "order", None), ("scored-pairs", "score", None),
        ("lists", "order", 3), ("lists", "score", 3), ("lists", "score", 2),
    ]:  # fmt: skip
        dataset = TupleDataset(f"training/{name}", targets=targets, num_docs=num_docs)
        found.append({"dataset": name, "targets": targets, "num_docs": num_docs, "samples": [sample_of(s) for s in dataset]})
    return found


def main() -> None:
    shutil.rmtree(GOLDEN, ignore_errors=True)
    GOLDEN.mkdir(parents=True)
    write_inputs()
    register()
    result = {"draws_per_case": DRAWS, "cases": cases(), "draws": draws(), "tuples": tuples()}
    (GOLDEN / "lightning-ir.json").write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    for left in GOLDEN.glob("*.pklz4"):
        shutil.rmtree(left)


if __name__ == "__main__":
    main()
