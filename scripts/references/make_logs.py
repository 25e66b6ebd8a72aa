"""Writes test/report/golden: one invented log as Lightning's CSVLogger and TensorBoard's own record writer store it.

usage: python scripts/references/make_logs.py                 writes the files
       python scripts/references/make_logs.py read FOLDER     prints the scalars that TensorBoard reads there, as JSON

Needs lightning==2.6.6 and tensorboard==2.21.0.

log.json      what was logged: wall time, step, metrics
metrics.csv   CSVLogger's file
events        the same as event file: a first event of version 2, then an event per scalar
resumed       the head of a file that goes on after step 20: SessionLog START, as SummaryWriter(purge_step=21) writes it
"""

import json
import sys
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[2] / "test" / "report" / "golden"

LOG = [
    (1700000000.0, 0, {"epoch": 0, "loss": 0.6931471805599453, "RankNet": 0.6931471805599453}),
    (1700000001.5, 10, {"epoch": 0, "loss": 0.1 + 0.2, "RankNet": 1e-7, "lr-AdamW": 3e-05}),
    (1700000002.25, 20, {"epoch": 0, "msmarco-passage/trec-dl-2020/nDCG@10": 0.7156312, "a,b \"c\"": -2.5}),
    (1700000003.125, 20, {"epoch": 0, "loss": float("nan"), "RankNet": float("inf")}),
    (1700000004.0, 300, {"epoch": 1, "loss": 123456789.125, "lr-AdamW": 0.0}),
    (1700000005.0, 70000, {"epoch": 2, "Straße/nDCG@10": 1 / 3}),
]


def write():
    from lightning.pytorch.loggers import CSVLogger
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    GOLDEN.mkdir(parents=True, exist_ok=True)
    words = json.dumps([{"wallTime": t, "step": s, "metrics": m} for t, s, m in LOG], ensure_ascii=False)
    # JSON has neither
    (GOLDEN / "log.json").write_text(words.replace("NaN", '"nan"').replace("Infinity", '"inf"') + "\n")

    with tempfile.TemporaryDirectory() as folder:
        logger = CSVLogger(folder, name="", version="log", flush_logs_every_n_steps=1)
        for _, step, metrics in LOG:
            logger.log_metrics(metrics, step)
        logger.finalize("success")
        (GOLDEN / "metrics.csv").write_bytes(Path(folder, "log", "metrics.csv").read_bytes())

    with open(GOLDEN / "events", "wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=LOG[0][0], file_version="brain.Event:2").SerializeToString())
        for wall_time, step, metrics in LOG:
            for tag, value in metrics.items():
                summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
                writer.write(Event(wall_time=wall_time, step=step, summary=summary).SerializeToString())

    with open(GOLDEN / "resumed", "wb") as file:
        writer = RecordWriter(file)
        wall_time = LOG[0][0]
        writer.write(Event(wall_time=wall_time, step=21, file_version="brain.Event:2").SerializeToString())
        session = SessionLog(status=SessionLog.START)
        writer.write(Event(wall_time=wall_time, step=21, session_log=session).SerializeToString())


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(folder, size_guidance={"scalars": 0})
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    print(json.dumps({tag: [[e.step, str(e.value)] for e in accumulator.Scalars(tag)] for tag in tags}))


if __name__ == "__main__":
    read(sys.argv[2]) if sys.argv[1:2] == ["read"] else write()
