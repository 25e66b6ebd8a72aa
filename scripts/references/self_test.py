"""Writes the token ids and scores of configs/self-test/golden.json, the case that `rank-distillm doctor` computes.

    venv/bin/python scripts/references/self_test.py

The model is in no file: its weights follow from the names of its tensors, see `values`, which src/doctor/self-test.ts has too.
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy
import torch
import transformers
from common import ROOT, read, write_lines
from lightning_ir import CrossEncoderModule
from safetensors.numpy import save_file
from transformers import ElectraConfig, ElectraModel

FOLDER = ROOT / "configs" / "self-test"
GOLDEN = FOLDER / "golden.json"


def values(name: str, shape: list[int]) -> numpy.ndarray:
    """Numbers of a linear congruential generator, seeded with the FNV-1a hash of the name, in [-0.25, 0.25)."""
    state = 0x811C9DC5
    for byte in name.encode():
        state = (state ^ byte) * 0x01000193 % 2**32
    numbers = []
    for _ in range(int(numpy.prod(shape))):
        state = (state * 1664525 + 1013904223) % 2**32
        numbers.append(((state >> 8) / 2**24 - 0.5) / 2)
    centre = 1 if name.endswith("LayerNorm.weight") else 0
    return (numpy.array(numbers) + centre).astype(numpy.float32).reshape(shape)


def module_of(golden: dict) -> CrossEncoderModule:
    encoder, encoding, head = (golden[name] for name in ("encoder", "pairEncoding", "head"))
    config = {
        "vocab_size": encoder["vocabSize"],
        "embedding_size": encoder["embeddingSize"],
        "hidden_size": encoder["hiddenSize"],
        "num_hidden_layers": encoder["layers"],
        "num_attention_heads": encoder["heads"],
        "intermediate_size": encoder["intermediateSize"],
        "max_position_embeddings": encoder["maxPositions"],
        "type_vocab_size": encoder["typeVocabSize"],
        "layer_norm_eps": encoder["layerNormEps"],
        "hidden_act": encoder["activation"],
    }
    shapes = {name: list(value.shape) for name, value in ElectraModel(ElectraConfig(**config)).state_dict().items()}
    shapes["linear.weight"] = [1, encoder["hiddenSize"]]
    weights = {name: values(name, shape) for name, shape in shapes.items() if "position_ids" not in name}
    mono = {
        "model_type": "mono",
        "architectures": ["MonoElectraModel"],
        "backbone_model_type": "electra",
        "pooling_strategy": head["pooling"],
        "linear_bias": head["output"]["bias"],
        "scoring_strategy": "rank",
        "query_length": encoding["queryLength"],
        "doc_length": encoding["docLength"],
        "dtype": "float32",
    }
    with tempfile.TemporaryDirectory() as name:
        for file in ("vocab.txt", "tokenizer_config.json"):
            shutil.copy(FOLDER / file, name)
        Path(name, "config.json").write_text(json.dumps({**config, **mono}))
        save_file(weights, Path(name, "model.safetensors"), {"format": "pt"})
        module = CrossEncoderModule(model_name_or_path=name).eval()
    for name, value in module.model.state_dict().items():
        assert torch.equal(value, torch.from_numpy(weights[name])), name
    return module


def scored(module: CrossEncoderModule, pair: dict) -> dict:
    encoding = module.prepare_input([pair["query"]], [pair["document"]], [1])["encoding"]
    return {
        "query": pair["query"],
        "document": pair["document"],
        "input_ids": encoding["input_ids"][0].tolist(),
        "token_type_ids": encoding["token_type_ids"][0].tolist(),
        "score": module.model.forward(encoding).scores[0].item(),
    }


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    golden = read(GOLDEN)
    module = module_of(golden)
    pairs = [scored(module, pair) for pair in golden.pop("pairs")]
    golden["source"] = f"lightning-ir 0.0.6, transformers {transformers.__version__}, torch {torch.__version__}"
    write_lines(GOLDEN, pairs, f'{json.dumps(golden)[:-1]}, "pairs": [', "]}")
