"""Decode and prefill of other programs at an RWKV shape with random weights, for recipes/bench/decode.lua.

Peers: llama.cpp (package llama-cpp-python; version 7), the package rwkv (PyTorch; versions 4 to 7), and rwkv.cpp where
--rwkv_cpp names its shared library (versions 4 to 7).  Weight files are made in --folder when they are not there yet:
random values under the official names, quantised by each program's own quantiser, as its users do.

Answers lines on standard input: "prefill" and "decode" with "seconds X", "quit" ends.  The first line printed is
"ready load_seconds X bytes Y", or "unsupported WHY".
Needs: pip install numpy gguf llama-cpp-python torch rwkv
"""

import argparse
import ctypes
import os
import struct
import sys
import time

import numpy as np

RANKS = {"w": 64, "a": 64, "v": 32, "g": 128}  # of version 7 at D = 768
HEAD = 64


def shapes(version, D, L, V, F):
    """Official names and shapes, vectors as [D]."""
    yield "emb.weight", (V, D)
    for i in range(L):
        p = f"blocks.{i}."
        for norm in (["ln0"] if i == 0 else []) + ["ln1", "ln2"]:
            yield p + norm + ".weight", (D,)
            yield p + norm + ".bias", (D,)
        a, f = p + "att.", p + "ffn."
        if version == 4:
            for n in ("time_decay", "time_first", "time_mix_k", "time_mix_v", "time_mix_r"):
                yield a + n, (D,)
        else:
            for n in ("x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "w0", "a0", "v0", "k_k", "k_a"):
                yield a + n, (D,)
            yield a + "r_k", (D // HEAD, HEAD)
            for n, rank in RANKS.items():
                yield a + n + "1", (D, rank)
                yield a + n + "2", (rank, D)
            yield a + "ln_x.weight", (D,)
            yield a + "ln_x.bias", (D,)
        for n in ("receptance", "key", "value", "output"):
            yield a + n + ".weight", (D, D)
        if version == 4:
            yield f + "time_mix_k", (D,)
            yield f + "time_mix_r", (D,)
            yield f + "receptance.weight", (D, D)
        else:
            yield f + "x_k", (D,)
        yield f + "key.weight", (F, D)
        yield f + "value.weight", (D, F)
    yield "ln_out.weight", (D,)
    yield "ln_out.bias", (D,)
    yield "head.weight", (V, D)


def random_weights(args):
    rng = np.random.default_rng(1)
    for name, shape in shapes(args.version, args.channels, args.layers, args.vocabulary, args.hidden):
        values = rng.uniform(-1, 1, shape).astype(np.float32)
        if len(shape) == 2:
            values *= (3.0 / shape[1]) ** 0.5
        elif name.endswith(".weight"):
            values += 1
        yield name, values


def made(path, make):
    """The file at `path`, made whole or not at all."""
    if not os.path.exists(path):
        make(path + ".part")
        os.rename(path + ".part", path)
    return path


class Llama:
    def __init__(self, args):
        if args.version != 7:
            raise NotImplementedError("llama.cpp has no RWKV-%d" % args.version)
        import llama_cpp

        self.lib, self.args = llama_cpp, args
        llama_cpp.llama_backend_init()
        base = made(args.stem + ".f32.gguf", self.write)
        kinds = {"fp32": None, "fp16": llama_cpp.LLAMA_FTYPE_MOSTLY_F16, "bf16": 32, "q8_0": 7, "q5_1": 9, "q5_0": 8,
                 "q4_0": 2, "q4_1": 3}
        kind = kinds[args.type]
        self.path = base if kind is None else made(f"{args.stem}.{args.type}.gguf", lambda p: self.quantize(base, p, kind))
        self.bytes = os.path.getsize(self.path)
        started = time.monotonic()
        params = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(self.path.encode(), params)
        if not self.model:
            raise RuntimeError("llama.cpp did not load " + self.path)
        cp = llama_cpp.llama_context_default_params()
        cp.n_ctx, cp.n_batch, cp.n_ubatch = 4096, 512, 512
        cp.n_threads = cp.n_threads_batch = args.threads
        self.context = llama_cpp.llama_init_from_model(self.model, cp)
        self.load_seconds = time.monotonic() - started

    def quantize(self, source, target, kind):
        params = self.lib.llama_model_quantize_default_params()
        params.ftype, params.nthread = kind, 1
        if self.lib.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)) != 0:
            raise RuntimeError("llama.cpp did not quantise")

    def write(self, path):
        import gguf

        a = self.args
        w = gguf.GGUFWriter(path, "rwkv7")
        w.add_context_length(1 << 20)
        w.add_embedding_length(a.channels)
        w.add_block_count(a.layers)
        w.add_layer_norm_eps(1e-5)
        w.add_wkv_head_size(HEAD)
        w.add_decay_lora_rank(RANKS["w"])
        w.add_iclr_lora_rank(RANKS["a"])
        w.add_value_residual_mix_lora_rank(RANKS["v"])
        w.add_gate_lora_rank(RANKS["g"])
        w.add_feed_forward_length(a.hidden)
        w.add_head_count(0)
        w.add_vocab_size(a.vocabulary)
        w.add_tokenizer_model("none")
        fixed = {"emb.weight": "token_embd.weight", "ln_out": "output_norm", "head.weight": "output.weight"}
        parts = {"ln1": "attn_norm", "ln2": "attn_norm_2", "att.ln_x": "time_mix_ln", "ffn.x_k": "channel_mix_lerp_k.weight",
                 "ffn.key": "channel_mix_key", "ffn.value": "channel_mix_value", "att.receptance": "time_mix_receptance",
                 "att.key": "time_mix_key", "att.value": "time_mix_value", "att.output": "time_mix_output"}
        lerps = {}
        for name, values in random_weights(a):
            if name.startswith("blocks.0.ln0"):
                target = name.replace("blocks.0.ln0", "token_embd_norm")
            elif not name.startswith("blocks."):
                target = next(v + name[len(k):] for k, v in fixed.items() if name.startswith(k))
            else:
                _, i, rest = name.split(".", 2)
                if rest.startswith("att.x_"):
                    lerps.setdefault(i, {})[rest[6:]] = values
                    if len(lerps[i]) == 6:
                        fused = np.stack([lerps[i][j] for j in "rwkvag"]).reshape(6, 1, 1, a.channels)
                        w.add_tensor(f"blk.{i}.time_mix_lerp_fused.weight", fused)
                    continue
                key = next((k for k in parts if rest == k or rest.startswith(k + ".")), None)
                if key:
                    target = f"blk.{i}." + parts[key] + rest[len(key):]
                else:  # w0 .. r_k; low-rank halves are transposed
                    target = f"blk.{i}.time_mix_{rest[4:]}.weight"
                    if rest[4:] == "r_k":
                        values = values.reshape(-1)
                    elif values.ndim == 2:
                        values = np.ascontiguousarray(values.T)
                        if i == "0" and rest[4:] in ("v1", "v2"):  # unused there; it wants the rank of a
                            values = np.zeros((RANKS["a"], a.channels) if rest[4:] == "v1" else (a.channels, RANKS["a"]),
                                              np.float32)
            w.add_tensor(target, values)
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.write_tensors_to_file()
        w.close()

    def reset(self):
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)

    def eval(self, tokens):
        array = (ctypes.c_int32 * len(tokens))(*tokens)
        if self.lib.llama_decode(self.context, self.lib.llama_batch_get_one(array, len(tokens))) != 0:
            raise RuntimeError("llama_decode failed")
        return self.lib.llama_get_logits_ith(self.context, -1)[0]  # waits for the result


class Package:
    def __init__(self, args):
        if args.type not in ("fp32", "bf16"):
            raise NotImplementedError("the package rwkv runs fp32 and bf16 on a CPU")
        os.environ["RWKV_JIT_ON"], os.environ["RWKV_CUDA_ON"] = "1", "0"
        if args.version == 7:
            os.environ["RWKV_V7_ON"] = "1"
        import torch

        torch.set_num_threads(args.threads)
        torch.set_grad_enabled(False)
        self.bytes = 0

        def write(path):
            as_stored = lambda n, v: v.reshape(1, 1, -1) if "mix_" in n or n.split(".")[-1][:2] in ("x_", "w0", "a0", "v0", "k_") else v
            torch.save({n: torch.from_numpy(as_stored(n, v)).bfloat16() for n, v in random_weights(args)}, path)

        path = made(args.stem + ".pth", write)
        from rwkv.model import RWKV

        started = time.monotonic()
        self.model = RWKV(model=path[:-4], strategy="cpu " + args.type)
        self.load_seconds = time.monotonic() - started
        self.state = None

    def reset(self):
        self.state = None

    def eval(self, tokens):
        logits, self.state = self.model.forward(tokens, self.state)
        return float(logits[0])


class RwkvCpp:
    TYPES = {"fp32": 0, "fp16": 1}

    def __init__(self, args):
        if not args.rwkv_cpp:
            raise NotImplementedError("rwkv.cpp needs --rwkv_cpp")
        self.lib = ctypes.CDLL(args.rwkv_cpp)
        self.lib.rwkv_init_from_file.restype = ctypes.c_void_p
        quantised = args.type.startswith("q")
        base = made(f"{args.stem}.{'fp16' if quantised else args.type}.ggmf",
                    lambda p: self.write(args, p, "fp16" if quantised else args.type))
        path = base
        if quantised:
            name = args.type.upper().encode()
            path = made(f"{args.stem}.{args.type}.ggmf",
                        lambda p: self.lib.rwkv_quantize_model_file(base.encode(), p.encode(), name))
        self.bytes = os.path.getsize(path)
        started = time.monotonic()
        self.context = ctypes.c_void_p(self.lib.rwkv_init_from_file(path.encode(), args.threads, 0))
        if not self.context:
            raise RuntimeError("rwkv.cpp did not load " + path)
        self.load_seconds = time.monotonic() - started
        for f in ("rwkv_get_state_len", "rwkv_get_logits_len"):
            getattr(self.lib, f).restype = ctypes.c_size_t
        self.state = (ctypes.c_float * self.lib.rwkv_get_state_len(self.context))()
        self.logits = (ctypes.c_float * self.lib.rwkv_get_logits_len(self.context))()
        self.reset()

    def write(self, args, path, kind):
        if kind not in self.TYPES:
            raise NotImplementedError("rwkv.cpp has no " + kind)
        with open(path, "wb") as out:
            out.write(struct.pack("<iiiiii", 0x67676D66, 101, args.vocabulary, args.channels, args.layers, self.TYPES[kind]))

            def put(name, values):
                small = values.ndim == 1 or any(part in name for part in ("time_", "r_k", "x_rwkvag"))
                dtype = 0 if small else self.TYPES[kind]
                key = name.encode()
                out.write(struct.pack("<iii", values.ndim, len(key), dtype))
                out.write(struct.pack("<" + "i" * values.ndim, *reversed(values.shape)))
                out.write(key)
                out.write(values.astype(np.float16 if dtype else np.float32).tobytes())

            lerps = {}
            for name, values in random_weights(args):
                leaf = name.split(".")[-1]
                if name in ("blocks.0.att.v0", "blocks.0.att.v1", "blocks.0.att.v2"):
                    continue  # unused, and it aborts on a tensor that it does not ask for
                if leaf == "time_decay":
                    values = -np.exp(values)
                if ".att.x_" in name:
                    prefix = name[: name.index("x_")]
                    lerps.setdefault(prefix, {})[leaf[2:]] = values
                    if len(lerps[prefix]) == 6:
                        put(prefix + "x_rwkvag", np.stack([lerps[prefix][j] for j in "rwkvag"]).reshape(6, 1, -1))
                    continue
                if values.ndim == 2 and len(leaf) == 2 and leaf[1] in "12":
                    values = np.ascontiguousarray(values.T)
                put(name, values)

    def reset(self):
        self.lib.rwkv_init_state(self.context, self.state)

    def eval(self, tokens):
        ids = (ctypes.c_uint32 * len(tokens))(*tokens)
        if len(tokens) == 1:
            ok = self.lib.rwkv_eval(self.context, ids[0], self.state, self.state, self.logits)
        else:  # its documentation advises chunks of this size
            ok = self.lib.rwkv_eval_sequence_in_chunks(self.context, ids, ctypes.c_size_t(len(tokens)), ctypes.c_size_t(64),
                                                       self.state, self.state, self.logits)
        if not ok:
            raise RuntimeError("rwkv.cpp did not evaluate")
        return self.logits[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", choices=("llama", "package", "rwkvcpp"), required=True)
    parser.add_argument("--rwkv_cpp", default="")
    parser.add_argument("--folder", required=True)
    for name, value in dict(version=7, channels=768, layers=12, vocabulary=65536, hidden=3072, threads=1, prefill=512,
                            decode=64).items():
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--type", default="fp32")
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    args.stem = os.path.join(args.folder, f"rwkv{args.version}-{args.layers}x{args.channels}-{args.vocabulary}")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes elsewhere
    try:
        peer = {"llama": Llama, "package": Package, "rwkvcpp": RwkvCpp}[args.peer](args)
    except (NotImplementedError, ImportError) as why:
        print("unsupported", str(why).replace("\n", " "), file=answers)
        return
    prompt = [(7 * i + 3) % args.vocabulary for i in range(args.prefill)]
    peer.reset()
    peer.eval(prompt)
    peer.eval([1])
    print("ready load_seconds", peer.load_seconds, "bytes", peer.bytes, file=answers)
    for line in sys.stdin:
        command = line.strip()
        if command == "quit":
            break
        peer.reset()
        if command == "prefill":
            started = time.monotonic()
            peer.eval(prompt)
        else:
            peer.eval(prompt[:1])
            started = time.monotonic()
            for i in range(args.decode):
                peer.eval([prompt[i % len(prompt)]])
        print("seconds", time.monotonic() - started, file=answers)


main()
