"""RWKV-7 and RWKV-4 with their training step as a plain PyTorch script: the peer of recipes/bench/train_families.lua.

What it is: what a PyTorch user without a compiled kernel trains, written from the formulas of arXiv 2503.14456 and
2305.13048; eager, fp32 or bf16 (autocast, recurrences in fp32).  What it is not: part of the product; it needs only
`pip install torch numpy`.

The recurrences come in two forms: token by token, as the CPU fall-backs of public scripts have them, and in chunks of
16 tokens as matrix products (7: the delta rule's triangular system; 4: weights of all pairs of tokens of a chunk).

Protocol: reads lines from stdin; for each line "step" runs one training step and prints "seconds X loss Y"; "quit"
ends.  So another program can take turns with it on one machine.
"""

import argparse
import math

import contest
import torch
import torch.nn.functional as F
from torch import nn

CHUNK = 16


def wkv7_by_token(r, w, k, v, z, b):
    """S <- S diag(w) + (S z) b^T + v k^T, y = S r; all [B, H, T, N] -> y"""
    state = torch.zeros(*r.shape[:2], r.shape[-1], r.shape[-1])
    rows = []
    for t in range(r.shape[2]):
        read = state @ z[:, :, t, :, None]
        state = state * w[:, :, t, None, :] + read @ b[:, :, t, None, :] + v[:, :, t, :, None] @ k[:, :, t, None, :]
        rows.append((state @ r[:, :, t, :, None]).squeeze(-1))
    return torch.stack(rows, 2)


def wkv7_by_chunk(r, w, k, v, z, b):
    """The same, with c_t = S_(t-1) z_t of a chunk from (I - A_zb) C = Z S + A_zk V, A strictly lower triangular."""
    log_w = w.log().unflatten(2, (-1, CHUNK))
    total = log_w.cumsum(3)
    r, k, v, z, b = (x.unflatten(2, (-1, CHUNK)) for x in (r, k, v, z, b))
    r, z = r * total.exp(), z * (total - log_w).exp()  # w > 0.545: exp(-total) stays below 2e4 in a chunk
    k, b = k * (-total).exp(), b * (-total).exp()
    zb, zk = (z @ b.mT).tril(-1), (z @ k.mT).tril(-1)
    rb, rk = (r @ b.mT).tril(), (r @ k.mT).tril()
    system = torch.eye(CHUNK) - zb
    decay = total[:, :, :, -1].exp()
    state = torch.zeros(*r.shape[:2], r.shape[-1], r.shape[-1])  # [key, value]
    rows = []
    for i in range(r.shape[2]):
        given = z[:, :, i] @ state + zk[:, :, i] @ v[:, :, i]
        read = torch.linalg.solve_triangular(system[:, :, i], given, upper=False, unitriangular=True)
        rows.append(r[:, :, i] @ state + rb[:, :, i] @ read + rk[:, :, i] @ v[:, :, i])
        added = b[:, :, i].mT @ read + k[:, :, i].mT @ v[:, :, i]
        state = (state + added) * decay[:, :, i, :, None]
    return torch.cat(rows, 2)


def wkv4_by_token(w, u, k, v):
    """A decaying weighted mean of values with the largest exponent kept apart; k, v [B, T, C] -> y"""
    a = b = torch.zeros_like(k[:, 0])
    p = torch.full_like(a, -1e30)
    rows = []
    for kt, vt in zip(k.unbind(1), v.unbind(1)):
        q = torch.maximum(p, u + kt)
        old, now = (p - q).exp(), (u + kt - q).exp()
        rows.append((old * a + now * vt) / (old * b + now))
        q = torch.maximum(p + w, kt)
        old, now = (p + w - q).exp(), (kt - q).exp()
        a, b, p = old * a + now * vt, old * b + now, q
    return torch.stack(rows, 1)


def wkv4_by_chunk(w, u, k, v):
    """The same; a row's exponents are those of its chunk's keys and of the state, less their largest."""
    k, v = k.unflatten(1, (-1, CHUNK)), v.unflatten(1, (-1, CHUNK))
    steps = torch.arange(CHUNK)
    age = steps[:, None] - steps - 1  # of key s at token t, in steps of decay
    distance = torch.where((age < 0)[:, :, None], torch.tensor(-math.inf), age[:, :, None] * w)
    distance = torch.where((age == -1)[:, :, None], u, distance)  # [t, s, C]
    to_end = (CHUNK - 1 - steps)[:, None] * w
    a = b = torch.zeros_like(k[:, 0, 0])
    p = torch.full_like(a, -1e30)
    rows = []
    for i in range(k.shape[1]):
        exponents = distance + k[:, i, None]  # [B, t, s, C]
        carried = p[:, None] + steps[:, None] * w  # [B, t, C]
        top = torch.maximum(exponents.amax(2), carried)
        weights, old = (exponents - top[:, :, None]).exp(), (carried - top).exp()
        rows.append(((weights * v[:, i, None]).sum(2) + old * a[:, None]) / (weights.sum(2) + old * b[:, None]))
        exponents, carried = to_end + k[:, i], p + CHUNK * w
        top = torch.maximum(exponents.amax(1), carried)
        weights, old = (exponents - top[:, None]).exp(), (carried - top).exp()
        a, b, p = (weights * v[:, i]).sum(1) + old * a, weights.sum(1) + old * b, top
    return torch.cat(rows, 1)


def shifted(x):
    return F.pad(x, (0, 0, 1, -1)) - x


def linear(inputs, outputs):
    return nn.Linear(inputs, outputs, bias=False)


class LowRank(nn.Module):
    def __init__(self, c, rank, bias):
        super().__init__()
        self.first, self.second = linear(c, rank), linear(rank, c)
        self.bias = nn.Parameter(torch.full((c,), bias))

    def forward(self, x, function=lambda y: y):
        return self.second(function(self.first(x))) + self.bias


class TimeMix7(nn.Module):
    def __init__(self, c, head, ranks, layer, by_token):
        super().__init__()
        self.head, self.layer = head, layer
        self.wkv = wkv7_by_token if by_token else wkv7_by_chunk
        self.shares = nn.Parameter(torch.rand(6, c))
        self.r, self.k, self.v, self.o = (linear(c, c) for _ in range(4))
        w, a, v, g = ranks
        self.decay, self.rate, self.gate = LowRank(c, w, -2.0), LowRank(c, a, 0.0), LowRank(c, g, 0.0)
        self.mixing = LowRank(c, v, 0.5) if layer > 0 else None
        self.key_scale, self.rate_scale = nn.Parameter(torch.full((c,), 0.7)), nn.Parameter(torch.ones(c))
        self.bonus = nn.Parameter(torch.full((c // head, head), -0.04))
        self.norm = nn.GroupNorm(c // head, c, eps=64e-5)

    def forward(self, x, first):
        d = shifted(x)
        xr, xw, xk, xv, xa, xg = (x + d * share.to(x.dtype) for share in self.shares)
        r, k, v = self.r(xr), self.k(xk), self.v(xv)
        w = torch.exp(-math.exp(-0.5) * torch.sigmoid(self.decay(xw, torch.tanh).float()))
        a = torch.sigmoid(self.rate(xa).float())
        g = self.gate(xg, torch.sigmoid)
        if self.mixing is None:
            first = v
        else:
            v = v + (first - v) * torch.sigmoid(self.mixing(xv))
        heads = lambda y: y.float().unflatten(-1, (-1, self.head)).transpose(1, 2)
        kappa = F.normalize(heads(k * self.key_scale), dim=-1)
        k = k.float() * (1 + (a - 1) * self.rate_scale)
        r, w, k, v, a = (heads(y) for y in (r, w, k, v, a))
        with torch.autocast("cpu", enabled=False):
            y = self.wkv(r, w, k, v, -kappa, kappa * a).transpose(1, 2)
        own = (r * k * self.bonus[:, None]).sum(-1, keepdim=True) * v
        y = self.norm(y.flatten(0, 1).flatten(1)).view(x.shape) + own.transpose(1, 2).flatten(2)
        return self.o((y * g).to(x.dtype)), first


class TimeMix4(nn.Module):
    def __init__(self, c, by_token):
        super().__init__()
        self.wkv = wkv4_by_token if by_token else wkv4_by_chunk
        self.shares = nn.Parameter(torch.rand(3, c))
        self.k, self.v, self.r, self.o = (linear(c, c) for _ in range(4))
        self.decay, self.bonus = nn.Parameter(torch.linspace(-5, 3, c)), nn.Parameter(torch.full((c,), -1.2))

    def forward(self, x, first):
        d = shifted(x)
        xk, xv, xr = (x + d * share.to(x.dtype) for share in self.shares)
        k, v, r = self.k(xk), self.v(xv), torch.sigmoid(self.r(xr))
        with torch.autocast("cpu", enabled=False):
            y = self.wkv(-self.decay.exp(), self.bonus, k.float(), v.float())
        return self.o(r * y.to(x.dtype)), first


class ChannelMix(nn.Module):
    def __init__(self, c, hidden, gated):
        super().__init__()
        self.shares = nn.Parameter(torch.rand(2 if gated else 1, c))
        self.k, self.v = linear(c, hidden), linear(hidden, c)
        self.r = linear(c, c) if gated else None

    def forward(self, x):
        d = shifted(x)
        out = self.v(F.relu(self.k(x + d * self.shares[0].to(x.dtype))).square())
        return out if self.r is None else torch.sigmoid(self.r(x + d * self.shares[1].to(x.dtype))) * out


class Model(nn.Module):
    def __init__(self, a):
        super().__init__()
        c, seven = a.channels, a.model == "rwkv7"
        self.embedding = nn.Embedding(a.vocabulary, c)
        nn.init.uniform_(self.embedding.weight, -1e-4, 1e-4)
        self.norms = nn.ModuleList(nn.LayerNorm(c) for _ in range(2 * a.layers + 2))
        self.time = nn.ModuleList(
            TimeMix7(c, a.head, a.ranks, i, a.by_token) if seven else TimeMix4(c, a.by_token) for i in range(a.layers)
        )
        self.channel = nn.ModuleList(ChannelMix(c, a.ffn or 4 * c, not seven) for _ in range(a.layers))
        self.head = linear(c, a.vocabulary)

    def forward(self, tokens, labels, dtype):
        x = self.norms[0](self.embedding(tokens))
        first = None
        for i, (time_mix, channel_mix) in enumerate(zip(self.time, self.channel)):
            y, first = time_mix(self.norms[2 * i + 1](x).to(dtype), first)
            x = x + y
            x = x + channel_mix(self.norms[2 * i + 2](x).to(dtype))
        logits = self.head(self.norms[-1](x).to(dtype))
        return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--model", choices=["rwkv4", "rwkv7"], default="rwkv7")
    p.add_argument("--by-token", action="store_true", help="the recurrence token by token, not in chunks")
    p.add_argument("--vocabulary", type=int, default=8192)
    p.add_argument("--channels", type=int, default=256)
    p.add_argument("--layers", type=int, default=6)
    p.add_argument("--head", type=int, default=64, help="channels of a head")
    p.add_argument("--ffn", type=int, default=0, help="hidden units of the channel mix; 0: 4 C")
    p.add_argument("--ranks", type=int, nargs=4, default=[32, 32, 32, 64], help="of decay, rate, value, gate")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--tokens", type=int, default=512)
    p.add_argument("--dtype", choices=["fp32", "bf16"], default="bf16")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--check", action="store_true", help="compare the two forms of the recurrences and end")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    if a.check:
        check()
        return
    model = Model(a)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    tokens = torch.randint(a.vocabulary, (a.batch, a.tokens + 1))
    dtype = torch.bfloat16 if a.dtype == "bf16" else torch.float32
    contest.run(model, optimizer, a.dtype, lambda: model(tokens[:, :-1], tokens[:, 1:], dtype))


def check():
    r, k, v = (torch.randn(2, 3, 48, 8) for _ in range(3))
    kappa = F.normalize(torch.randn(2, 3, 48, 8), dim=-1)
    w = torch.exp(-math.exp(-0.5) * torch.rand(2, 3, 48, 8))
    given = (r, w, k, v, -kappa, kappa * torch.rand(2, 3, 48, 8))
    print("rwkv7, largest difference:", (wkv7_by_token(*given) - wkv7_by_chunk(*given)).abs().max().item())
    k, v = torch.randn(2, 48, 8), torch.randn(2, 48, 8)
    given = (-torch.rand(8), torch.randn(8), k, v)
    print("rwkv4, largest difference:", (wkv4_by_token(*given) - wkv4_by_chunk(*given)).abs().max().item())


if __name__ == "__main__":
    main()
