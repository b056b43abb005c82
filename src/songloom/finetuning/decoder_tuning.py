"""Tuning a model's decoder on the songs of a fine-tuning, where that is asked for or helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from songloom.finetuning.findings import Excerpts
from songloom.models.codec import Codec
from songloom.models.encodec import plain_weights
from songloom.progress import Notice, ProgressCallback, Stage
from songloom.training.decoder_adaptation import DecoderAdaptation, is_small, tuned_names
from songloom.training_request import TrainingRequest

LEAST_SECONDS = 20.0
"""Of less music, nothing that holds for more of it can be learned; then only on request."""


@dataclass(frozen=True, eq=False)
class TunedDecoder:
    """A decoder that suits the songs better than the base model's."""

    codec: Codec
    """The base model's codec with it."""
    tensors: Mapping[str, Tensor]
    """The changed tensors, by their names in the decoder."""


def tune_decoder(
    request: TrainingRequest,
    codec: Codec,
    excerpts: Excerpts,
    songs: str,
    device: torch.device,
    run: Path,
    tell: ProgressCallback,
    cancelled: Callable[[], bool] | None,
) -> TunedDecoder | None:
    """Tune a codec's decoder; None where that is not wanted, or does not help.

    Args:
        request: what is asked for.
        codec: of the base model; it is left as it is.
        excerpts: of the songs.
        songs: tells whether they are the same.
        device: where to compute.
        run: folder of the state that a tuning that was stopped goes on from.
        tell: told of the progress.
        cancelled: asked often.

    Raises:
        Cancelled: `cancelled` said True; the state is saved.
        OutputError: the state cannot be saved.
    """
    seconds = sum(excerpt.samples.shape[-1] for excerpt in excerpts.training) / codec.sample_rate
    wanted = request.adapt_decoder
    if wanted is None:
        wanted = is_small(codec) and seconds >= LEAST_SECONDS
    if not wanted:
        return None
    if not excerpts.training or not excerpts.held_out:
        tell(
            Notice(
                "the decoder is not tuned: that takes excerpts of the songs to tune on and others "
                "to measure on; prepare the songs again, or add some"
            )
        )
        return None
    tell(Stage("tuning the decoder"))
    identity = f"{codec.fingerprint()} {songs} {request.seed}"
    home = codec.device
    codec.encodec.to(device)
    try:
        adaptation = DecoderAdaptation(
            codec, excerpts.training, excerpts.held_out, request.seed, run, identity
        )
        result = adaptation.run(tell, cancelled)
    finally:
        codec.encodec.to(home)
    change = (
        f"loss on music that was held out: {result.before:.3f} before, {result.after:.3f} after"
    )
    if result.decoder is None:
        tell(Notice(f"tuning the decoder does not help, so it stays as it is ({change})"))
        return None
    tell(Notice(f"the decoder is tuned ({change})"))
    decoder = result.decoder.to(home)
    tensors = plain_weights(decoder, tuned_names(decoder))
    return TunedDecoder(codec.with_decoder(decoder), tensors)
