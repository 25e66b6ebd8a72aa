"""sentence-transformers' CrossEncoder.predict on texts: it tokenizes and sorts by length itself."""

import sentence_transformers
import torch
from serve import serve


def load(options):
    torch.set_num_threads(options["threads"])
    model = sentence_transformers.CrossEncoder(
        options["folder"], device="cpu", activation_fn=torch.nn.Identity(), local_files_only=True
    )

    def score(pairs, batch):
        texts = [(pair["query"], pair["document"]) for pair in pairs]
        return model.predict(texts, batch_size=batch, show_progress_bar=False)

    return sentence_transformers.__version__, score


serve(load)
