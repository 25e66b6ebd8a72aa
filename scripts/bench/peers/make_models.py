"""Gives a backbone of random weights the heads that the peers have.

  python make_models.py BACKBONE OUT PART...

Parts: `mono`, OUT/mono, is lightning-ir's; `classification`, OUT/classification, is what transformers and
sentence-transformers run; `onnx` exports it: onnx/model.onnx (ops fused by ONNX Runtime's optimizer for BERT) and
onnx/model_quantized.onnx (the same, dynamic int8), names that transformers.js looks for. Each part needs its own libraries.
"""

import sys
from pathlib import Path

import torch
from transformers import AutoTokenizer, ElectraForSequenceClassification

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]

# As transformers initialises, all pairs get nearly the same score: a comparison of scores would show little.
LAYER_SCALE = 3


@torch.no_grad()
def with_scaled_layers(model):
    for name, parameter in model.named_parameters():
        if "encoder.layer." in name and parameter.ndim == 2:
            parameter.mul_(LAYER_SCALE)
    return model


def make_mono(backbone, out):
    from lightning_ir import CrossEncoderModule
    from lightning_ir.models import MonoConfig

    module = CrossEncoderModule(model_name_or_path=str(backbone), config=MonoConfig(query_length=32, doc_length=256))
    with_scaled_layers(module.model)
    module.save_pretrained(out / "mono")


def make_classification(backbone, out):
    model = with_scaled_layers(ElectraForSequenceClassification.from_pretrained(backbone, num_labels=1).eval())
    model.save_pretrained(out / "classification")
    AutoTokenizer.from_pretrained(backbone).save_pretrained(out / "classification")


def make_onnx(_, out):
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer

    folder = out / "classification" / "onnx"
    folder.mkdir(exist_ok=True)
    plain, fused, quantized = (folder / f"{name}.onnx" for name in ("plain", "model", "model_quantized"))
    model = ElectraForSequenceClassification.from_pretrained(out / "classification").eval()
    ids = torch.full((2, 16), 1000)
    torch.onnx.export(
        model,
        (ids, torch.ones_like(ids), torch.zeros_like(ids)),
        str(plain),
        input_names=INPUTS,
        output_names=["logits"],
        dynamic_axes={**{name: {0: "batch", 1: "tokens"} for name in INPUTS}, "logits": {0: "batch"}},
        opset_version=17,
        dynamo=False,  # the optimizer knows the graphs of this exporter
    )
    config = model.config
    optimizer.optimize_model(
        str(plain), model_type="bert", num_heads=config.num_attention_heads, hidden_size=config.hidden_size, opt_level=0
    ).save_model_to_file(str(fused))
    plain.unlink()
    # The fused ops are ONNX Runtime's own, for which onnx infers no types: all of them give float32.
    types = {"weight_type": QuantType.QInt8, "extra_options": {"DefaultTensorType": onnx.TensorProto.FLOAT}}
    quantize_dynamic(str(fused), str(quantized), **types)


PARTS = {"mono": make_mono, "classification": make_classification, "onnx": make_onnx}

for part in sys.argv[3:]:
    torch.manual_seed(1)
    PARTS[part](Path(sys.argv[1]), Path(sys.argv[2]))
