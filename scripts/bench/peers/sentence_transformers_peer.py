"""sentence-transformers' CrossEncoder.predict on texts: it tokenizes and sorts by length itself. bf16 has bf16 weights."""

import sentence_transformers
import torch
from serve import serve


def load(options):
    torch.set_num_threads(options["threads"])
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[options["precision"]]
    model = sentence_transformers.CrossEncoder(
        options["folder"],
        device=options["device"],
        activation_fn=torch.nn.Identity(),
        local_files_only=True,
        model_kwargs={"dtype": dtype},
    )

    def score(pairs, batch):
        texts = [(pair["query"], pair["document"]) for pair in pairs]
        # as a tensor: its way to numpy copies every score from the GPU by itself
        scores = model.predict(texts, batch_size=batch, show_progress_bar=False, convert_to_tensor=True)
        return scores.float().cpu().numpy()

    return sentence_transformers.__version__, score


serve(load)
