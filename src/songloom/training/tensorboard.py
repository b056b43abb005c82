"""Training events as TensorBoard logs."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from songloom.audio.files import Audio
from songloom.errors import MissingExtraError, OutputError
from songloom.progress import ProgressEvent, TrainingProgress, ValidationProgress

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoardLog:
    """Writes what it is told, a `ProgressEvent` a call, for `tensorboard --logdir FOLDER`.

    Args:
        folder: made where it is missing. Each log is a file of its own, and TensorBoard shows those
            of one folder as one training.
        first_step: updates done before this log begins. What earlier logs say about later ones is
            hidden: a training that was killed does those updates again.

    Raises:
        MissingExtraError: tensorboard is not installed.
        OutputError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter  # slow to import
        except ImportError as error:
            raise MissingExtraError(
                "TensorBoard logs were asked for, but tensorboard is not installed; "
                "install it with: pip install tensorboard"
            ) from error
        self._folder = folder
        try:
            self._writer: SummaryWriter = SummaryWriter(
                str(folder), purge_step=first_step + 1 if first_step else None
            )
        except OSError as error:
            raise self._refusal(error) from error

    def __call__(self, event: ProgressEvent) -> None:
        """Note the numbers of training and measuring; pass over all other events.

        Raises:
            OutputError: the log cannot be written.
        """
        match event:
            case TrainingProgress():
                scalars = {
                    "training/loss": event.loss,
                    "training/learning rate": event.learning_rate,
                    "training/gradient norm": event.gradient_norm,
                    "training/frames per second": event.frames_per_second,
                }
            case ValidationProgress():
                scalars = {"held out/loss": event.loss}
                for number, loss in enumerate(event.per_codebook, start=1):
                    scalars[f"held out/codebook {number}"] = loss
            case _:
                return
        try:
            for name, value in scalars.items():
                self._writer.add_scalar(name, value, event.step)
        except OSError as error:
            raise self._refusal(error) from error

    def audio(self, name: str, audio: Audio, step: int) -> None:
        """Add a clip, as mono; `name` is its heading."""
        mono = audio.samples.detach().float().mean(dim=0).clamp(-1, 1)
        self._writer.add_audio(f"clips/{name}", mono[None], step, sample_rate=audio.sample_rate)

    def close(self) -> None:
        """Write what is not on the disk yet; raises `OutputError` where that fails."""
        try:
            self._writer.close()
        except OSError as error:
            raise self._refusal(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _refusal(self, error: OSError) -> OutputError:
        return OutputError(
            f"TensorBoard logs cannot be written to {str(self._folder)!r} "
            f"({error.strerror or error}): expected a folder that may be written and has room; "
            "free some, or choose another place"
        )
