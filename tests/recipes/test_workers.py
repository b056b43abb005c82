import socket
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp

from recipes.nano.muon import Muon
from recipes.nano.workers import ALONE, Workers


def train_a_step(rank: int, port: int, folder: str) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    workers = Workers(rank, 2)
    torch.manual_seed(0)
    layers = torch.nn.Sequential(*(torch.nn.Linear(4, 4, bias=False) for _ in range(3)))
    torch.manual_seed(rank + 1)
    layers(torch.randn(8, 4)).square().mean().backward()
    workers.average_gradients(layers.parameters())
    Muon(layers.parameters(), 0.1, workers).step()
    decided = workers.of_first(rank + 0.25)
    torch.save((list(layers.state_dict().values()), decided), Path(folder, f"{rank}.pt"))
    torch.distributed.barrier()  # one that leaves while the other still waits ends it, too
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_take_the_step_of_one(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mp.spawn(train_a_step, (port, str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert first[1] == second[1] == 0.25

    torch.manual_seed(0)
    layers = torch.nn.Sequential(*(torch.nn.Linear(4, 4, bias=False) for _ in range(3)))
    for seed in (1, 2):
        torch.manual_seed(seed)
        (layers(torch.randn(8, 4)).square().mean() / 2).backward()
    Muon(layers.parameters(), 0.1).step()
    for ours, theirs, alone in zip(first[0], second[0], layers.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=0, rtol=0)
        torch.testing.assert_close(ours, alone)


def test_alone_nothing_is_exchanged(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    workers = Workers.join()
    assert workers.first
    assert workers.of_first(0.5) == 0.5
    weight = torch.nn.Parameter(torch.ones(2))
    (3 * weight).sum().backward()
    ALONE.average_gradients([weight])
    assert torch.equal(weight.grad, torch.full((2,), 3.0))
