"""Writes the expected values of test/compare/: runs compared with ir_measures, scipy and statsmodels.

Needs: pip install ir-measures pytrec-eval-terrier scipy statsmodels
Usage: python scripts/references/compare.py <folder of the shared data> test/compare/golden

runs.json   every run of the shared data against bm25: dataset -> measure -> run -> tests
tests.json  made-up differences with their t-tests, randomization tests, bootstrap intervals and corrections
"""

import json
import sys
from pathlib import Path

import ir_measures
import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

RESAMPLES = 100_000


def p_of(differences):
    return 1.0 if not np.any(differences) else float(stats.ttest_1samp(differences, 0).pvalue)


def resampled(differences):
    zeros = np.zeros_like(differences)
    permutation = stats.permutation_test(
        (differences, zeros), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples",
        n_resamples=RESAMPLES, vectorized=True, rng=np.random.default_rng(1), batch=1000,
    )
    interval = stats.bootstrap(
        (differences,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(2), batch=1000
    ).confidence_interval
    return {"pRandomization": float(permutation.pvalue), "interval": [float(interval.low), float(interval.high)]}


def corrections(ps):
    return {name: multipletests(ps, method=name)[1].tolist() for name in ("holm", "bonferroni")}


def shared_runs(data):
    result = {}
    for year in ("2020", "2021"):
        qrels = list(ir_measures.read_trec_qrels(str(data / f"trec-dl-{year}/qrels.txt")))
        paths = sorted((data / f"trec-dl-{year}" / "runs").glob("*.run"))
        paths += sorted((data / "first-stage-runs").glob(f"*trec-dl-{year}*.run.gz"))
        dataset = result[f"trec-dl-{year}"] = {"runs": [path.relative_to(data).as_posix() for path in paths]}
        for name in ("nDCG@10", "RR@10", "AP(rel=2)"):
            values = {}
            for path in paths:
                calculated = ir_measures.calc([ir_measures.parse_measure(name)], qrels, ir_measures.read_trec_run(str(path)))
                by_topic = sorted((each.query_id, each.value) for each in calculated.per_query)
                values[path.relative_to(data).as_posix()] = np.array([value for _, value in by_topic])
            baseline = values[f"trec-dl-{year}/runs/bm25.run"]
            others = {run: each - baseline for run, each in values.items() if each is not baseline}
            ps = [stats.ttest_rel(values[run], baseline).pvalue for run in others]
            corrected = corrections(ps)
            dataset[name] = {
                run: {
                    "mean": float(np.mean(values[run])), "difference": float(np.mean(differences)), "p": float(p),
                    "holm": corrected["holm"][i], "bonferroni": corrected["bonferroni"][i],
                    "effect": float(np.mean(differences) / np.std(differences, ddof=1)),
                    "wins": int(np.sum(differences > 0)), "ties": int(np.sum(differences == 0)),
                    **(resampled(differences) if name == "nDCG@10" else {}),
                }
                for i, ((run, differences), p) in enumerate(zip(others.items(), ps))
            }
    return result


def made_up():
    rng = np.random.default_rng(5)
    cases = [rng.normal(shift, 0.2, n).round(4) for n in (2, 3, 7, 12, 40, 500) for shift in (0, 0.02, 0.3)]
    cases += [np.array([0.1, 0.1, 0.1, 0.1001]), np.array([0.0, 0.0, 0.5]), np.array([1e-9, -2e-9, 3e-9, 1e-9]), np.zeros(5)]
    tests = [{"differences": each.tolist(), "p": p_of(each), **(resampled(each) if len(each) > 2 else {})} for each in cases]
    families = [rng.uniform(0, 0.2, n).round(6).tolist() for n in (1, 2, 5, 20)] + [[0.01, 0.01, 0.04, 1.0, 0.0]]
    return {"tests": tests, "corrections": [{"ps": ps, **corrections(ps)} for ps in families]}


if __name__ == "__main__":
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for name, content in (("runs", shared_runs(data)), ("tests", made_up())):
        (out / f"{name}.json").write_text(json.dumps(content) + "\n")
