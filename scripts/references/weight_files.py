"""Writes test/models/golden/: weight files by torch and safetensors themselves, good ones and hostile ones, and in values.json
what the tensors of the good ones are."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict

import torch
from common import TEST, write
from safetensors.torch import save_file

OUT = TEST / "models" / "golden"


class Calls:
    """Unpickled by Python, it would call `function(*arguments)`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def state_dict() -> OrderedDict:
    shared = torch.arange(24, dtype=torch.float32) / 8
    values = OrderedDict(
        {
            "float64": torch.tensor([[1.5, -2.25], [1e300, 0.0]], dtype=torch.float64),
            "float32": torch.nn.Parameter(torch.tensor([0.1, -3.0e38, 1.0e-40])),
            "float16": torch.tensor([[[1.0], [65504.0], [-6.0e-8]]], dtype=torch.float16),
            "bfloat16": torch.tensor([1.0, -3.0e38, 0.00390625], dtype=torch.bfloat16),
            "tied": shared.view(4, 6),
            "tied.rows": shared.view(4, 6)[1:3],  # the same storage, from element 6
            "position_ids": torch.arange(5)[None],
            "scalar": torch.tensor(7.0),
            "empty": torch.zeros(0, 3),
        }
    )
    values._metadata = OrderedDict({"": {"version": 1}, "layer": {"version": 2}})
    return values


def write_zip(name: str, pickled: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(OUT / name, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")


def legacy_pickles(payload: object) -> bytes:
    out = io.BytesIO()
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    for value in (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, system, payload, []):
        pickle.dump(value, out, protocol=2)
    return out.getvalue()


values = state_dict()
torch.save(values, OUT / "zip.bin")
torch.save(values, OUT / "zip-protocol-4.bin", pickle_protocol=4)
torch.save(values, OUT / "legacy.bin", _use_new_zipfile_serialization=False)
torch.save({"w": torch.arange(6.0).view(2, 3).T}, OUT / "transposed.bin")
torch.save({"model": {"w": torch.zeros(2)}, "step": 3}, OUT / "training-checkpoint.bin")
torch.save(torch.nn.Linear(2, 2), OUT / "whole-module.bin")
save_file({k: v.detach().clone() for k, v in values.items()}, OUT / "plain.safetensors", {"format": "pt"})

# each would leave a trace if anything of it ran
evil = "touch rank-distillm-was-here"
(OUT / "evil-legacy.bin").write_bytes(legacy_pickles({"w": Calls(os.system, evil)}))
(OUT / "evil-protocol-0.bin").write_bytes(pickle.dumps(Calls(os.system, evil), protocol=0))
(OUT / "evil-first.bin").write_bytes(pickle.dumps(Calls(eval, "1/0"), protocol=2))
write_zip("evil-zip.bin", pickle.dumps({"w": Calls(eval, "1/0")}, protocol=2))
write_zip("evil-stack-global.bin", pickle.dumps({"w": Calls(exec, "1/0")}, protocol=4))
write_zip("bomb.bin", b"\0" * 50_000_000, zipfile.ZIP_DEFLATED)

described = {
    name: {
        "dtype": str(value.dtype).removeprefix("torch."),
        "shape": list(value.shape),
        "values": value.double().flatten().tolist(),
    }
    for name, value in values.items()
}
write(OUT / "values.json", described, indent=1)
