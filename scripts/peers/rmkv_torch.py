"""The causal RMKV block and its training step as a plain PyTorch script: the peer of recipes/bench/train_step.lua.

What it is: what a good PyTorch user would write for the same model, batch and optimiser — eager or compiled, fp32 or
bf16 — layer by layer, with explicit attention over the short segments (the fastest form we know in PyTorch) or with the
library's attention.  What it is not: part of the product; it needs only `pip install torch numpy`.

Block: memory rows and tokens share norm and QKV; token t sees the memory rows, the bridge (last k tokens of the segment
before) and tokens <= t; memory rows see memory rows and all tokens; SwiGLU; query pooling; GRU cell on [A ; pooled].

Protocol: reads lines from stdin; for each line "step" runs one training step and prints "seconds X loss Y"; "quit"
ends.  So another program can take turns with it on one machine.
"""

import argparse
import math

import contest
import torch
import torch.nn.functional as F
from torch import nn


class Norm(nn.Module):
    """RMS norm whose weight follows the activations' dtype, so that the fused implementation is taken."""

    def __init__(self, c):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(c))

    def forward(self, x):
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype))


class Layer(nn.Module):
    def __init__(self, c, heads, slots, ffn, bridge):
        super().__init__()
        self.heads, self.slots, self.bridge, self.c = heads, slots, bridge, c
        self.norm = Norm(c)
        self.slot_id = nn.Parameter(torch.randn(slots, c))
        self.qkv = nn.Linear(c, 3 * c, bias=False)
        self.out = nn.Linear(c, c, bias=False)
        self.norm_ffn = Norm(c)
        self.up = nn.Linear(c, 2 * ffn, bias=False)
        self.down = nn.Linear(ffn, c, bias=False)
        self.pool_query = nn.Parameter(torch.randn(slots, c) * c**-0.5)
        self.cell_input = nn.Linear(2 * c, c, bias=False)
        self.cell = nn.GRUCell(c, c)
        self.initial = nn.Parameter(torch.randn(slots, c) * 0.05)

    def split(self, x):  # [B, T, C] -> [B, H, T, D]
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x, m, cos, sin, mask, library):
        """x [S, B, T, C], m fp32 [B, M, C] -> x, m"""
        s_count, b, t, c = x.shape
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        scale = 1.0 / math.sqrt(c // self.heads)
        rows = []
        for s in range(s_count):
            mq, mk, mv = self.qkv((self.norm(m) + self.slot_id).to(x.dtype)).chunk(3, -1)
            tq, tk, tv = (self.split(z[s]) for z in (q, k, v))
            tq = rotate(tq, cos[self.bridge :], sin[self.bridge :])
            if s > 0:
                bk, bv = (self.split(z[s - 1][:, -self.bridge :]) for z in (k, v))
                keys = torch.cat([bk, tk], 2)
                values = torch.cat([bv, tv], 2)
                keys = rotate(keys, cos, sin)
                seen = mask
            else:
                keys, values = rotate(tk, cos[self.bridge :], sin[self.bridge :]), tv
                seen = torch.cat([mask[:, : self.slots], mask[:, self.slots + self.bridge :]], 1)
            mq, mk, mv = self.split(mq), self.split(mk), self.split(mv)
            all_k, all_v = torch.cat([mk, keys], 2), torch.cat([mv, values], 2)
            own_k, own_v = torch.cat([mk, keys[:, :, -t:]], 2), torch.cat([mv, tv], 2)
            if library:
                y = F.scaled_dot_product_attention(tq, all_k, all_v, attn_mask=seen)
                a = F.scaled_dot_product_attention(mq, own_k, own_v)
            else:
                bias = torch.zeros_like(seen, dtype=x.dtype).masked_fill(~seen, float("-inf"))
                y = ((tq @ all_k.transpose(-1, -2)) * scale + bias).softmax(-1) @ all_v
                a = ((mq @ own_k.transpose(-1, -2)) * scale).softmax(-1) @ own_v
            both = torch.cat([a, y], 2).transpose(1, 2).flatten(2)
            both = self.out(both)
            a, y = both[:, : self.slots], both[:, self.slots :]
            weights = torch.softmax((self.pool_query.to(y.dtype) @ y.transpose(-1, -2)).float() * c**-0.5, -1)
            pooled = weights.to(y.dtype) @ y
            u = self.cell_input(torch.cat([a, pooled], -1)).float()
            m = self.cell(u.flatten(0, 1), m.flatten(0, 1)).view_as(m)
            rows.append(y)
        x = x + torch.stack(rows)
        gate, up = self.up(self.norm_ffn(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up), m


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).to(x.dtype)


class Model(nn.Module):
    def __init__(self, v, c, layers, heads, slots, ffn, bridge, t):
        super().__init__()
        self.embedding = nn.Embedding(v, c)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.layers = nn.ModuleList(Layer(c, heads, slots, ffn, bridge) for _ in range(layers))
        self.norm = Norm(c)
        d = c // heads
        position = torch.arange(-bridge, t).float()[:, None]
        angle = position * 10000 ** (-torch.arange(0, d, 2).float() / d)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())
        causal = torch.ones(t, t, dtype=torch.bool).tril()
        self.register_buffer("mask", torch.cat([torch.ones(t, slots + bridge, dtype=torch.bool), causal], 1))

    def forward(self, tokens, labels, segments, library):
        b = tokens.shape[0]
        x = self.embedding(tokens).unflatten(1, (segments, -1)).transpose(0, 1)  # [S, B, T, C]
        if torch.is_autocast_enabled("cpu"):
            x = x.bfloat16()
        for layer in self.layers:
            m = layer.initial.expand(b, -1, -1)
            x, m = layer(x, m, self.cos.to(x.dtype), self.sin.to(x.dtype), self.mask, library)
        hidden = self.norm(x).transpose(0, 1).flatten(1, 2)
        logits = hidden @ self.embedding.weight.to(hidden.dtype).T
        return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--vocabulary", type=int, default=8192)
    p.add_argument("--channels", type=int, default=256)
    p.add_argument("--layers", type=int, default=6)
    p.add_argument("--heads", type=int, default=4)
    p.add_argument("--slots", type=int, default=16)
    p.add_argument("--ffn", type=int, default=0)
    p.add_argument("--bridge", type=int, default=32)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--segments", type=int, default=4)
    p.add_argument("--segment", type=int, default=128)
    p.add_argument("--dtype", choices=["fp32", "bf16"], default="bf16")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--attention", choices=["explicit", "library"], default="explicit")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    ffn = a.ffn or (8 * a.channels // 3 + 31) // 32 * 32
    model = Model(a.vocabulary, a.channels, a.layers, a.heads, a.slots, ffn, a.bridge, a.segment)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, fused=True)
    tokens = torch.randint(a.vocabulary, (a.batch, a.segments * a.segment + 1))
    run = torch.compile(model) if a.compile else model
    library = a.attention == "library"
    contest.run(model, optimizer, a.dtype, lambda: run(tokens[:, :-1], tokens[:, 1:], a.segments, library))


if __name__ == "__main__":
    main()
