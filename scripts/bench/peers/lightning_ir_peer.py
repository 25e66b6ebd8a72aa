"""lightning-ir's CrossEncoderModule.score on texts, in the order given; bf16 is Lightning's bf16-mixed: autocast."""

from importlib.metadata import version

import torch
from lightning_ir import CrossEncoderModule
from serve import serve


def load(options):
    torch.set_num_threads(options["threads"])
    module = CrossEncoderModule(model_name_or_path=options["folder"]).eval()

    @torch.inference_mode()
    def score(pairs, batch):
        scores = []
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options["precision"] == "bfloat16"):
            for start in range(0, len(pairs), batch):
                chosen = pairs[start : start + batch]
                output = module.score([pair["query"] for pair in chosen], [[pair["document"]] for pair in chosen])
                scores.extend(output.scores.flatten().float().tolist())
        return scores

    return version("lightning-ir"), score


serve(load)
