"""From songs to tokens: the same as coding the whole, in memory that does not grow."""

import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from songloom.audio.files import Audio, read_audio, write_audio
from songloom.audio.stems import harmonic_part
from songloom.audio.transforms import convert, to_mono
from songloom.checkpoints.model_codec import read_model_codec
from songloom.dataset import token_store as tokens_module
from songloom.dataset.excerpts import take_excerpts
from songloom.dataset.labels import Labels
from songloom.dataset.token_store import (
    PIECE_SECONDS,
    Record,
    SongTokens,
    Treatment,
    has_excerpts,
    read_record,
    read_recording,
    read_tokens,
    spool_to_disk,
    tokenize,
    write_tokens,
)
from songloom.errors import AudioError, Cancelled, DatasetError, OutputError
from songloom.models.chroma import chroma
from tests.dataset.songs import tune, write_song
from tests.models.test_codec import tiny
from tests.tiny import tiny_model

RECORD = Record(3.0, Treatment("feed", 12, "kept"), "analysis", Labels(bpm=90.0, genre=("jazz",)))


def never() -> bool:
    return False


def recording(path: Path, rate: int = 32_000, channels: int = 1) -> Audio:
    return read_recording(path, rate, channels, path.parent, never)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("melody", [False, True])
def test_tokens_are_those_of_the_whole(tmp_path: Path, channels: int, melody: bool) -> None:
    model = read_model_codec(
        tiny_model(tmp_path / "model", melody=melody, channels=channels), torch.device("cpu")
    )
    assert model.chroma_bins == (12 if melody else None)
    path = tmp_path / "song.wav"
    noise = torch.randn(2, 44_100 * 5, generator=torch.Generator().manual_seed(0)) * 0.1
    write_audio(path, Audio(noise, 44_100), format="wav")
    audio = recording(path, channels=channels)
    tokens = tokenize(audio, model.codec, model.chroma_bins, tmp_path, never)

    whole = convert(read_audio(path), 32_000, channels)
    assert torch.equal(audio.samples, whole.samples)
    codes = model.codec.encode(whole.samples)
    assert tokens.codes.dtype == torch.int16
    # In other pieces, sums have other roundings: a code that is a tie may fall to either side.
    assert (tokens.codes == codes).float().mean() > 0.995
    if melody:
        heard = to_mono(harmonic_part(whole).samples)
        assert tokens.chroma is not None
        assert torch.equal(tokens.chroma.long(), chroma(heard, 32_000)[0].argmax(-1))
    else:
        assert tokens.chroma is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "song.wav"]


def test_too_short(tmp_path: Path) -> None:
    path = write_song(tmp_path / "a.wav", seconds=0.5)
    with pytest.raises(AudioError, match=r"is 0\.50 s long: expected a song of at least 2 s"):
        recording(path)


def test_silence(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, Audio(torch.zeros(1, 96_000), 32_000), format="wav")
    with pytest.raises(AudioError, match=r"is silent .*expected something to hear"):
        recording(path)


def test_nan(tmp_path: Path) -> None:
    samples = tune(0, 3).samples
    samples[0, 50_000] = torch.nan
    soundfile.write(tmp_path / "a.wav", samples.T.numpy(), 32_000, "FLOAT")
    with pytest.raises(AudioError, match="holds 1 samples that are NaN"):
        recording(tmp_path / "a.wav")


@pytest.mark.slow
def test_three_hours_take_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As long as three hours, but sampled as seldom as is taken, so that the test is quick.
    path, file_rate, rate, seconds = tmp_path / "long.flac", 1000, 2000, 3 * 3600
    wave = (np.sin(np.arange(seconds * file_rate) / 7) * 8_000).astype(np.int16)
    soundfile.write(path, wave, file_rate, "PCM_16")
    del wave
    codec = tiny()
    codec.sample_rate = rate
    longest = 0

    def encode_stream(pieces: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        nonlocal longest
        for piece in pieces:
            longest = max(longest, piece.shape[1])
            yield torch.zeros(4, piece.shape[1] // codec.hop, dtype=torch.long)

    monkeypatch.setattr(codec, "encode_stream", encode_stream)
    tracemalloc.start()
    audio = read_recording(path, rate, 1, tmp_path, never)
    tokens = tokenize(audio, codec, None, tmp_path, never)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert audio.seconds == seconds
    assert tokens.codes.shape == (4, seconds * rate // codec.hop)
    assert audio.samples.untyped_storage().nbytes() == 4 * seconds * rate  # 86 MB, all on the disk
    assert peak < 20_000_000
    assert longest == PIECE_SECONDS * rate


def test_it_can_be_stopped_between_pieces(tmp_path: Path) -> None:
    answers = iter([False, False, True])
    pieces = (torch.zeros(1, 10) for _ in range(100))
    with pytest.raises(Cancelled, match="start it again"):
        spool_to_disk(pieces, 1, tmp_path, lambda: next(answers))
    assert len(list(pieces)) == 97


def test_nothing_on_the_disk(tmp_path: Path) -> None:
    assert spool_to_disk([], 2, tmp_path, never).shape == (2, 0)


def test_a_full_disk_while_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    monkeypatch.setattr(tokens_module.tempfile, "TemporaryFile", lambda dir: full.open("wb"))
    with pytest.raises(OutputError, match=r"has no space for a decoded song \(No space left"):
        spool_to_disk([torch.zeros(1, 100_000)], 1, tmp_path, never)


@pytest.mark.parametrize("chroma", [None, torch.arange(5, dtype=torch.uint8)])
def test_token_files(tmp_path: Path, chroma: torch.Tensor | None) -> None:
    path = tmp_path / "a.safetensors"
    codes = torch.arange(40, dtype=torch.int16).view(4, 10)
    write_tokens(path, SongTokens(codes, chroma), RECORD)
    back = read_tokens(path)
    assert torch.equal(back.codes, codes)
    if chroma is None:
        assert back.chroma is None
    else:
        assert back.chroma is not None
        assert torch.equal(back.chroma, chroma)
    assert read_record(path) == RECORD
    assert list(tmp_path.iterdir()) == [path]


def test_excerpts_lie_beside_the_tokens(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    codes = torch.zeros(4, 10, dtype=torch.int16)
    write_tokens(path, SongTokens(codes, None), RECORD)
    assert not has_excerpts(path)
    assert read_tokens(path).excerpts is None
    sound = torch.linspace(-1, 1, 32_000)[None]
    write_tokens(path, SongTokens(codes, None, take_excerpts(sound, 640, 32_000)), RECORD)
    assert has_excerpts(path)
    back = read_tokens(path).copy().excerpts
    assert back is not None
    assert back.starts.tolist() == [0]
    assert torch.allclose(back.waveform(0), sound, atol=1e-4)


@pytest.mark.parametrize("kept", [0, 5, 100])
def test_broken_token_files(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.safetensors"
    write_tokens(path, SongTokens(torch.zeros(4, 10, dtype=torch.int16), None), RECORD)
    path.write_bytes(path.read_bytes()[:kept])
    for read in (read_tokens, read_record, has_excerpts):
        with pytest.raises(DatasetError, match=r"a\.safetensors is not the token file of a song"):
            read(path)  # type: ignore[operator]


def test_files_of_others(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "a.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(DatasetError, match="it holds no codes"):
        read_tokens(path)
    with pytest.raises(DatasetError, match="does not say how it was made"):
        read_record(path)
    save_file({"codes": torch.zeros(3)}, path)
    with pytest.raises(DatasetError, match=r"its codes are torch.float32 \(3,\), not int16"):
        read_tokens(path)


def test_an_older_file_stays_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.safetensors"
    tokens = SongTokens(torch.zeros(4, 10, dtype=torch.int16), None)
    write_tokens(path, tokens, RECORD)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OutputError, match=r"cannot be written \(No space left"):
        write_tokens(path, tokens, RECORD)
    assert read_record(path) == RECORD
    assert list(tmp_path.iterdir()) == [path]
