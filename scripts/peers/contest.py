"""A peer's side of recipes/lib/contest.lua: answers each line "step" on stdin with the seconds and loss of one step.

What it is not: a model or a measurement; the peers that import it are plain scripts otherwise.
"""

import sys
import time

import torch


def run(model, optimizer, dtype, loss_of):
    """Trains `model` step by step as asked; loss_of() gives a step's loss.  dtype: "fp32" or "bf16" (autocast)."""

    def step():
        optimizer.zero_grad(set_to_none=False)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16"):
            loss = loss_of()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    print("parameters", sum(x.numel() for x in model.parameters()), flush=True)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        start = time.perf_counter()
        loss = step()
        print(f"seconds {time.perf_counter() - start:.4f} loss {loss:.4f}", flush=True)
