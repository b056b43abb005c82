"""Parity with transformers' own `generate()`: the same weights, the same greedy tokens."""

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoTokenizer,
    MusicgenForConditionalGeneration,
    MusicgenMelodyForConditionalGeneration,
)

import songloom
from songloom.audio.files import Audio, write_audio
from songloom.checkpoints.catalogue import embedded_folder
from songloom.models.chroma import chroma
from tests.tiny import tiny_model

FRAMES = 30
PROMPT = "slow jazz in c minor , drums"


def greedy_transformers(
    folder: Path, melody: bool, guidance: float, chroma_frames: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens (K, T) and audio (C, N) of transformers' greedy search."""
    kind = MusicgenMelodyForConditionalGeneration if melody else MusicgenForConditionalGeneration
    model = kind.from_pretrained(folder, dtype=torch.float32).eval()
    # transformers wants more than one new token for each delayed step.
    channels = model.config.decoder.audio_channels
    delays = model.config.decoder.num_codebooks // channels - 1
    ids = AutoTokenizer.from_pretrained(folder)(PROMPT, return_tensors="pt").input_ids
    heard: list[torch.Tensor] = []
    decode = model.audio_encoder.decode

    def listen(audio_codes: torch.Tensor, **rest: object) -> object:
        heard.append(audio_codes)
        return decode(audio_codes, **rest)

    model.audio_encoder.decode = listen
    inputs = {} if chroma_frames is None else {"input_features": chroma_frames}
    audio = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        **inputs,
        do_sample=False,
        guidance_scale=guidance,
        max_new_tokens=FRAMES + delays,
    )
    # Stereo decodes left, then right: (1, 1, K / 2, T) each.
    tokens = torch.stack([codes[0, 0] for codes in heard], dim=1).flatten(0, 1)
    return tokens, audio[0]


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("melody", [False, True], ids=["text", "melody"])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_greedy_tokens_and_audio_equal(
    tmp_path: Path, melody: bool, channels: int, guidance: float
) -> None:
    folder = tiny_model(tmp_path / "model", melody=melody, channels=channels)
    tokens, audio = greedy_transformers(folder, melody, guidance)
    track = songloom.load(folder, dtype="float32").generate(
        songloom.GenerationRequest(
            prompt=PROMPT,
            duration=FRAMES / 50,
            temperature=0,
            classifier_free_guidance=guidance,
        )
    )
    assert torch.equal(track.tokens, tokens)
    torch.testing.assert_close(track.audio, audio, atol=1e-4, rtol=0)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_melody_gives_equal_tokens(tmp_path: Path, channels: int) -> None:
    folder = tiny_model(tmp_path / "model", melody=True, channels=channels)
    tone = torch.sin(torch.arange(48_000) / 32_000 * 2 * torch.pi * 330)[None] * 0.5
    tone[:, 24_000:] = torch.sin(torch.arange(24_000) / 32_000 * 2 * torch.pi * 440) * 0.5
    write_audio(tmp_path / "melody.flac", Audio(tone, 32_000), format="flac")
    track = songloom.load(folder, dtype="float32").generate(
        songloom.GenerationRequest(
            prompt=PROMPT,
            input_audio=tmp_path / "melody.flac",
            melody_stems="none",
            duration=FRAMES / 50,
            temperature=0,
        )
    )
    tokens, _ = greedy_transformers(folder, True, 3.0, chroma(tone, 32_000))
    assert torch.equal(track.tokens, tokens)


@pytest.mark.slow
def test_the_embedded_model_is_one_for_transformers_too() -> None:
    tokens, audio = greedy_transformers(embedded_folder(), True, 3.0)
    model = songloom.load("nano", dtype="float32")
    seconds = FRAMES / model.info.frame_rate
    track = model.generate(
        songloom.GenerationRequest(prompt=PROMPT, duration=seconds, temperature=0)
    )
    assert torch.equal(track.tokens, tokens)
    torch.testing.assert_close(track.audio, audio, atol=1e-4, rtol=0)
