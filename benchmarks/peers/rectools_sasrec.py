"""RecTools' SASRec: its own data preparation, its own Lightning loop, its own recommendations."""

from __future__ import annotations

import logging
import warnings
from importlib.metadata import version

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import numpy as np  # noqa: E402  # warnings are silenced first
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from meter import Data, Job, K, Meter, Sequences, save_lists, tell  # noqa: E402
from pytorch_lightning import Callback, Trainer  # noqa: E402
from rectools.dataset import Dataset  # noqa: E402
from rectools.models import SASRecModel  # noqa: E402

EPOCHS = 100_000
"""More than any budget of time holds: the clock ends training."""


class Clock(Callback):  # type: ignore[misc]
    """Counts the targets of a batch that are not padding, and ends training when the time is over."""

    def __init__(self, cpu_seconds: float) -> None:
        self.cpu_seconds = cpu_seconds
        self.meter = Meter(cpu_seconds)

    def __deepcopy__(self, memo):  # type: ignore[no-untyped-def]
        return self  # RecTools trains with a copy of the trainer; the count shall be seen here

    def on_train_start(self, trainer, module):  # type: ignore[no-untyped-def]  # noqa: ARG002
        self.meter = Meter(self.cpu_seconds)

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):  # type: ignore[no-untyped-def]  # noqa: ARG002
        if self.meter.add(int((batch["y"] != 0).sum())):
            trainer.should_stop = True


def main() -> None:
    job = Job.read()
    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    data = Data.load(job.data)
    clock = Clock(job.cpu_seconds)

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=EPOCHS,
            min_epochs=0,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[clock],
        )

    model = SASRecModel(session_max_len=job.max_length, get_trainer_func=trainer, **job.settings)
    model.fit(Dataset.construct(frame(data.train)))
    if job.out:
        export(model, data, job.out)
    tell("RecTools SASRec", version("rectools"), **clock.meter.found())


def frame(sequences: Sequences) -> pd.DataFrame:
    """Sequences as the interactions that RecTools reads; the place in a sequence stands for the time."""
    return pd.DataFrame(
        {
            "user_id": sequences.owner,
            "item_id": sequences.item,
            "weight": 1.0,
            "datetime": pd.Timestamp("2020-01-01") + pd.to_timedelta(sequences.place, unit="s"),
        }
    )


def export(model: SASRecModel, data: Data, path: str) -> None:
    """Recommend for every history with what RecTools offers for it."""
    users = np.arange(len(data.histories))
    found = model.recommend(
        users,
        Dataset.construct(frame(data.histories)),
        k=K,
        filter_viewed=data.exclude,
        on_unsupported_targets="ignore",
    )
    items = np.full((len(users), K), -1, np.int32)
    scores = np.full((len(users), K), -np.inf, np.float32)
    user, rank = found["user_id"].to_numpy(np.int64), found["rank"].to_numpy(np.int64) - 1
    items[user, rank] = found["item_id"].to_numpy(np.int32)
    scores[user, rank] = found["score"].to_numpy(np.float32)
    save_lists(path, items, scores)


if __name__ == "__main__":
    main()
