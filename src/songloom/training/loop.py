"""The training loop: updates, measurements, and a state from which it goes on at any time."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import torch
from torch import Tensor, nn

from songloom.errors import Cancelled, TrainingError
from songloom.models.lm import LM
from songloom.models.lora import head_weight
from songloom.progress import Notice, ProgressCallback, TrainingProgress, ValidationProgress
from songloom.training.batches import (
    BatchBuilder,
    TrainingBatch,
    TrainingSong,
    draw_windows,
    fixed_windows,
)
from songloom.training.loss import cross_entropy
from songloom.training.memory import is_out_of_memory
from songloom.training.optimizers import effective_learning_rate, make_optimizer
from songloom.training.plan import Plan
from songloom.training.schedules import learning_rate_factor
from songloom.training.state import (
    Measured,
    TrainingState,
    Update,
    check_settings,
    load_best,
    load_state,
    save_best,
    save_state,
)

MOST_MEASURED = 24
"""Windows that a measurement on held-out songs looks at."""
MOST_SKIPPED = 5
"""Updates in a row whose loss may not be finite before the training gives up."""


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training; the model holds the weights to keep."""

    state: TrainingState
    best: Measured | None
    """The measurement of the weights kept; None where nothing was held out, or the last are."""
    finished: bool
    """Whether all updates were made; otherwise time ran out, or patience."""


class Trainer:
    """Trains a model on songs, from the beginning or from where it stopped.

    Args:
        lm: made trainable, see `plan.make_trainable`.
        plan: how updates are computed.
        songs: to train on.
        held_out: to measure on; may be empty.
        encode_text: caption -> states (1, E, text_size).
        hop: samples of a frame.
        folder: where the state is kept; it exists.
        settings: what must be the same for a saved state to be gone on with.
        preview: called with the updates done, every `preview_every` of them, while the model
            stands as it would be kept; it may generate with it.

    Raises:
        TrainingError: the state in the folder is broken, or of other settings.
    """

    def __init__(
        self,
        lm: LM,
        plan: Plan,
        songs: Sequence[TrainingSong],
        held_out: Sequence[TrainingSong],
        encode_text: Callable[[str], Tensor],
        hop: int,
        folder: Path,
        settings: dict[str, Any],
        preview: Callable[[int], None] | None = None,
    ) -> None:
        self._lm, self._plan, self._request = lm, plan, plan.request
        self._songs, self._folder = songs, folder
        self._preview = preview
        self._build = BatchBuilder(lm.config, plan.frames, encode_text, hop)
        windows = fixed_windows(held_out, plan.frames, MOST_MEASURED)
        self._held_out = self._build(windows) if windows else None
        self._trained = {n: p for n, p in lm.named_parameters() if p.requires_grad}
        self._optimizer = make_optimizer(
            self._request.optimizer,
            list(self._trained.values()),
            plan.learning_rate,
            self._request.weight_decay,
        )
        self._scaler = torch.amp.GradScaler(lm.device.type, enabled=plan.dtype == torch.float16)
        self._skipped_in_a_row = 0
        saved = load_state(folder)
        if saved is None:
            self._state = TrainingState(
                settings, micro_batch=plan.micro_batch, recompute=plan.recompute
            )
            if self._request.ema_decay:
                self._state.average = {n: p.detach().clone() for n, p in self._trained.items()}
        else:
            check_settings(saved, settings)
            self._state = saved
            self._restore()
        lm.recompute = self._state.recompute

    @property
    def step(self) -> int:
        """Updates done."""
        return self._state.step

    def run(
        self,
        on_event: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> TrainingResult:
        """Train to the end, to the time limit, or until patience ends; then load what is kept.

        Raises:
            Cancelled: `cancelled` said True; the state is saved.
            TrainingError: the loss stays not finite, or there is not enough memory.
            OutputError: the state cannot be saved; the one before is as it was.
        """
        tell = on_event or (lambda event: None)
        state, request = self._state, self._request
        last_saved = monotonic()
        begun = monotonic() - state.seconds
        if state.step == 0 and not state.measured:
            self._measure(tell)
        while state.step < request.steps and not self._has_timed_out() and not self._has_stalled():
            if cancelled is not None and cancelled():
                self._save()
                raise Cancelled(
                    f"the training was stopped after update {state.step} of {request.steps} and "
                    "saved; run the same command to go on"
                )
            before = monotonic()
            loss, norm = self._update(tell)
            state.seconds = monotonic() - begun
            taken = monotonic() - before
            rate = effective_learning_rate(self._optimizer)
            state.updates.append(Update(state.step, loss, rate))
            tell(
                TrainingProgress(
                    step=state.step,
                    steps=request.steps,
                    loss=loss,
                    learning_rate=rate,
                    gradient_norm=norm,
                    frames_per_second=request.batch_size * self._plan.frames / taken,
                    seconds_left=self._seconds_left(),
                )
            )
            if state.step % self._validate_every == 0 or state.step == request.steps:
                self._measure(tell)
            self._preview_now()
            if monotonic() - last_saved >= 60 * request.save_minutes:
                self._save()
                last_saved = monotonic()
        finished = state.step == request.steps
        if not finished and (not state.measured or state.measured[-1].step < state.step):
            self._measure(tell)
        self._save()
        return TrainingResult(state, self._keep(), finished)

    @property
    def _validate_every(self) -> int:
        return self._request.validate_every or self._request.updates_per_epoch

    def _update(self, tell: ProgressCallback) -> tuple[float, float]:
        """Make one update; return its loss and the norm of its gradients."""
        request, state = self._request, self._state
        windows = draw_windows(
            self._songs,
            request.batch_size,
            self._plan.frames,
            request.cfg_p,
            Random(f"{request.seed}/{state.step}"),
        )
        batch = self._build(windows)
        loss = self._gradients(batch, tell)
        self._scaler.unscale_(self._optimizer)
        limit = request.max_grad_norm or math.inf
        norm = float(nn.utils.clip_grad_norm_(self._trained.values(), limit))
        factor = learning_rate_factor(
            request.lr_scheduler, state.step, request.steps, request.warmup
        )
        for group in self._optimizer.param_groups:
            group["lr"] = self._plan.learning_rate * factor
        if math.isfinite(loss) and (math.isfinite(norm) or self._scaler.is_enabled()):
            self._scaler.step(self._optimizer)  # which itself leaves out what overflowed
            self._skipped_in_a_row = 0
            self._average()
        else:
            self._skip(loss, norm, [window.song.name for window in windows], tell)
        self._scaler.update()
        state.step += 1
        return loss, norm

    def _gradients(self, batch: TrainingBatch, tell: ProgressCallback) -> float:
        """Fill in the gradients of a batch, part by part; in smaller parts if memory runs out."""
        state = self._state
        if self._request.lora_dropout:
            torch.manual_seed(hash((self._request.seed, state.step)))
        while True:
            try:
                self._optimizer.zero_grad()
                return self._gradients_in_parts(batch, state.micro_batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                problem = error
            self._lower_memory(problem, tell)

    def _gradients_in_parts(self, batch: TrainingBatch, size: int) -> float:
        special, device = self._lm.config.special_token, self._lm.device
        totals = batch.totals(special).to(device)
        loss = 0.0
        for start in range(0, len(batch.tokens), size):
            part = batch.part(slice(start, start + size)).to(device)
            objective, _ = self._losses(part, totals)
            scaled: Tensor = self._scaler.scale(objective)
            torch.autograd.backward(scaled)
            loss += objective.item()
        return loss

    def _losses(self, batch: TrainingBatch, totals: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss, and that of each codebook, (K,); summed over the parts, they are a batch's."""
        lm, dtype = self._lm, self._plan.dtype
        inputs, targets = batch.tokens[:, :, :-1], batch.tokens[:, :, 1:]
        with torch.autocast(lm.device.type, dtype, enabled=dtype != torch.float32):
            if lm.config.cross_attention:
                cross, prefix = lm.cross_states(batch.text.to(lm.dtype), batch.text_mask), None
            else:
                text = batch.text.to(lm.dtype)
                cross, prefix = None, lm.prefix(text, batch.text_mask, batch.chroma)
            states = lm.states(inputs, prefix, cross)
            return cross_entropy(states, head_weight(lm), targets, lm.config.special_token, totals)

    def _lower_memory(self, error: BaseException, tell: ProgressCallback) -> None:
        """Take less memory from now on, after it ran out."""
        state = self._state
        self._optimizer.zero_grad()
        if self._lm.device.type == "cuda":
            torch.cuda.empty_cache()
        if state.micro_batch > 1:
            state.micro_batch = math.ceil(state.micro_batch / 2)
            change = f"{state.micro_batch} windows are computed at once from now on"
        elif not self._lm.recompute and self._request.gradient_checkpointing != "off":
            state.recompute = self._lm.recompute = True
            change = "layers are computed twice from now on"
        else:
            raise TrainingError(
                f"there is not enough memory for one window of {self._plan.frames} frames "
                f"({str(error).splitlines()[0]}); shorten window_seconds, choose optimizer "
                "adafactor, an adapter instead of full, or a smaller model"
            ) from error
        tell(Notice(f"memory ran out; {change}, which does not change what is learned"))

    def _skip(self, loss: float, norm: float, songs: list[str], tell: ProgressCallback) -> None:
        """Leave an update out whose numbers are not finite; give up when that goes on."""
        state = self._state
        state.skipped += 1
        self._skipped_in_a_row += 1
        what = f"loss {loss}" if not math.isfinite(loss) else f"norm {norm} of the gradients"
        where = f"update {state.step + 1}, on {', '.join(sorted(set(songs)))}"
        if self._skipped_in_a_row >= MOST_SKIPPED:
            raise TrainingError(
                f"{what} in {where}, and in the {MOST_SKIPPED - 1} updates before it; expected "
                f"finite numbers: lower lr ({self._plan.learning_rate:g}), or use precision "
                "float32; the state saved last is intact"
            )
        tell(Notice(f"{what} in {where}: this update is left out"))

    def _average(self) -> None:
        """Let the moving average follow; in the beginning it follows closely."""
        average = self._state.average
        if not average:
            return
        made = self._state.step - self._state.skipped
        decay = min(self._request.ema_decay, (1 + made) / (10 + made))
        for name, parameter in self._trained.items():
            average[name].lerp_(parameter.detach(), 1 - decay)

    def _measure(self, tell: ProgressCallback) -> None:
        """Measure on the held-out songs, with the weights that would be kept."""
        batch = self._held_out
        if batch is None:
            return
        state, special = self._state, self._lm.config.special_token
        totals = batch.totals(special).to(self._lm.device)
        sums = torch.zeros(self._lm.config.num_codebooks, device=self._lm.device)
        with self._averaged_weights(), torch.no_grad():
            self._lm.eval()
            for row in range(len(batch.tokens)):
                part = batch.part(slice(row, row + 1)).to(self._lm.device)
                sums += self._losses(part, totals)[1]
            self._lm.train()
            measured = Measured(state.step, tuple(sums.tolist()))
            state.measured.append(measured)
            best = state.best_measured is measured
            if best:
                save_best({n: p.detach() for n, p in self._trained.items()}, self._folder)
        tell(ValidationProgress(state.step, measured.loss, measured.per_codebook, best))

    def _preview_now(self) -> None:
        """Let the model be heard, if it is time; at the end it is anyway."""
        every, step = self._request.preview_every, self._state.step
        if self._preview is None or every is None or step % every or step == self._request.steps:
            return
        with self._averaged_weights():
            self._lm.eval()
            try:
                self._preview(step)
            finally:
                self._lm.train()

    @contextmanager
    def _averaged_weights(self) -> Iterator[None]:
        """The moving average in the place of the weights, where one is kept."""
        average = self._state.average
        if not average:
            yield
            return
        own = {name: parameter.detach().clone() for name, parameter in self._trained.items()}
        self._load(average)
        try:
            yield
        finally:
            self._load(own)

    def _has_timed_out(self) -> bool:
        limit = self._request.max_minutes
        return limit is not None and self._state.seconds >= 60 * limit

    def _has_stalled(self) -> bool:
        patience, best = self._request.patience, self._state.best_measured
        if patience is None or best is None:
            return False
        return sum(measured.step > best.step for measured in self._state.measured) >= patience

    def _seconds_left(self) -> float:
        state, request = self._state, self._request
        each = state.seconds / state.step
        left = each * (request.steps - state.step)
        if request.max_minutes is not None:
            left = min(left, max(0.0, 60 * request.max_minutes - state.seconds))
        return left

    def _save(self) -> None:
        state = self._state
        state.weights = {n: p.detach() for n, p in self._trained.items()}
        state.optimizer = self._optimizer.state_dict()
        state.scaler = self._scaler.state_dict()
        save_state(state, self._folder)

    def _restore(self) -> None:
        state = self._state
        self._load(state.weights)
        device = self._lm.device
        state.average = {name: tensor.to(device) for name, tensor in state.average.items()}
        # A copy: the optimiser would go on working in the state's own tensors.
        self._optimizer.load_state_dict(copy.deepcopy(state.optimizer))
        if state.scaler:
            self._scaler.load_state_dict(state.scaler)

    @torch.no_grad()
    def _load(self, weights: dict[str, Tensor]) -> None:
        if weights.keys() != self._trained.keys():
            raise TrainingError(
                "the saved weights belong to another model; train under another name, or start "
                "anew with --restart"
            )
        for name, parameter in self._trained.items():
            parameter.copy_(weights[name])

    def _keep(self) -> Measured | None:
        """Put the weights that are kept into the model."""
        best, state = self._state.best_measured, self._state
        weights = load_best(self._folder) if self._request.keep == "best" else None
        if best is not None and weights is not None:
            self._load(weights)
            return best
        if state.average:
            self._load(state.average)
        return state.measured[-1] if state.measured else None
