"""ONNX Runtime on ready token ids; the files are make_models.py's."""

import onnxruntime
from batches import score_in_batches
from serve import serve

FILES = {"float32": "model.onnx", "int8": "model_quantized.onnx"}


def load(options):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options["threads"]
    settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        f"{options['folder']}/onnx/{FILES[options['precision']]}", settings, providers=["CPUExecutionProvider"]
    )

    def score(pairs, batch):
        return score_in_batches(pairs, batch, options["sorted"], lambda inputs: session.run(None, inputs)[0][:, 0])

    return onnxruntime.__version__, score


serve(load)
