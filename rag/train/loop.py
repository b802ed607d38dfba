"""The loop that trainings share: warm-up and decay, checkpoints, going on, stopping early.

Imports torch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from rag.errors import ModelError, UsageError

Log = Callable[[str], None]
Loss = Callable[[int], tuple[Any, dict[str, float], int]]
"""A step's number to its loss, the parts of that by name, and how many examples were in it."""

CHECKPOINT = "checkpoint.pt"


def run(
    model: Any,
    steps: int,
    loss_of: Loss,
    plan: Any,
    out: Path,
    *,
    device: str = "cpu",
    log: Log = print,
    checkpoint_every: float = 300.0,
    stop_after: float | None = None,
) -> bool:
    """Train to the last step, going on from ``out/checkpoint.pt`` if that is there.

    ``plan`` is a dataclass with ``learning_rate``, ``warm_up``, ``decay``, ``weight_decay`` and
    ``epochs``; a checkpoint of another one is refused unless only its epochs were fewer: then the
    run is made longer. Writes a checkpoint every so many seconds; with
    ``stop_after`` seconds it stops early. Returns whether the last step is done.
    """
    out.mkdir(parents=True, exist_ok=True)
    optimiser = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad],
        lr=plan.learning_rate,
        weight_decay=plan.weight_decay,
        fused=True,
    )
    model.to(device)
    begun = _resumed(model, optimiser, plan, out, device)
    started = saved = time.monotonic()
    averages: dict[str, float] = {}
    model.train()
    seen = 0
    for step in range(begun, steps):
        for group in optimiser.param_groups:
            group["lr"] = plan.learning_rate * _rate(step, steps, plan)
        with torch.autocast(device.split(":", maxsplit=1)[0], dtype=torch.bfloat16):
            loss, parts, count = loss_of(step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        seen += count
        for name, value in parts.items():
            averages[name] = value if name not in averages else 0.98 * averages[name] + 0.02 * value
        now = time.monotonic()
        if step % 50 == 49:
            losses = " ".join(f"{name} {value:.3f}" for name, value in sorted(averages.items()))
            log(f"step {step + 1}/{steps} {losses} {seen / (now - started):.1f} examples/s")
        early = stop_after is not None and now - started > stop_after
        if now - saved > checkpoint_every or early or step + 1 == steps:
            _save(model, optimiser, plan, out, step + 1)
            saved = now
        if early:
            return step + 1 == steps
    return True


def read_checkpoint(file: Path, device: str = "cpu") -> dict[str, Any]:
    """Return what a checkpoint holds. Raises ModelError for a file that is none."""
    try:
        state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
        missing = {"model", "plan", "step"} - set(state)
    except Exception as error:  # torch has a dozen unrelated classes
        reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
        raise ModelError(f"{file} cannot be read as a checkpoint: {reason}.") from None
    if missing:
        raise ModelError(f"{file} is no checkpoint of rag train.")
    return state


def _rate(step: int, steps: int, plan: Any) -> float:
    """Linear warm-up, then level, then linear decay to nothing.

    A level part lets a run be made longer without beginning again (Hägele et al., "Scaling Laws and
    Compute-Optimal Training Beyond Fixed Training Durations", NeurIPS 2024).
    """
    rising, falling = max(1, int(steps * plan.warm_up)), max(1, int(steps * plan.decay))
    return min((step + 1) / rising, 1.0, max(0.0, (steps - step) / falling))


def _save(model: Any, optimiser: Any, plan: Any, out: Path, step: int) -> None:
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step,
             "plan": asdict(plan), "random": torch.get_rng_state()}  # fmt: skip
    torch.save(state, out / "checkpoint.new")
    (out / "checkpoint.new").replace(out / CHECKPOINT)


def _resumed(model: Any, optimiser: Any, plan: Any, out: Path, device: str) -> int:
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
