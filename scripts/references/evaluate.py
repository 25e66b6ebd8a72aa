"""Writes the expected values of test/evaluate/ with ir_measures and its default providers: trec_eval's own code
(pytrec_eval), gdeval.pl (ERR, exponential gains; needs perl), cwl_eval (RBP), MS MARCO's script (RR@k).

Needs: pip install ir-measures pytrec-eval-terrier cwl-eval
Usage: python scripts/references/evaluate.py <folder of the shared data> test/evaluate/golden

runs.json        measures of every run in the data: run -> { qrels, topics, mean, values: measure -> [topics] }
edge-cases.json  made-up topics with ties, negative grades, missing and empty topics, odd docids, with all inputs
"""

import json
import random
import struct
import sys
from pathlib import Path

import ir_measures

MEASURES = """nDCG nDCG@10 nDCG(dcg='exp-log2')@10 nDCG(judged_only=True)@10 RR RR@10 RR(rel=2)@10 AP AP@100 AP(rel=2)
 AP(judged_only=True) P@1 P@10 P(rel=2)@10 P(judged_only=True)@5 R@10 R@100 R(rel=2)@100 Success@1 Success(rel=2)@5 Rprec
 Rprec(rel=2) Rprec(judged_only=True) Bpref Bpref(rel=2) infAP infAP(rel=2) IPrec@0.0 IPrec@0.1 IPrec(rel=2)@0.5 IPrec@1.0
 ERR@3 ERR@20 RBP(rel=1) RBP(rel=2,p=0.95) RBP(p=0.5,rel=1) SetP SetP(rel=2) SetP(relative=True) SetP(judged_only=True)
 SetR SetR(rel=2) SetF SetF(beta=0.5) SetF(rel=2,beta=2.0) SetAP SetAP(rel=2) Judged Judged@10 NumRet NumRet(rel=1)
 NumRet(rel=2) NumRel NumQ""".split()
EDGE_MEASURES = MEASURES + """nDCG@1 nDCG@3 nDCG@1000 nDCG(dcg='exp-log2')@1000 P@5 P(rel=2)@5 R@1 R@5 R(rel=2)@5 AP@3 AP@10
 AP(rel=3)@5 RR(rel=2) RR@1 RR@3 Success@3 Bpref(rel=3) infAP(rel=3) IPrec@0.33 IPrec(rel=2)@0.25 ERR@1 RBP(rel=3,p=0.999)
 Judged@3""".split()


def calculate(measures, qrels, run):
    result = ir_measures.calc([ir_measures.parse_measure(m) for m in measures], qrels, run)
    by_query = {}
    for metric in result.per_query:
        by_query.setdefault(metric.query_id, {})[str(metric.measure)] = metric.value
    return {str(measure): value for measure, value in result.aggregated.items()}, dict(sorted(by_query.items()))


def shared_runs(data):
    result = {}
    for year in ("2020", "2021"):
        qrels_path = f"trec-dl-{year}/qrels.txt"
        qrels = list(ir_measures.read_trec_qrels(str(data / qrels_path)))
        runs = sorted((data / f"trec-dl-{year}" / "runs").glob("*.run"))
        runs += sorted((data / "first-stage-runs").glob(f"*trec-dl-{year}*.run.gz"))
        for path in runs:
            mean, by_query = calculate(MEASURES, qrels, list(ir_measures.read_trec_run(str(path))))
            values = {measure: [round(each[measure], 8) for each in by_query.values()] for measure in mean}
            name = path.relative_to(data).as_posix()
            result[name] = {"qrels": qrels_path, "topics": list(by_query), "mean": mean, "values": values}
    return result


def edge_cases():
    """Random topics with few distinct scores, plus topics made to hit one rule each; gdeval.pl wants numbers as their names."""
    rng = random.Random(7)
    qrels, run = {}, {}
    for topic in range(40):
        docs = [f"d{i}" for i in range(30)]
        qrels[f"{topic}"] = {d: rng.choice([-2, -1, 0, 0, 0, 1, 2, 3]) for d in rng.sample(docs, 12)}
        run[f"{topic}"] = {d: float(rng.randint(-3, 3)) for d in rng.sample(docs, rng.randint(1, 25))}
    above_one = struct.unpack("f", struct.pack("f", 1.0000001))[0]
    qrels["100"] = {"a": 1, "b": 0, "c": 2}
    run["100"] = {"a": 1.00000002, "b": 1.00000001, "c": 1.0}  # one float32 value: a tie
    qrels["101"] = {"a": 1, "b": 0}
    run["101"] = {"a": above_one, "b": 1.0}
    odd = ["d10", "d9", "D9", "é", "z", "\ue000", "\uffee", "\U0001f600", "\U00010000", "ab", "abc"]
    for i, doc in enumerate(odd):
        qrels[f"{200 + i}"] = {doc: 1}
        run[f"{200 + i}"] = {each: 0.5 for each in odd}
    qrels["102"] = {"a": 1}
    qrels["103"] = {"a": 0, "b": -1}
    run["103"] = {"a": 1.0, "b": 0.5}
    qrels["104"] = {"a": 3, "b": 1}
    run["104"] = {"x": 1.0}
    run["105"] = {"a": 1.0}
    run["106"] = {"a": 2.0}  # one document
    qrels["106"] = {"a": 2}
    mean, by_query = calculate(EDGE_MEASURES, qrels, run)
    return {"qrels": qrels, "run": run, "mean": mean, "byQuery": by_query}


def write(path, content, indent=1):
    path.write_text(json.dumps(content, indent=indent, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    write(out / "runs.json", shared_runs(data), None)
    write(out / "edge-cases.json", edge_cases())
