"""Runs the recipe's second stage with lightning-ir: the same configurations, data and seeds, from the same first stage.

Needs: pip install lightning-ir==0.0.6 (with ir-measures), and `tsx scripts/recipes/distil-minilm.ts --prepare-only`
Usage, from the checkout's top folder: python scripts/recipes/lightning_ir_peer.py [--seeds 1,2,3] [--threads N] [--held-out]

Writes to build/recipes/minilm/peer-seed-N and prints nDCG@10 of the re-ranked runs.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, stdev

import ir_measures

WORK = Path("build/recipes/minilm")
CONFIGS = Path("configs/recipes")
FIRST_STAGES = ("bm25", "splade-pp")


def lightning_ir(threads, *args):
    """Runs lightning-ir's command line in a process of its own with the given number of threads."""
    code = f"import torch; torch.set_num_threads({threads}); from lightning_ir.main import main; main()"
    subprocess.run([sys.executable, "-c", code, *map(str, args)], check=True)


def train(folder, seed, threads, held_out):
    """Runs the second stage; the folder of its model."""
    start = time.time()
    names = ["distil", "distil-held-out"] if held_out else ["distil"]
    configs = [arg for name in names for arg in ("--config", CONFIGS / f"minilm-{name}.yaml")]
    lightning_ir(threads, "fit", *configs, "--trainer.default_root_dir", folder, "--seed_everything", seed)
    print(f"seed {seed}: trained in {time.time() - start:.0f} s", flush=True)
    versions = sorted((folder / "lightning_logs").glob("version_*"), key=lambda path: int(path.name[8:]))
    return versions[-1] / "huggingface_checkpoint"


def train_and_re_rank(seed, threads, held_out):
    folder = WORK / f"peer-{'held-out-' if held_out else ''}seed-{seed}"
    model = train(folder, seed, threads, held_out)
    config = CONFIGS / f"minilm-re-rank{'-held-out' if held_out else ''}.yaml"
    runs = folder / "runs"
    options = ["--model.model_name_or_path", model, "--trainer.callbacks.init_args.save_dir", runs]
    lightning_ir(threads, "re_rank", "--config", config, *options)
    return runs


def ndcg(run, dataset):
    qrels = list(ir_measures.read_trec_qrels(str(WORK / "data" / f"{dataset}.qrels")))
    return ir_measures.calc_aggregate([ir_measures.nDCG @ 10], qrels, ir_measures.read_trec_run(str(run)))[
        ir_measures.nDCG @ 10
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--held-out", action="store_true")
    args = parser.parse_args()
    dataset = "dl-2020-held-out" if args.held_out else "dl-2021"
    folders = [train_and_re_rank(seed, args.threads, args.held_out) for seed in args.seeds.split(",")]
    for first_stage in FIRST_STAGES:
        file = f"__{first_stage}__{dataset}.run"
        values = [ndcg(folder / file, dataset) for folder in folders]
        deviation = stdev(values) if len(values) > 1 else 0.0
        each = " ".join(f"{value:.4f}" for value in values)
        print(f"{dataset} {first_stage}: nDCG@10 {each} mean {mean(values):.4f} deviation {deviation:.4f}")


if __name__ == "__main__":
    main()
