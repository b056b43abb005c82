"""The project as a Cog model: trainings. Cog reads the inputs from this signature."""

import sys
import tempfile
from pathlib import Path as LocalPath

from cog import BaseModel, Input, Path

sys.path.insert(0, str(LocalPath(__file__).parents[2] / "src"))


class TrainingOutput(BaseModel):
    """What a training gives."""

    weights: Path


def train(
    dataset_path: Path = Input(description="An archive of songs, or a single song."),
    auto_labeling: bool = Input(description="Label each song by analysis.", default=True),
    drop_vocals: bool = Input(description="Remove the vocals from the songs.", default=True),
    one_same_description: str = Input(
        description="A description for all songs that have none of their own.", default=None
    ),
    model_version: str = Input(
        description="Model to train.",
        default="stereo-melody",
        choices=["stereo-melody", "stereo-small", "stereo-medium", "melody", "small", "medium"],
    ),
    epochs: int = Input(description="Epochs to train for.", default=3),
    updates_per_epoch: int = Input(description="Updates of the weights in an epoch.", default=100),
    batch_size: int = Input(description="Windows of music in an update.", default=16),
    optimizer: str = Input(
        description="Type of optimizer.", default="dadam", choices=["dadam", "adamw"]
    ),
    lr: float = Input(description="Learning rate; 1 is the optimizer's own.", default=1),
    lr_scheduler: str = Input(
        description="How the learning rate changes after the warm-up.",
        default="cosine",
        choices=["exponential", "cosine", "polynomial_decay", "inverse_sqrt", "linear_warmup"],
    ),
    warmup: int = Input(description="Updates in which the learning rate rises.", default=8),
    cfg_p: float = Input(
        description="Share of windows that are trained without conditions.", default=0.3
    ),
) -> TrainingOutput:
    """Fine-tune a model on songs."""
    import songloom
    from songloom.checkpoints.packed import pack

    work = LocalPath(tempfile.mkdtemp())
    trained = songloom.train(
        songloom.TrainingRequest(
            dataset_path=LocalPath(str(dataset_path)),
            name=work.name.replace("_", "-"),
            auto_labeling=auto_labeling,
            drop_vocals=drop_vocals,
            one_same_description=one_same_description,
            model_version=model_version,
            epochs=epochs,
            updates_per_epoch=updates_per_epoch,
            batch_size=batch_size,
            optimizer=optimizer,
            lr=None if lr == 1 else lr,
            lr_scheduler=lr_scheduler,
            warmup=warmup,
            cfg_p=cfg_p,
        )
    )
    weights = work / "weights.tar"
    pack(trained.path, weights)
    return TrainingOutput(weights=Path(weights))
