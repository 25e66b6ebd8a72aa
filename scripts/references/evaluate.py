"""Writes the expected values of test/evaluate/ with trec_eval's own code, through ir_measures' pytrec_eval provider.

usage: python scripts/references/evaluate.py DATA

Needs ir-measures and pytrec-eval-terrier; DATA is the folder with trec-dl-2020 and others.

trec-eval.json   measures of runs in the data: run -> { qrels, mean, byQuery for some }
edge-cases.json  made-up topics with ties, negative grades, missing and empty topics, odd docids, with all inputs
"""

import sys
from pathlib import Path

import ir_measures
from common import TEST, read, write

GOLDEN = TEST / "evaluate" / "golden"


def refreshed(case: dict, qrels, run) -> dict:
    """The case with its measures computed again, of each query where it had them."""
    measures = [ir_measures.parse_measure(name) for name in case["mean"]]
    results = [ir_measures.pytrec_eval.calc([measure], qrels, run) for measure in measures]
    by_query = {}
    for metric in (metric for result in results for metric in result.per_query):
        by_query.setdefault(metric.query_id, {})[str(metric.measure)] = metric.value
    mean = {str(measure): value for result in results for measure, value in result.aggregated.items()}
    return {**case, "mean": mean, **({"byQuery": dict(sorted(by_query.items()))} if "byQuery" in case else {})}


def main(data: Path) -> None:
    runs = {
        name: refreshed(
            case,
            list(ir_measures.read_trec_qrels(str(data / case["qrels"]))),
            list(ir_measures.read_trec_run(str(data / name))),
        )
        for name, case in read(GOLDEN / "trec-eval.json").items()
    }
    write(GOLDEN / "trec-eval.json", runs, indent=1)
    edges = read(GOLDEN / "edge-cases.json")
    write(GOLDEN / "edge-cases.json", refreshed(edges, edges["qrels"], edges["run"]), indent=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
