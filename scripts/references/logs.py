"""Writes test/report/golden: the log of log.json as Lightning's CSVLogger and TensorBoard's own record writer store it.

usage: python scripts/references/logs.py                 writes the files
       python scripts/references/logs.py read FOLDER     prints the scalars that TensorBoard reads there, as JSON

Needs lightning==2.6.6 and tensorboard==2.21.0.

metrics.csv   CSVLogger's file
events        an event file: a first event of version 2, then an event per scalar
resumed       the head of a file that goes on after step 20: SessionLog START, as SummaryWriter(purge_step=21) writes it
"""

import json
import sys
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[2] / "test" / "report" / "golden"


def write() -> None:
    from lightning.pytorch.loggers import CSVLogger
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    # JSON has neither NaN nor infinity: they are words there
    number = lambda value: float(value) if isinstance(value, str) else value
    read = json.loads((GOLDEN / "log.json").read_text(encoding="utf8"))
    log = [(e["wallTime"], e["step"], {k: number(v) for k, v in e["metrics"].items()}) for e in read]

    with tempfile.TemporaryDirectory() as folder:
        logger = CSVLogger(folder, name="", version="log", flush_logs_every_n_steps=1)
        for _, step, metrics in log:
            logger.log_metrics(metrics, step)
        logger.finalize("success")
        (GOLDEN / "metrics.csv").write_bytes(Path(folder, "log", "metrics.csv").read_bytes())

    def write_events(name: str, events) -> None:
        with open(GOLDEN / name, "wb") as file:
            writer = RecordWriter(file)
            for event in events:
                writer.write(event.SerializeToString())

    start = log[0][0]
    version = "brain.Event:2"
    scalars = [
        Event(wall_time=time, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))
        for time, step, metrics in log
        for tag, value in metrics.items()
    ]
    write_events("events", [Event(wall_time=start, file_version=version), *scalars])
    session = SessionLog(status=SessionLog.START)
    first = Event(wall_time=start, step=21, file_version=version)
    write_events("resumed", [first, Event(wall_time=start, step=21, session_log=session)])


def read(folder: str) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(folder, size_guidance={"scalars": 0})
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    print(json.dumps({tag: [[e.step, str(e.value)] for e in accumulator.Scalars(tag)] for tag in tags}))


if __name__ == "__main__":
    read(sys.argv[2]) if sys.argv[1:2] == ["read"] else write()
