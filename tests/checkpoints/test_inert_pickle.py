"""A checkpoint's pickle is data: nothing that it names is ever run."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from songloom.checkpoints.inert_pickle import Archive, ArchiveTensors
from songloom.errors import ModelError
from tests.golden_values import golden_folder


def archive_with(pickled: bytes, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickled)
    return path


class Bomb:
    """A pickle that calls `function(*arguments)` when it is read in the ordinary way."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def bombs(marker: Path) -> dict[str, Bomb]:
    return {
        "system": Bomb(os.system, f"touch {marker}"),
        "eval": Bomb(builtins.eval, f"open({str(marker)!r}, 'w')"),
        "exec": Bomb(builtins.exec, f"open({str(marker)!r}, 'w')"),
        "open": Bomb(builtins.open, str(marker), "w"),
        "getattr": Bomb(getattr, Path, "touch"),
        "subprocess": Bomb(subprocess.call, ["touch", str(marker)]),
        "path": Bomb(Path(marker).touch),
        "load": Bomb(torch.load, str(marker)),
    }


@pytest.mark.parametrize("name", list(bombs(Path("x"))))
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nothing_runs(name: str, protocol: int, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    pickled = pickle.dumps({"model": {"a": [bombs(marker)[name]]}}, protocol)
    path = archive_with(pickled, tmp_path / "trained_model.tar")
    with pytest.raises(ModelError, match="could run code"):
        Archive(path)
    assert not marker.exists()


def test_the_bombs_are_live(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for name in ("system", "path"):
        pickle.loads(pickle.dumps(bombs(marker)[name]))
        assert marker.exists()
        marker.unlink()


def test_state_setters_do_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    # An object of an allowed class whose state is the result of a call, or holds a function.
    hostile = [
        b"comegaconf.nodes\nAnyNode\n)\x81cos\nsystem\nX\x05\x00\x00\x00touch\x85Rb.",
        b"comegaconf.nodes\nAnyNode\n}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb.",
    ]
    for i, pickled in enumerate(hostile):
        with pytest.raises(ModelError, match="could run code"):
            Archive(archive_with(b"\x80\x02" + pickled, tmp_path / f"{i}.tar"))
    assert not marker.exists()


def test_a_hostile_file_leaves_no_mark_on_the_next(tmp_path: Path) -> None:
    good = golden_folder() / "text_mono" / "replicate_weights.tar"
    before = Archive(good).content
    # Sets attributes on the class that stands for an OmegaConf node, and on a tensor's function.
    for target in (b"comegaconf.nodes\nAnyNode\n", b"ctorch._utils\n_rebuild_tensor_v2\n"):
        state = b"N}X\x0c\x00\x00\x00__setstate__NsX\x05\x00\x00\x00state\x4b\x07s\x86b0}."
        with contextlib.suppress(ModelError):
            Archive(archive_with(b"\x80\x02" + target + state, tmp_path / "hostile.tar"))
        assert Archive(good).content == before


@pytest.mark.parametrize("kind", ["text_mono", "melody_stereo"])
def test_the_fine_tuners_file_says_what_the_reference_librarys_says(kind: str) -> None:
    folder = golden_folder() / kind
    tuned = Archive(folder / "replicate_weights.tar")
    state = torch.load(folder / "state_dict.bin", weights_only=True)["best_state"]
    tensors = ArchiveTensors(tuned, tuned.content["model"])
    assert set(tensors) == set(state)
    assert all(torch.equal(tensors[name], state[name]) for name in state)
    books = len([name for name in state if name.startswith("emb.")])
    cfg = tuned.content["xp.cfg"]
    assert cfg["transformer_lm"]["n_q"] == books
    assert cfg["codebooks_pattern"]["delay"]["delays"][-1] == (books - 1) // (
        2 if "stereo" in kind else 1
    )
    assert isinstance(cfg["transformer_lm"]["causal"], bool)
    assert "omegaconf" not in sys.modules


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int64])
def test_tensors_of_any_kind(dtype: torch.dtype, tmp_path: Path) -> None:
    whole = torch.arange(24).to(dtype).view(2, 3, 4)
    state = {"whole": whole, "part": whole[1, :, 1:3], "turned": whole.transpose(0, 2)}
    if dtype.is_floating_point:
        state["parameter"] = torch.nn.Parameter(whole)
    path = tmp_path / "state.bin"
    torch.save({"best_state": OrderedDict(state)}, path)
    archive = Archive(path)
    tensors = ArchiveTensors(archive, archive.content["best_state"])
    for name, tensor in state.items():
        assert torch.equal(tensors[name], tensor)


def test_damage_is_found(tmp_path: Path) -> None:
    path = tmp_path / "state.bin"
    torch.save({"model": {"a": torch.arange(1000.0)}}, path)
    data = bytearray(path.read_bytes())
    at = data.find(torch.arange(500.0, 502.0).numpy().tobytes())
    data[at] ^= 1
    path.write_bytes(data)
    archive = Archive(path)
    with pytest.raises(ValueError, match="damaged"):
        ArchiveTensors(archive, archive.content["model"])["a"]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps({"a": 1})])
def test_files_of_other_kinds(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trained_model.tar"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a checkpoint that torch saved"):
        Archive(path)


def test_containers_inside_themselves(tmp_path: Path) -> None:
    loop: list[Any] = []
    loop.append(loop)
    path = archive_with(pickle.dumps({"model": loop}, 2), tmp_path / "loop.tar")
    with pytest.raises(ModelError, match="a container is inside itself"):
        Archive(path)


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02}r\xff\xff\xff\x3f.",  # remember this under a number of 30 bits
        b"\x80\x05\x96\x00\x00\x00\x00\x02\x00\x00\x00.",  # 8 GB of bytes follow
        b"\x80\x04\x8d\x00\x00\x00\x00\x02\x00\x00\x00.",  # 8 GB of text follow
    ],
)
def test_a_few_bytes_cannot_ask_for_gigabytes(pickled: bytes, tmp_path: Path) -> None:
    path = archive_with(pickled, tmp_path / "greedy.tar")
    tracemalloc.start()
    with contextlib.suppress(ModelError):
        Archive(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_shared_containers_cost_once(tmp_path: Path) -> None:
    node: list[Any] = [1]
    for _ in range(100):
        node = [node, node]
    Archive(archive_with(pickle.dumps({"model": node}, 2), tmp_path / "shared.tar"))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage_to_the_pickle_is_a_model_error_or_harmless(data: st.DataObject) -> None:
    source = golden_folder() / "text_mono" / "replicate_weights.tar"
    with zipfile.ZipFile(source) as file:
        name = next(n for n in file.namelist() if n.endswith("data.pkl"))
        pickled = bytearray(file.read(name))
    for _ in range(data.draw(st.integers(1, 4))):
        pickled[data.draw(st.integers(0, len(pickled) - 1))] = data.draw(st.integers(0, 255))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a/data.pkl", bytes(pickled))
    with contextlib.suppress(ModelError):
        Archive(buffer)  # type: ignore[arg-type]
