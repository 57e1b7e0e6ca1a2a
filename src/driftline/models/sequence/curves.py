"""The curves of a training, for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from driftline.errors import MissingExtraError, SaveError
from driftline.models.sequence.settings import SequenceSettings


class Curves:
    """Writes loss and validation of each epoch under `log_dir/NAME`; nothing where no `log_dir` is set."""

    def __init__(self, settings: SequenceSettings) -> None:
        self._writer: Any = None
        if settings.log_dir is not None:
            self._writer = _writer(Path(settings.log_dir) / settings.name)

    def add(self, epoch: int, loss: float, quality: float | None, speed: float) -> None:
        """What an epoch came to, and how many steps were learned a second."""
        if self._writer is None:
            return
        self._writer.add_scalar("loss/train", loss, epoch)
        self._writer.add_scalar("steps/second", speed, epoch)
        if quality is not None:
            self._writer.add_scalar("ndcg@10/validation", quality, epoch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()


def _writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtraError("log_dir", "track") from None
    try:
        return SummaryWriter(str(folder))
    except OSError as error:
        raise SaveError(
            f"could not write curves into {folder}: {error.strerror or error}; name another log_dir"
        ) from error
