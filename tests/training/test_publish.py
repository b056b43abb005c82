"""What is trained is written with all that its base had."""

from pathlib import Path

import pytest
import torch

from songloom.checkpoints.diffusion_files import FOLDER, write_diffusion
from songloom.checkpoints.load import load_components
from songloom.training.publish import write_weights
from songloom.training_request import TrainingRequest
from tests.tiny import tiny_diffusion, tiny_model


@pytest.mark.parametrize("own", [True, False])
def test_a_whole_model_keeps_its_own_diffusion(own: bool, tmp_path: Path) -> None:
    base = tiny_model(tmp_path / "base")
    decoder = tiny_diffusion()
    if own:
        write_diffusion(decoder, base / FOLDER)
    target = tmp_path / "target"
    target.mkdir()
    components = load_components(base)
    if own:
        # What computes may be in another precision, as on a GPU; what is written may not.
        for band in components.diffusion_decoder().each_band():
            band.unet.to(torch.bfloat16)
    write_weights(target, components, TrainingRequest(tmp_path, full=True), "base")
    assert (target / FOLDER).exists() == own
    if own:
        written = load_components(target).diffusion_decoder().state_dict()
        for name, tensor in decoder.state_dict().items():
            assert torch.equal(written[name], tensor)
