"""Runs `rank-distillm evaluate` and `compare` on all runs of the shared data beside ir_measures, scipy and statsmodels, and prints
both: how many (run, measure, query) triples and how many tests are equal.

usage: python scripts/references/parity.py DATA [--rank-distillm COMMAND ...]

Needs ir-measures, pytrec-eval-terrier, cwl-eval, scipy and statsmodels (and perl, for ERR); DATA is the folder with trec-dl-2020 and
others. COMMAND is by default the checkout's: node dist/cli/main.js. Ends with 1 where a figure differs.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import ir_measures
import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

ROOT = Path(__file__).resolve().parents[2]
COMPARED = ("nDCG@10", "RR@10", "AP(rel=2)")
BASELINE = "bm25"
#: p-values and means; measures; those of gdeval.pl, which prints five digits
TESTS, MEASURES, GDEVAL = 1e-9, 1e-6, 1e-5


def tolerance(measure: str) -> float:
    return GDEVAL if measure.startswith("ERR") or "exp-log2" in measure else MEASURES


class Parity:
    def __init__(self, command: list[str]):
        self.command, self.wrong, self.triples, self.largest = command, [], 0, 0.0

    def run(self, *arguments: str):
        found = subprocess.run([*self.command, *arguments], check=True, capture_output=True, text=True)
        return json.loads(found.stdout)

    def check(self, what: str, ours, theirs, bound: float) -> None:
        if ours is None or not abs(ours - theirs) <= bound:
            self.wrong.append(f"{what}: {ours} is not {theirs}")

    def evaluate(self, qrels_path: Path, paths: list[Path], measures: list[str]) -> dict[Path, dict[str, np.ndarray]]:
        """Every value of every topic; theirs, by run and measure."""
        arguments = ["--qrels", str(qrels_path), "--run", *map(str, paths), "--metrics", *measures]
        ours = {Path(each["run"]): each["by_query"] for each in self.run("evaluate", *arguments, "--json", "--by-query")}
        qrels = list(ir_measures.read_trec_qrels(str(qrels_path)))
        parsed = [ir_measures.parse_measure(name) for name in measures]
        result = {}
        for path in paths:
            values = {name: {} for name in measures}
            for each in ir_measures.calc(parsed, qrels, ir_measures.read_trec_run(str(path))).per_query:
                name = str(each.measure)
                values[name][each.query_id] = each.value
                found = ours[path].get(each.query_id, {}).get(name)
                self.check(f"{path.name} {name} of {each.query_id}", found, each.value, tolerance(name))
                self.triples += 1
                if found is not None and tolerance(name) == MEASURES:
                    self.largest = max(self.largest, abs(found - each.value))
            result[path] = {name: np.array([v for _, v in sorted(topics.items())]) for name, topics in values.items()}
        return result

    def compare(self, dataset: str, qrels: Path, values: dict[Path, dict[str, np.ndarray]]) -> None:
        paths = list(values)
        baseline = next(path for path in paths if path.stem == BASELINE)
        for correction in ("holm", "bonferroni"):
            arguments = ["--qrels", str(qrels), "--run", *map(str, paths), "--metrics", *COMPARED, "--resamples", "10"]
            arguments += ["--baseline", BASELINE, "--correction", correction, "--format", "json"]
            columns = {column["measure"]: column["values"] for column in self.run("compare", *arguments)["columns"]}
            for measure in COMPARED:
                others = [path for path in paths if path != baseline]
                ps = [stats.ttest_rel(values[path][measure], values[baseline][measure]).pvalue for path in others]
                corrected = multipletests(ps, method=correction)[1]
                if correction == "holm":
                    print(f"\n{dataset}, {measure} against {BASELINE}: rank-distillm | ir_measures, scipy, statsmodels")
                for path, p, p_corrected in zip(others, ps, corrected):
                    name = path.name.removesuffix(".gz").removesuffix(".run")
                    [value] = [each for each in columns[measure] if each["system"] == name]
                    ours, theirs = value["difference"], values[path][measure] - values[baseline][measure]
                    effect = theirs.mean() / theirs.std(ddof=1)
                    counts = [int((theirs > 0).sum()), int((theirs == 0).sum()), int((theirs < 0).sum())]
                    for what, a, b in (
                        ("mean", value["mean"], values[path][measure].mean()),
                        ("difference", ours["mean"], theirs.mean()),
                        ("p", ours["p"], p),
                        (f"p, {correction}", ours["pCorrected"], p_corrected),
                        ("effect", ours["effect"], effect),
                        *zip(("wins", "ties", "losses"), (ours["wins"], ours["ties"], ours["losses"]), counts),
                    ):
                        self.check(f"{dataset} {name} {measure} {what}", a, b, TESTS if what != "effect" else 1e-7)
                    if correction == "holm":
                        mine = f"{value['mean']:.6f} {ours['mean']:+.6f} p {ours['p']:.3e} {ours['pCorrected']:.3e}"
                        other = f"{values[path][measure].mean():.6f} {theirs.mean():+.6f} p {p:.3e} {p_corrected:.3e}"
                        print(f"  {name:52} {mine} | {other}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--rank-distillm", nargs="+", default=["node", str(ROOT / "dist/cli/main.js")])
    given = parser.parse_args()
    golden = json.loads((ROOT / "test/evaluate/golden/runs.json").read_text(encoding="utf8"))
    measures = list(next(iter(golden.values()))["mean"])
    parity = Parity(given.rank_distillm)
    runs = 0
    for year in ("2020", "2021"):
        dataset = f"trec-dl-{year}"
        paths = sorted((given.data / dataset / "runs").glob("*.run"))
        paths += sorted((given.data / "first-stage-runs").glob(f"*{dataset}*.run.gz"))
        runs += len(paths)
        qrels = given.data / dataset / "qrels.txt"
        parity.compare(dataset, qrels, parity.evaluate(qrels, paths, measures))
    print(f"\n{parity.triples} (run, measure, query) triples of {runs} runs and {len(measures)} measures, largest difference "
          f"{parity.largest:.1e} (ERR and exp-log2, printed with five digits, apart)")
    print(f"{len(parity.wrong)} figures differ", *parity.wrong[:20], sep="\n  ")
    sys.exit(1 if parity.wrong else 0)


if __name__ == "__main__":
    main()
