"""infinity-emb's server (sentence-transformers with dynamic batching) on a free port of loopback, for bench/serve.ts.

  python server.py BACKBONE

Gives the backbone of random weights a head that sentence-transformers knows, and prints a line of JSON when it listens.
"""

import json
import logging
import os
import socket
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

# before the import: nothing is to be sent anywhere
os.environ.update({"INFINITY_ANONYMOUS_USAGE_STATS": "0", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"})

import infinity_emb.infinity_server as infinity
import uvicorn
from infinity_emb import EngineArgs
from make_models import make_classification


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        port = sockets[0].getsockname()[1]
        print(json.dumps({"port": port, "name": f"infinity-emb {version('infinity-emb')}", "model": NAME}), flush=True)


NAME = "bench"

with tempfile.TemporaryDirectory() as folder:
    make_classification(sys.argv[1], Path(folder))
    engine = EngineArgs(
        model_name_or_path=f"{folder}/classification",
        served_model_name=NAME,
        engine="torch",
        device="cpu",
        dtype="float32",
        compile=False,
        bettertransformer=False,
        batch_size=32,
    )
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = infinity.create_server(engine_args_list=[engine])
    logging.disable(logging.INFO)
    Server(uvicorn.Config(app, log_level="warning")).run([listener])
