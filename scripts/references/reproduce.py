"""Writes what `npm run reproduce` has to find, computed with lightning-ir and ir_measures.

usage: python scripts/references/reproduce.py DATA

Needs the environment of common.py, ir-measures and pytrec-eval-terrier; DATA is the folder with trec-dl-2020.

test/reproduce/golden/table.json  `rows`, model -> run -> nDCG@10: the stand-ins' runs, re-ranked with lightning-ir (float32)
configs/paper/notebook.json       the figures whose source is ir_measures
"""

import json
import sys
from pathlib import Path

import ir_measures
import torch
from common import ROOT, TEST, read
from models import GOLDEN, LightningIr, as_mono

TABLE = TEST / "reproduce" / "golden" / "table.json"
NOTEBOOK = ROOT / "configs" / "paper" / "notebook.json"


def mean(name: str, qrels, run) -> float:
    measure = ir_measures.parse_measure(name)
    return ir_measures.calc_aggregate([measure], qrels, run)[measure]


def rows(world: dict) -> dict:
    result = {}
    for model, folder in world["models"].items():
        library = LightningIr(as_mono(GOLDEN / "references" / folder))
        library.model.eval().float()
        result[model] = {}
        for year, dataset in world["datasets"].items():
            for stage, run in dataset["runs"].items():
                scores = {}
                for topic, documents in run.items():
                    query = dataset["queries"][topic]
                    with torch.no_grad():
                        values = [
                            library.score(library.encode(query, world["passages"][each])).item() for each in documents
                        ]
                    ordered = sorted(values)
                    closest = min(b - a for a, b in zip(ordered, ordered[1:]))
                    assert closest > 1e-5, f"{model} {topic}: two scores are {closest} apart, rounding may swap them"
                    scores[topic] = dict(zip(documents, values))
                name = f"__{stage}__msmarco-passage-trec-dl-{year}-judged"
                result[model][name] = mean("nDCG@10", dataset["qrels"], scores)
    return result


def replace(path: Path, key: str, value) -> None:
    """Writes one key of a file whose lines are laid out by hand; it is the last one."""
    text = path.read_text(encoding="utf8")
    head = text[: text.index(f'"{key}":')]
    path.write_text(f'{head}"{key}": {value}\n}}\n', encoding="utf8")


def main(data: Path) -> None:
    replace(TABLE, "rows", json.dumps(rows(read(TABLE)), indent=1))
    notebook = read(NOTEBOOK)
    qrels = list(ir_measures.read_trec_qrels(str(data / notebook["qrels"])))
    for figure in notebook["figures"]:
        run, measure, _, source = figure
        if source == "ir_measures":
            figure[2] = round(mean(measure, qrels, ir_measures.read_trec_run(str(data / run))), 5)
    lines = ",\n".join(f"    {json.dumps(figure)}" for figure in notebook["figures"])
    replace(NOTEBOOK, "figures", f"[\n{lines}\n  ]")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
