#!/usr/bin/env python3
"""Times one task of one tokenizer library; recipes/bench/tokenizer.lua runs it beside this program.

    tokenizer_peers.py PEER TASK --vocab FILE [--threads N] [--passes 2] FILE...

PEER: hf, tiktoken, gigatoken, rustbpe, pyrwkv.  TASK: encode (each file, first in a fresh library, then again unless
--passes is 1), train (30,000 entries; hf writes its file to --vocab).  Prints "cold SECONDS BYTES TOKENS", "warm SECONDS BYTES TOKENS" or "train SECONDS BYTES
ENTRIES"; exit status 77 when the library is missing or does not do the task.
"""
import argparse
import json
import os
import sys
import time

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


def byte_of_character():
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in visible]
    return {chr(b): b for b in visible} | {chr(256 + i): b for i, b in enumerate(others)}


def make_encoder(peer, options):
    """A function from text to the number of tokens."""
    if peer == "hf":
        import tokenizers
        tokenizer = tokenizers.Tokenizer.from_file(options.vocab)
        if options.threads > 1:
            return lambda text: sum(len(e.ids) for e in tokenizer.encode_batch(halves(text, options.threads), add_special_tokens=False))
        return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
    if peer == "tiktoken":
        import tiktoken
        with open(options.vocab) as file:
            vocab = json.load(file)["model"]["vocab"]
        to_byte = byte_of_character()
        ranks = {bytes(to_byte[c] for c in token): rank for token, rank in vocab.items() if rank < 50256}
        encoding = tiktoken.Encoding("gpt2", pat_str=GPT2, mergeable_ranks=ranks, special_tokens={})
        if options.threads > 1:
            return lambda text: sum(map(len, encoding.encode_ordinary_batch(halves(text, options.threads), num_threads=options.threads)))
        return lambda text: len(encoding.encode_ordinary(text))
    if peer == "gigatoken":
        import awkward  # noqa: F401  (its import must not be timed)
        import numpy  # noqa: F401
        import gigatoken
        tokenizer = gigatoken.Tokenizer(options.vocab)
        if options.threads > 1:
            return lambda text: len(tokenizer.encode_batch(halves(text, options.threads))[0])
        return lambda text: len(tokenizer.encode(text))
    if peer == "pyrwkv":
        import pyrwkv_tokenizer
        tokenizer = pyrwkv_tokenizer.RWKVTokenizer()
        return lambda text: len(tokenizer.encode(text))
    sys.exit(77)


def halves(text, count):
    """The text in `count` parts of about equal size, cut behind lines."""
    parts, at = [], 0
    for i in range(1, count + 1):
        stop = len(text) if i == count else text.find("\n", len(text) * i // count) + 1
        parts.append(text[at:stop])
        at = stop
    return parts


def encode(peer, options):
    for path in options.files:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        size = len(text.encode())
        encoder = make_encoder(peer, options)
        for name in ("cold", "warm")[:options.passes]:
            started = time.perf_counter()
            tokens = encoder(text)
            print(name, time.perf_counter() - started, size, tokens, flush=True)


def train(peer, options):
    texts = [open(path, encoding="utf-8").read() for path in options.files]
    size = sum(len(text.encode()) for text in texts)
    if peer == "hf":
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=30000, min_frequency=2, show_progress=False, special_tokens=["<|endoftext|>"],
                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
        run = lambda: tokenizer.train_from_iterator(texts, trainer)
        entries = tokenizer.get_vocab_size
    elif peer == "rustbpe":
        import rustbpe
        tokenizer = rustbpe.Tokenizer()
        run = lambda: tokenizer.train_from_iterator(iter(texts), 30000, pattern=GPT2.replace("++", "+").replace(r"|\s+$", ""))
        entries = lambda: tokenizer.vocab_size
    elif peer == "gigatoken":
        import gigatoken
        source = gigatoken.TextFileSource([str(path) for path in options.files])
        result = []
        run = lambda: result.append(gigatoken.train_bpe(source, 30000, special_tokens=[]))
        entries = lambda: 30000
    else:
        sys.exit(77)
    started = time.perf_counter()
    run()
    seconds = time.perf_counter() - started
    print("train", seconds, size, entries(), flush=True)
    if peer == "hf" and options.vocab:
        tokenizer.save(options.vocab)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("peer")
    arguments.add_argument("task", choices=["encode", "train"])
    arguments.add_argument("files", nargs="+")
    arguments.add_argument("--vocab", default="")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--passes", type=int, default=2)
    options = arguments.parse_args()
    os.environ["RAYON_NUM_THREADS"] = str(options.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if options.threads > 1 else "false"
    try:
        {"encode": encode, "train": train}[options.task](options.peer, options)
    except ImportError:
        sys.exit(77)


main()
