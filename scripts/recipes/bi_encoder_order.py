"""Puts a run in the order of an encoder used as a bi-encoder: cosine of the mean of the last hidden states.

Needs: pip install transformers safetensors (and torch)
Usage: python scripts/recipes/bi_encoder_order.py ENCODER COLLECTION QUERIES RUN OUT [--doc-length 64] [--threads N]

The scores of OUT are cosines times 20, the scale that sentence-transformers trains this encoder with.
"""

import argparse
import os
from collections import defaultdict

import torch
from transformers import AutoModel, AutoTokenizer

SCALE = 20.0


def read_tsv(path):
    with open(path, encoding="utf-8") as lines:
        return dict(line.rstrip("\n").split("\t", 1) for line in lines)


@torch.inference_mode()
def embed(model, tokenizer, texts, length, batch_size=64):
    """[texts, hidden], each of norm 1. Texts of like length go together."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    result = torch.empty(len(texts), model.config.hidden_size)
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        batch = tokenizer([texts[i] for i in part], truncation=True, max_length=length, padding=True, return_tensors="pt")
        hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        result[part] = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("encoder", "collection", "queries", "run", "out"):
        parser.add_argument(name)
    parser.add_argument("--doc-length", type=int, default=64)
    parser.add_argument("--query-length", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.encoder)
    model = AutoModel.from_pretrained(args.encoder).eval()
    run = defaultdict(list)
    with open(args.run, encoding="utf-8") as lines:
        for line in lines:
            query_id, _, doc_id, *_ = line.split()
            run[query_id].append(doc_id)
    sides = []
    for path, length in ((args.queries, args.query_length), (args.collection, args.doc_length)):
        texts = read_tsv(path)
        vectors = embed(model, tokenizer, list(texts.values()), length + 2)
        sides.append(dict(zip(texts, vectors)))
    queries, docs = sides
    with open(args.out + ".tmp", "w", encoding="utf-8") as out:
        for query_id, doc_ids in run.items():
            scores = (torch.stack([docs[doc_id] for doc_id in doc_ids]) @ queries[query_id] * SCALE).tolist()
            ranked = sorted(zip(doc_ids, scores), key=lambda pair: -pair[1])
            for rank, (doc_id, score) in enumerate(ranked, 1):
                out.write(f"{query_id} Q0 {doc_id} {rank} {score:.6f} bi-encoder\n")
    os.replace(args.out + ".tmp", args.out)


if __name__ == "__main__":
    main()
