"""Writes the expected values of test/evaluate/ with ir_measures and its default providers: trec_eval's own code
(pytrec_eval), gdeval.pl (ERR, exponential gains; needs perl), cwl_eval (RBP), MS MARCO's script (RR@k).

usage: python scripts/references/evaluate.py DATA

Needs ir-measures, pytrec-eval-terrier and cwl-eval; DATA is the folder with trec-dl-2020 and others. The measures are those
that a file has under `mean`.

runs.json        measures of runs in the data: run -> { qrels, topics, mean, values: measure -> [topics] }
edge-cases.json  made-up topics with ties, negative grades, missing and empty topics, odd docids, with all inputs; gdeval.pl
                 wants numbers as the topics' names
"""

import sys
from pathlib import Path

import ir_measures
from common import TEST, read, write

GOLDEN = TEST / "evaluate" / "golden"


def calculate(names, qrels, run) -> tuple[dict, dict]:
    result = ir_measures.calc([ir_measures.parse_measure(name) for name in names], qrels, run)
    mean = {str(measure): value for measure, value in result.aggregated.items()}
    by_query = {}
    for metric in result.per_query:
        by_query.setdefault(metric.query_id, {})[str(metric.measure)] = metric.value
    return {name: mean[name] for name in names}, dict(sorted(by_query.items()))


def shared_run(data: Path, name: str, case: dict) -> dict:
    qrels = list(ir_measures.read_trec_qrels(str(data / case["qrels"])))
    mean, by_query = calculate(case["mean"], qrels, list(ir_measures.read_trec_run(str(data / name))))
    values = {measure: [round(each[measure], 8) for each in by_query.values()] for measure in mean}
    return {"qrels": case["qrels"], "topics": list(by_query), "mean": mean, "values": values}


def main(data: Path) -> None:
    runs = read(GOLDEN / "runs.json")
    write(GOLDEN / "runs.json", {name: shared_run(data, name, case) for name, case in runs.items()})
    edges = read(GOLDEN / "edge-cases.json")
    mean, by_query = calculate(edges["mean"], edges["qrels"], edges["run"])
    write(GOLDEN / "edge-cases.json", {**edges, "mean": mean, "byQuery": by_query}, indent=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
