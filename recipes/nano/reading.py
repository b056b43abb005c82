"""Teach the text encoder what captions mean, before there is any music.

From every place of an encoded caption a linear layer must tell what the piece is like: style, key,
the tones of its scale, tempo, players. Captions are cheap, and music is not: the language model
finds the encoder ready, and needs fewer clips to learn what the words sound like. It goes on
reading while it learns, so that the encoder does not forget.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import T5EncoderModel

from recipes.nano.clips import Clip, training_clip
from recipes.nano.compose.instruments import BAND, SECTIONS
from recipes.nano.compose.styles import STYLES
from recipes.nano.compose.theory import MODES
from recipes.nano.compose.words import TEMPOS
from recipes.nano.model import ModelSettings, text_config
from recipes.nano.muon import Muon
from recipes.nano.runs import Log, load_checkpoint, save_checkpoint

FIRST_SEED = 800_000_000
FRAMES = 250  # of a clip that is described
PLAYERS = [
    (None, *(player.name for player in BAND if player.section == section))
    for section in range(len(SECTIONS))
]


@dataclass(frozen=True)
class ReadingSettings:
    """How the text encoder is trained."""

    steps: int = 300
    batch: int = 128
    matrix_rate: float = 0.01
    rate: float = 3e-3
    report_every: int = 50


def facts(clip: Clip) -> list[int]:
    """What can be said of a clip, each as the number of an answer."""
    piece = clip.piece
    players = (piece.drums, piece.bass, piece.harmony, piece.melody)
    return [
        [style.name for style in STYLES].index(piece.style),
        list(MODES).index(piece.key.mode),
        piece.key.tonic,
        sorted(TEMPOS).index(piece.frames_per_eighth),
        *(names.index(player) for names, player in zip(PLAYERS, players, strict=True)),
        int(piece.busy),
        int(clip.intro),
        int(clip.ending),
        # No sum of what tonic and mode say tells these, so a single layer could not use them.
        *(int(pitch_class in piece.key.pitch_classes) for pitch_class in range(12)),
    ]


ANSWERS = (len(STYLES), len(MODES), 12, len(TEMPOS), *map(len, PLAYERS), *[2] * 15)
"""How many answers there are to each of `facts`."""


class Reader(nn.Module):
    """Tells the facts from the states of a text encoder.

    Args:
        text_size: width of the states.
    """

    def __init__(self, text_size: int) -> None:
        super().__init__()
        self.told = nn.Linear(text_size, sum(ANSWERS))

    def forward(self, encoder: T5EncoderModel, text: Tensor, answers: Tensor) -> Tensor:
        """Cross-entropy of every fact in nats, over all places of the captions: (facts,).

        Args:
            encoder: the text encoder.
            text: (B, E) token ids, 0 where padded.
            answers: (B, facts).
        """
        attended = (text != 0).float()
        states = encoder(input_ids=text, attention_mask=attended).last_hidden_state
        guesses = self.told(states).float().split(ANSWERS, dim=-1)
        return torch.stack([
            (F.cross_entropy(
                guess.transpose(1, 2), right[:, None].expand(-1, text.shape[1]), reduction="none"
            ) * attended).sum() / attended.sum()
            for guess, right in zip(guesses, answers.t(), strict=True)
        ])  # fmt: skip


def teach_reading(
    folder: Path,
    tokenizer: Tokenizer,
    model: ModelSettings,
    settings: ReadingSettings,
    device: str = "cpu",
) -> None:
    """Train a text encoder and write it to `folder/reading.pt`, unless it is there."""
    path, log = folder / "reading.pt", Log(folder / "reading.log")
    if path.exists():
        return
    torch.manual_seed(0)
    encoder = T5EncoderModel(text_config(model)).to(device)
    reader = Reader(model.text_size).to(device)
    named = dict(encoder.named_parameters())
    matrices = [
        p for name, p in named.items() if p.dim() == 2 and ".layer." in name and "bias" not in name
    ]
    chosen = {id(p) for p in matrices}
    rest = [p for p in (*named.values(), *reader.parameters()) if id(p) not in chosen]
    steppers = [torch.optim.AdamW(rest, settings.rate), Muon(matrices, settings.matrix_rate)]
    for step in range(settings.steps):
        for stepper, peak in zip(steppers, (settings.rate, settings.matrix_rate), strict=True):
            stepper.param_groups[0]["lr"] = peak * (1 - step / settings.steps)
        first = FIRST_SEED + step * settings.batch
        text, answers = captions(range(first, first + settings.batch), tokenizer)
        losses = reader(encoder, text.to(device), answers.to(device))
        for stepper in steppers:
            stepper.zero_grad()
        torch.autograd.backward(losses.sum())
        for stepper in steppers:
            stepper.step()
        if (step + 1) % settings.report_every == 0:
            row = " ".join(f"{loss:.2f}" for loss in losses.tolist())
            log.write(f"reading step {step + 1}: loss of every fact {row}")
    save_checkpoint(path, {"encoder": encoder.state_dict(), "settings": asdict(settings)})


def read_encoder(folder: Path, encoder: T5EncoderModel) -> None:
    """Load what was taught into a model's text encoder, where something was."""
    state = load_checkpoint(folder / "reading.pt")
    if state is not None:
        encoder.load_state_dict(state["encoder"])


def captions(seeds: range, tokenizer: Tokenizer) -> tuple[Tensor, Tensor]:
    """Captions of the training clips of these seeds, and their facts: (B, E) and (B, facts)."""
    clips = [training_clip(seed, FRAMES) for seed in seeds]
    random = Random(seeds.start)
    texts = [tokenizer.encode(clip.caption(random)).ids for clip in clips]
    longest = max(map(len, texts))
    text = torch.tensor([ids + [0] * (longest - len(ids)) for ids in texts])
    return text, torch.tensor([facts(clip) for clip in clips])
