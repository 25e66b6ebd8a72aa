"""Writes the expected values of test/evaluate/ with trec_eval's own code, through ir_measures' pytrec_eval provider.

Needs: pip install ir-measures pytrec-eval-terrier
Usage: python scripts/references/evaluate.py <folder of the shared data> test/evaluate/golden

trec-eval.json   measures of every run in the data: run -> { qrels, mean, byQuery for two runs }
edge-cases.json  made-up topics with ties, negative grades, missing and empty topics, odd docids, with all inputs
"""

import json
import random
import struct
import sys
from pathlib import Path

import ir_measures

MEASURES = ["nDCG@10", "AP", "RR", "P@10", "R@100"]
BY_QUERY = {"trec-dl-2020/runs/bm25.run", "first-stage-runs/__colbert__msmarco-passage-trec-dl-2020-judged.run.gz"}
EDGE_MEASURES = [
    *("nDCG", "nDCG@1", "nDCG@3", "nDCG@10", "nDCG@1000", "P@1", "P@5", "P@10", "P(rel=2)@5", "R@1", "R@5", "R@10"),
    *("R(rel=2)@5", "AP", "AP@3", "AP@10", "AP(rel=2)", "AP(rel=3)@5", "RR", "RR(rel=2)"),
]


def calculate(measures, qrels, run):
    results = [ir_measures.pytrec_eval.calc([ir_measures.parse_measure(m)], qrels, run) for m in measures]
    mean = {str(measure): value for result in results for measure, value in result.aggregated.items()}
    by_query = {}
    for result in results:
        for metric in result.per_query:
            by_query.setdefault(metric.query_id, {})[str(metric.measure)] = metric.value
    return mean, dict(sorted(by_query.items()))


def shared_runs(data):
    result = {}
    for year in ("2020", "2021"):
        qrels_path = f"trec-dl-{year}/qrels.txt"
        qrels = list(ir_measures.read_trec_qrels(str(data / qrels_path)))
        runs = sorted((data / f"trec-dl-{year}" / "runs").glob("*.run"))
        runs += sorted((data / "first-stage-runs").glob(f"*trec-dl-{year}*.run.gz"))
        for path in runs:
            name = path.relative_to(data).as_posix()
            mean, by_query = calculate(MEASURES, qrels, list(ir_measures.read_trec_run(str(path))))
            result[name] = {"qrels": qrels_path, "mean": mean}
            if name in BY_QUERY:
                result[name]["byQuery"] = by_query
    return result


def edge_cases():
    """Random topics with few distinct scores, plus topics made to hit one rule each."""
    rng = random.Random(7)
    qrels, run = {}, {}
    for topic in range(40):
        docs = [f"d{i}" for i in range(30)]
        qrels[f"random{topic}"] = {d: rng.choice([-2, -1, 0, 0, 0, 1, 2, 3]) for d in rng.sample(docs, 12)}
        run[f"random{topic}"] = {d: float(rng.randint(-3, 3)) for d in rng.sample(docs, rng.randint(1, 25))}
    above_one = struct.unpack("f", struct.pack("f", 1.0000001))[0]
    qrels["float32"] = {"a": 1, "b": 0, "c": 2}
    run["float32"] = {"a": 1.00000002, "b": 1.00000001, "c": 1.0}  # one float32 value: a tie
    qrels["float32-apart"] = {"a": 1, "b": 0}
    run["float32-apart"] = {"a": above_one, "b": 1.0}
    odd = ["d10", "d9", "D9", "é", "z", "\ue000", "\uffee", "\U0001f600", "\U00010000", "ab", "abc"]
    for i, doc in enumerate(odd):
        qrels[f"bytes{i}"] = {doc: 1}
        run[f"bytes{i}"] = {each: 0.5 for each in odd}
    qrels["not-in-run"] = {"a": 1}
    qrels["no-relevant"] = {"a": 0, "b": -1}
    run["no-relevant"] = {"a": 1.0, "b": 0.5}
    qrels["nothing-found"] = {"a": 3, "b": 1}
    run["nothing-found"] = {"x": 1.0}
    run["not-judged"] = {"a": 1.0}
    mean, by_query = calculate(EDGE_MEASURES, qrels, run)
    return {"qrels": qrels, "run": run, "mean": mean, "byQuery": by_query}


def write(path, content):
    path.write_text(json.dumps(content, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    write(out / "trec-eval.json", shared_runs(data))
    write(out / "edge-cases.json", edge_cases())
