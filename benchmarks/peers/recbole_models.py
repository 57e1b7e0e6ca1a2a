"""RecBole's sequential models: its own dataset with a row per prefix, its own trainer, its own full-sort scores."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import numpy as np  # noqa: E402  # warnings are silenced first
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from meter import Data, Job, Meter, Sequences, masked_top, save_lists, tell  # noqa: E402
from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset  # noqa: E402
from recbole.data.dataloader import TrainDataLoader  # noqa: E402
from recbole.data.interaction import Interaction  # noqa: E402
from recbole.utils import get_model, get_trainer, init_seed  # noqa: E402

QUESTIONS = 512
"""How many questions are scored at once."""


class TimeIsOverError(Exception):
    """Ends training from within RecBole's loop."""


def main() -> None:
    job = Job.read()
    data = Data.load(job.data)
    with tempfile.TemporaryDirectory() as folder:
        write(data.train, Path(folder) / "peer")
        config = configuration(job, folder)
        torch.set_num_threads(job.threads)
        init_seed(config["seed"], reproducibility=True)
        dataset = create_dataset(config)
        rows = dataset.build()[0]
    batches = TrainDataLoader(config, rows, None, shuffle=True)
    model = get_model(config["model"])(config, rows)
    found = trained(model, config, batches, Meter(job.cpu_seconds))
    if job.out:
        export(model, dataset, data, job)
    tell(f"RecBole {job.model}", version("recbole"), **found)


def write(sequences: Sequences, folder: Path) -> None:
    """Sequences as an atomic file; the place in a sequence stands for the time."""
    folder.mkdir()
    table = {
        "user_id:token": sequences.owner,
        "item_id:token": sequences.item,
        "timestamp:float": sequences.place,
    }
    pd.DataFrame(table).to_csv(folder / "peer.inter", sep="\t", index=False)


def configuration(job: Job, folder: str) -> Config:
    given = {
        "data_path": folder,
        "checkpoint_dir": folder,
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "MAX_ITEM_LIST_LENGTH": job.max_length,
        "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "group_by": "none", "order": "TO", "mode": "full"},
        "train_neg_sample_args": None,
        "use_gpu": False,
        "seed": job.seed,
        "torch_num_threads": job.threads,
        "show_progress": False,
        **job.settings,
    }
    return Config(model=job.model, dataset="peer", config_dict=given)


def trained(model: Any, config: Config, batches: TrainDataLoader, meter: Meter) -> dict[str, Any]:
    """Epochs of RecBole's own trainer until the time is over; a row is one real target."""
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    epoch, loss = 0, counted(model.calculate_loss, meter)
    try:
        while True:
            trainer._train_epoch(batches, epoch, loss_func=loss)  # noqa: SLF001  # fit would score and save each epoch
            epoch += 1
    except TimeIsOverError:
        return meter.found() | {"epochs": epoch}


def counted(loss: Callable[[Interaction], torch.Tensor], meter: Meter) -> Callable[[Interaction], torch.Tensor]:
    """The loss, counting the batch before, whose weights have moved by the time that the next one begins."""
    before = [0]

    def of(batch: Interaction) -> torch.Tensor:
        if before[0] and meter.add(before[0]):
            raise TimeIsOverError
        before[0] = len(batch)
        return loss(batch)

    return of


@torch.no_grad()
def export(model: Any, dataset: Any, data: Data, job: Job) -> None:
    """Score all items for every history; those that RecBole never saw stand at minus infinity."""
    model.eval()
    tokens = dataset.field2token_id["item_id"]
    row = np.array([tokens.get(str(item), 0) for item in range(data.n_items)])
    known = row > 0
    items, scores = [], []
    for first in range(0, len(data.histories), QUESTIONS):
        asked = [data.histories[s] for s in range(first, min(first + QUESTIONS, len(data.histories)))]
        theirs = model.full_sort_predict(reading(asked, row, job.max_length)).numpy()
        block = np.where(known, theirs[:, row], np.float32(-np.inf))
        best, values = masked_top(block, asked, exclude=data.exclude)
        items.append(best)
        scores.append(values)
    save_lists(job.out or "", np.concatenate(items), np.concatenate(scores))


def reading(histories: list[np.ndarray], row: np.ndarray, length: int) -> Interaction:
    """The last `length` known items of each history, in RecBole's rows, filled up with zeros behind."""
    padded = np.zeros((len(histories), length), np.int64)
    lengths = np.ones(len(histories), np.int64)  # an empty history is one step of padding
    for s, history in enumerate(histories):
        rows = row[history]
        rows = rows[rows > 0][-length:]
        padded[s, : len(rows)] = rows
        lengths[s] = max(len(rows), 1)
    return Interaction({"item_id_list": torch.from_numpy(padded), "item_length": torch.from_numpy(lengths)})


if __name__ == "__main__":
    main()
