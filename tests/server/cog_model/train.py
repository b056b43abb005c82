"""The inputs of the hosted original's training; see `predict.py`."""
# ruff: noqa: B008

from cog import BaseModel, Input, Path


class TrainingOutput(BaseModel):
    weights: Path


def train(
    # The original's own fault: what was meant as the description is the default.
    dataset_path: Path = Input("path"),
    auto_labeling: bool = Input(description="-", default=True),
    drop_vocals: bool = Input(description="-", default=True),
    one_same_description: str = Input(description="-", default=None),
    model_version: str = Input(
        description="-",
        default="stereo-melody",
        choices=["stereo-melody", "stereo-small", "stereo-medium", "melody", "small", "medium"],
    ),
    epochs: int = Input(description="-", default=3),
    updates_per_epoch: int = Input(description="-", default=100),
    batch_size: int = Input(description="-", default=16),
    optimizer: str = Input(description="-", default="dadam", choices=["dadam", "adamw"]),
    lr: float = Input(description="-", default=1),
    lr_scheduler: str = Input(
        description="-",
        default="cosine",
        choices=["exponential", "cosine", "polynomial_decay", "inverse_sqrt", "linear_warmup"],
    ),
    warmup: int = Input(description="-", default=8),
    cfg_p: float = Input(description="-", default=0.3),
) -> TrainingOutput:
    weights = Path("weights.tar")
    weights.write_bytes(b"weights")
    return TrainingOutput(weights=weights)
