"""The official GRU4Rec (Hidasi et al.), from a checkout of its own repository: `gru4rec_pytorch.py`."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from meter import Data, Job, Meter, Sequences, masked_top, save_lists, tell

EPOCHS = 100_000
"""More than any budget of time holds: the clock ends training."""

QUESTIONS = 512


class TimeIsOverError(Exception):
    """Ends training from within GRU4Rec's loop."""


def main() -> None:
    job = Job.read()
    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    data = Data.load(job.data)
    official = imported(job.source)
    meter = Meter(job.cpu_seconds)
    official.SessionDataIterator = counting(official.SessionDataIterator, meter)
    gru = official.GRU4Rec(device=torch.device("cpu"), n_epochs=EPOCHS, **job.settings)
    with suppress(TimeIsOverError):
        gru.fit(frame(data.train), compatibility_mode=False)
    if job.out:
        export(gru, data, job)
    tell("official GRU4Rec", digest(job.source), **meter.found())


def imported(source: str | None) -> Any:
    """The module of the checkout."""
    if source is None or not (Path(source) / "gru4rec_pytorch.py").is_file():
        sys.exit(f"expected a checkout with gru4rec_pytorch.py, got {source}; name it by --gru4rec")
    sys.path.insert(0, source)
    import gru4rec_pytorch

    return gru4rec_pytorch


def digest(source: str | None) -> str:
    """What stands for a version: the digest of the file that was run."""
    return hashlib.sha256((Path(source or "") / "gru4rec_pytorch.py").read_bytes()).hexdigest()[:10]


def counting(iterator: type, meter: Meter) -> type:
    """The iterator of the checkout, counting a batch when the next is asked for: its weights have moved by then."""

    class Counting(iterator):  # type: ignore[misc]
        def __iter__(self) -> Iterator[Any]:
            for batch in super().__iter__():
                yield batch
                if len(batch) == 2 and meter.add(len(batch[0])):
                    raise TimeIsOverError

    return Counting


def frame(sequences: Sequences) -> pd.DataFrame:
    """Sequences of two and more as sessions; the place stands for the time."""
    table = pd.DataFrame({"SessionId": sequences.owner, "ItemId": sequences.item, "Time": sequences.place})
    return table[table.groupby("SessionId")["ItemId"].transform("size") > 1].reset_index(drop=True)


@torch.no_grad()
def export(gru: Any, data: Data, job: Job) -> None:
    """Run every history through the model step by step and score all items after the last."""
    model = gru.model.eval()
    row = gru.data_iterator.itemidmap.reindex(np.arange(data.n_items)).fillna(-1).to_numpy(np.int64)
    known = row >= 0
    items, scores = [], []
    for first in range(0, len(data.histories), QUESTIONS):
        asked = [data.histories[s] for s in range(first, min(first + QUESTIONS, len(data.histories)))]
        read = [rows[rows >= 0][-job.max_length :] for rows in (row[history] for history in asked)]
        theirs = after(model, read).numpy()
        block = np.where(known, theirs[:, np.maximum(row, 0)], np.float32(-np.inf))
        best, values = masked_top(block, asked, exclude=data.exclude)
        items.append(best)
        scores.append(values)
    save_lists(job.out or "", np.concatenate(items), np.concatenate(scores))


def after(model: Any, read: list[np.ndarray]) -> torch.Tensor:
    """Scores of all items after each list of rows; shape [n, n_items]."""
    states = [torch.zeros((len(read), width)) for width in model.layers]
    last = torch.zeros((len(read), model.layers[-1]))
    for step in range(max((len(rows) for rows in read), default=0)):
        going = [s for s, rows in enumerate(read) if len(rows) > step]
        inner = [state[going] for state in states]
        embedded, _, _ = model.embed(torch.tensor([read[s][step] for s in going]), inner, None)
        last[going] = model.hidden_step(embedded, inner)
        for state, moved in zip(states, inner, strict=True):
            state[going] = moved
    return model.score_items(last, model.Wy.weight, model.By.weight)


if __name__ == "__main__":
    main()
