"""What benchmarks write, and the physical limit that they compare with; no test measures time."""

import json
from pathlib import Path

import pytest
import torch

import songloom
from benchmarks import report
from benchmarks.decode import logits_error
from benchmarks.limits import bytes_per_step, read_bandwidth, share_of_limit
from benchmarks.report import Options, save_results
from benchmarks.results import Results, commit_of_tree, describe_run, read_results, write_results
from songloom.models.layers import has_half_linear, pack_half
from tests.generation.sequences import MELODY, TEXT, tiny
from tests.tiny import tiny_model


@pytest.mark.parametrize(("config", "cross"), [(TEXT, True), (MELODY, False)])
def test_a_step_reads_all_layers_but_what_is_computed_once(config: object, cross: bool) -> None:
    lm = tiny(config)  # type: ignore[arg-type]
    width, ffn, layers = lm.config.hidden_size, lm.config.ffn_size, lm.config.num_layers
    block = 4 * width**2 + 2 * width * ffn + (2 * width**2 if cross else 0)
    weights = layers * block + width * lm.config.num_codebooks * lm.config.codebook_size
    assert bytes_per_step(lm) == 4 * weights
    assert bytes_per_step(lm.to(torch.bfloat16)) == 2 * weights


@pytest.mark.skipif(not has_half_linear(), reason="this PyTorch has no FBGEMM")
def test_packed_weights_are_half_as_much_to_read() -> None:
    lm = tiny(TEXT)
    before = bytes_per_step(lm)
    pack_half(lm)
    assert bytes_per_step(lm) == before / 2


def test_the_share_of_the_limit() -> None:
    assert share_of_limit(weights=2_000, bandwidth=1e6, seconds=0.004) == pytest.approx(0.5)
    assert read_bandwidth(size=4 * 4096 * 4, rounds=1) > 0


@pytest.mark.parametrize("dtype", ["float32", "auto", "bfloat16"])
def test_logits_are_compared_in_every_precision(dtype: str, tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model")
    error = logits_error(folder, dtype)  # type: ignore[arg-type]
    if dtype == "float32":
        assert error == 0
    else:
        assert error < {"auto": 2e-3, "bfloat16": 0.05}[dtype]
    assert songloom.load(folder, dtype="bfloat16").dtype == torch.bfloat16


def test_results_are_kept_under_the_name_of_their_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshed: list[bool] = []
    monkeypatch.setattr(report, "FOLDER", tmp_path)
    monkeypatch.setattr(report, "refresh_documents", lambda: refreshed.append(True))
    save_results("benchmarks.decode", "a machine", {"ratio": 2.5}, Options(quick=True, json=True))
    [path] = tmp_path.iterdir()
    assert path.name == "decode-quick.json"
    results = read_results(path)
    assert results.command == "python -m benchmarks.decode --quick"
    assert (results.machine, results.values) == ("a machine", {"ratio": 2.5})
    assert results.commit == commit_of_tree()
    assert refreshed == [True]


def test_files_of_results_can_be_read_again(tmp_path: Path) -> None:
    results = describe_run("python -m benchmarks.x", "a machine", {"a": 1, "b": 0.25, "c": "text"})
    write_results(tmp_path / "x.json", results)
    assert read_results(tmp_path / "x.json") == results
    assert list(json.loads((tmp_path / "x.json").read_text())) == list(Results.__annotations__)
