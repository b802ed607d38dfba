"""The loop that trainings share: warm-up and decay, checkpoints, going on, stopping early.

Imports torch.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence, Sized
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import torch

from rag.errors import ModelError, UsageError

Log = Callable[[str], None]
Batch = TypeVar("Batch", bound=Sized)

CHECKPOINT = "checkpoint.pt"
STEP = 32
"""Lengths are padded to multiples of it."""

_SAVED_EVERY = 300.0  # seconds


@dataclass(frozen=True)
class Plan:
    """What every run is fixed by; ``warm_up`` and ``decay`` are shares of all steps."""

    seed: int = 20261121
    learning_rate: float = 1e-4
    warm_up: float = 0.03
    decay: float = 0.35
    weight_decay: float = 0.01
    epochs: float = 1.0
    frozen_layers: int = 0


class Options(TypedDict, total=False):
    """Where a run computes, who is told how it goes, and after how long it stops early."""

    device: str
    log: Log
    minutes: float | None


def by_length(
    lengths: Sequence[int], batch_tokens: int, seed: str, counts: Sequence[int] | None = None
) -> list[list[int]]:
    """Batches of positions of like length, in an order that the seed fixes.

    Lengths are rounded up to ``STEP``, and a batch has as many as ``batch_tokens`` allow: so there
    are few shapes, each of which costs a processor a compilation and memory. A position stands for
    one text of its length, or for as many as ``counts`` says, which are not parted.

    >>> sorted(len(batch) for batch in by_length([5, 9, 70], 64, "seed"))
    [1, 2]
    """
    shuffler = random.Random(seed)
    order = list(range(len(lengths)))
    shuffler.shuffle(order)
    open_: dict[int, list[int]] = {}
    found: list[list[int]] = []
    for position in order:
        width = -(-lengths[position] // STEP) * STEP
        batch = open_.setdefault(width, [])
        batch.append(position)
        texts = sum(counts[n] for n in batch) if counts else len(batch)
        if texts >= max(1, batch_tokens // width):
            found.append(open_.pop(width))
    found += open_.values()
    shuffler.shuffle(found)
    return found


def schedule(epochs: float, batches: Callable[[int], list[Batch]]) -> list[Batch]:
    """The batches of all passes by their numbers; the last pass may be cut short.

    >>> schedule(1.5, lambda epoch: [f"{epoch}a", f"{epoch}b"])
    ['0a', '0b', '1a']
    """
    whole, part = divmod(epochs, 1)
    found: list[Batch] = []
    for epoch in range(int(whole) + (part > 0)):
        of_pass = batches(epoch)
        found += of_pass if epoch < whole else of_pass[: int(len(of_pass) * part)]
    return found


def run(
    model: Any,
    batches: Sequence[Batch],
    loss_of: Callable[[Batch], tuple[Any, dict[str, float]]],
    plan: Plan,
    out: Path,
    *,
    device: str = "cpu",
    log: Log = print,
    minutes: float | None = None,
) -> bool:
    """Train to the last batch, going on from ``out/checkpoint.pt`` if that is there.

    ``loss_of`` a batch returns the loss and, for the log, the parts of it by name.
    A checkpoint of another plan is refused unless only its epochs were fewer: then the run is made
    longer. Writes checkpoints on the way; after so many ``minutes`` it stops early. Returns whether
    the last step is done.
    """
    out.mkdir(parents=True, exist_ok=True)
    optimiser = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad],
        lr=plan.learning_rate,
        weight_decay=plan.weight_decay,
        fused=True,
    )
    model.to(device)
    steps = len(batches)
    begun = _resumed(model, optimiser, plan, out, device)
    started = saved = time.monotonic()
    averages: dict[str, float] = {}
    model.train()
    seen = 0
    for step in range(begun, steps):
        for group in optimiser.param_groups:
            group["lr"] = plan.learning_rate * _rate(step, steps, plan)
        with torch.autocast(device_type(device), dtype=torch.bfloat16):
            loss, parts = loss_of(batches[step])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        seen += len(batches[step])
        for name, value in parts.items():
            averages[name] = 0.98 * averages.get(name, value) + 0.02 * value
        now = time.monotonic()
        if step % 50 == 49:
            losses = " ".join(f"{name} {value:.3f}" for name, value in sorted(averages.items()))
            log(f"step {step + 1}/{steps} {losses} {seen / (now - started):.1f} examples/s")
        early = minutes is not None and now - started > minutes * 60
        if now - saved > _SAVED_EVERY or early or step + 1 == steps:
            _save(model, optimiser, plan, out, step + 1)
            saved = now
        if early:
            return step + 1 == steps
    return True


def device_type(device: str) -> str:
    """What autocast wants of "cuda:1"."""
    return device.split(":", maxsplit=1)[0]


def read_checkpoint(file: Path, device: str = "cpu") -> dict[str, Any]:
    """What a checkpoint holds. Raises ModelError for a file that is none."""
    try:
        state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
        missing = {"model", "plan", "step"} - set(state)
    except Exception as error:  # torch has a dozen unrelated classes
        reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
        raise ModelError(f"{file} cannot be read as a checkpoint: {reason}.") from None
    if missing:
        raise ModelError(f"{file} is no checkpoint of rag train.")
    return state


def load_weights(model: Any, file: Path) -> dict[str, Any]:
    """Put the weights of a checkpoint into the model; return all that it holds.

    Raises ModelError for a file that is no checkpoint of such a model.
    """
    state = read_checkpoint(file)
    try:
        model.load_state_dict(state["model"])
    except (RuntimeError, TypeError, AttributeError):
        raise ModelError(f"{file} holds the weights of another model than this one.") from None
    return state


def average(model: Any, file: Path, out: Path, share: float) -> None:
    """Mix ``share`` of another checkpoint's weights into the model and write the result to ``out``.

    Two ends of one run are better than either (Wortsman et al., "Model soups", ICML 2022): later
    passes read texts again and begin to know them by heart. Raises ModelError as
    ``rag.train.load_weights`` does.
    """
    own = {  # copies, as loading writes into the model's own
        name: tensor.detach().float().cpu().clone() for name, tensor in model.state_dict().items()
    }
    other = load_weights(model, file)
    mixed = {
        name: torch.lerp(own[name], tensor.detach().float().cpu(), share)
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(mixed)
    torch.save(other | {"model": mixed}, out)


def _rate(step: int, steps: int, plan: Plan) -> float:
    """Linear warm-up, then level, then linear decay to nothing.

    A level part lets a run be made longer without beginning again (Hägele et al., "Scaling Laws and
    Compute-Optimal Training Beyond Fixed Training Durations", NeurIPS 2024).
    """
    rising, falling = max(1, int(steps * plan.warm_up)), max(1, int(steps * plan.decay))
    return min((step + 1) / rising, 1.0, max(0.0, (steps - step) / falling))


def _save(model: Any, optimiser: Any, plan: Plan, out: Path, step: int) -> None:
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step,
             "plan": asdict(plan), "random": torch.get_rng_state()}  # fmt: skip
    torch.save(state, out / "checkpoint.new")
    (out / "checkpoint.new").replace(out / CHECKPOINT)


def _resumed(model: Any, optimiser: Any, plan: Plan, out: Path, device: str) -> int:
    file = out / CHECKPOINT
    if not file.exists():
        return 0
    state = read_checkpoint(file, device)
    kept = asdict(type(plan)()) | state["plan"]  # checkpoints may be older than a field
    if kept | {"epochs": max(kept["epochs"], plan.epochs)} != asdict(plan):
        raise UsageError(
            f"{file} is of another plan ({json.dumps(state['plan'])}): remove it, or name another "
            "folder with --out"
        )
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    torch.set_rng_state(state["random"].cpu())
    return int(state["step"])
