"""Event files by PyPI's `tensorboard`, or what it reads in one.

Usage: python tfevents.py write FILE   writes the committed one (tests/fixtures/scalars.tfevents)
       python tfevents.py read FOLDER  prints {tag: [[step, value], …]} of the event files there
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

STEPS = [
    (1700000000.5, 0, {"total": 2.5, "accuracy/closest": 0.25}),
    (1700000060.0, 3000, {"total": -1e-3, "größe": 7}),
]


def write(file):
    with open(file, "wb") as out:
        writer = RecordWriter(out)
        writer.write(Event(wall_time=1700000000.0, file_version="brain.Event:2").SerializeToString())
        for time, step, scalars in STEPS:
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
            event = Event(wall_time=time, step=step, summary=Summary(value=values))
            writer.write(event.SerializeToString(deterministic=True))
        writer.flush()


def read(folder):
    events = EventAccumulator(folder)
    events.Reload()
    tags = events.Tags()["scalars"]
    json.dump({tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags}, sys.stdout)


{"write": write, "read": read}[sys.argv[1]](sys.argv[2])
