#!/usr/bin/env python3
"""Compares this program's tokenizers with Hugging Face's library, shape by shape, text by text.

    hugging_face_sweep.py RMKV_BINARY [--texts 10000] [--only NAME] [--data FOLDER] [--seed 1]

Needs Python with PyPI `tokenizers` 0.23 (`tiktoken` for the rank files, too); exit status 77 without.  Makes
tokenizers of every supported shape, small ones by training; encodes generated texts (words, white space, all planes of
Unicode, special tokens inside text, long runs) with both, once as they come, once without template and once with special
tokens as text; decodes the ids; writes each file again through this program and has the library read that.  Prints a line
for each shape; exit status 1 when any id or text differs.

Known quirks of theirs, which are not counted: decoding puts U+FFFD for bytes that are no UTF-8 (ours keeps the bytes); the
content of an added token that happens to spell bytes (such as U+00E9) is decoded as those bytes behind a ByteLevel
decoder; a Metaspace with prepend_scheme "first" behind a normalizer that strips the start of the text sees another
offset.
"""
import argparse
import io
import json
import os
import random
import subprocess
import sys
import tempfile

try:
    import tokenizers
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
except ImportError:
    sys.exit(77)

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
            r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
            r"|\s*[\r\n]+|\s+(?!\S)|\s+"]
SPECIAL = ["<|endoftext|>", "<s>", "</s>", "<unk>", "[CLS]", "[SEP]", "<pad>", "<mask>"]


class Texts:
    """Generated texts: a function of a seed."""

    def __init__(self, seed, words):
        self.random = random.Random(seed)
        self.words = words

    def character(self):
        r = self.random
        while True:
            code = r.choice([lambda: r.randrange(128), lambda: r.randrange(0x300), lambda: r.randrange(0x3000),
                             lambda: r.randrange(0x300, 0x370), lambda: r.randrange(0xAC00, 0xD7A4),
                             lambda: r.randrange(0x10000), lambda: r.randrange(0x1F000, 0x20000),
                             lambda: r.randrange(0x110000)])()
            if not 0xD800 <= code < 0xE000:
                return chr(code)

    def piece(self):
        r = self.random
        kind = r.randrange(14)
        if kind < 3:
            return r.choice(self.words)
        if kind == 3:
            return r.choice([" ", "  ", "\n", "\r\n", "\t", "\n\n ", "   \n", "\xa0", "\u3000", "\u2028", "\u180e", "\x85", " \n \n"])
        if kind == 4:
            return r.choice(["'s", "'LL", "'re", "'\u017f", "don't", "I'd", "'", "''", "O'Neill", "'S'T"])
        if kind == 5:
            return str(r.randrange(10 ** r.randrange(1, 12)))
        if kind == 6:
            return r.choice(SPECIAL + ["<|", "<|end", "|>", "<extra>", "<lead>", "<tail>", "word", "sWORDs", "Mixed", " <lead> ", "  <tail>  "])
        if kind == 7:
            return r.choice(["!", "...", "--", "_", "\u2581", "\u2581\u2581", "//", "\u00e9", "e\u0301", "\U0001f600", "\U0001f468\u200d\U0001f469", "\ufb01", "\u0130", "\u03a3",
                             "\u1e9b\u0323", "\u0344", "\ud55c\uae00", "\u1112\u1161\u11ab", "\u212b", "\uff21", "\u00bd", "\u2163", "\u0967", "\u4eca\u65e5\u306f", "\0", "\ufeff", "\ufffd"])
        if kind == 8:
            return r.choice("a .\n1\u00e9\u4e00\u2581") * r.randrange(1, 40)
        return "".join(self.character() for _ in range(r.randrange(1, 6)))

    def text(self):
        r = self.random
        glue = r.choice([" ", " ", ""])
        return glue.join(self.piece() for _ in range(r.randrange(1, 14)))


def bpe_trainer(**options):
    return trainers.BpeTrainer(show_progress=False, **options)


def added(tokenizer):
    """Added tokens of all kinds."""
    if tokenizer is None:
        return None
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", special=True), AddedToken("<s>", special=True), AddedToken("</s>", special=True)])
    tokenizer.add_tokens([
        AddedToken("<lead>", lstrip=True, normalized=False), AddedToken("<tail>", rstrip=True, normalized=False),
        AddedToken("word", single_word=True, normalized=False), AddedToken("Mixed", normalized=True),
        AddedToken("<extra>", lstrip=True, rstrip=True, normalized=True), AddedToken("<mask>", lstrip=True, special=True)])
    return tokenizer


def byte_bpe(corpus, split=None, normalizer=None, size=1500, prefix=False, steps=None, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer:
        tokenizer.normalizer = normalizer
    last = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=split is None and steps is None)
    before = steps if steps is not None else [] if split is None else [pre_tokenizers.Split(Regex(split), "isolated")]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(before + [last]) if before else last
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(corpus, bpe_trainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def with_model(tokenizer, **changes):
    """The same tokenizer with changed members of its model."""
    data = json.loads(tokenizer.to_str())
    data["model"].update(changes)
    return Tokenizer.from_str(json.dumps(data))


def llama2(corpus, metaspace=None, size=1500, fallback=True):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=fallback))
    if metaspace is None:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    else:
        tokenizer.pre_tokenizer = metaspace
    # Trained behind a splitting Metaspace; used as the file says.
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trained.train_from_iterator(corpus, bpe_trainer(vocab_size=size, special_tokens=special))
    model = json.loads(trained.to_str())["model"]
    data = json.loads(tokenizer.to_str())
    data["model"].update(vocab=model["vocab"], merges=model["merges"])
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.add_special_tokens([AddedToken("<unk>", normalized=False), AddedToken("<s>", normalized=False), AddedToken("</s>", normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A <s> $B", special_tokens=[("<s>", 1), ("</s>", 2)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return tokenizer


def charsmap(corpus, rules):
    """The normalisation rules that SentencePiece writes into a model file; None without that library."""
    try:
        import sentencepiece
    except ImportError:
        return None
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus), model_writer=written, vocab_size=300,
                                             normalization_rule_name=rules, minloglevel=2)

    def fields(message):  # of a protocol buffer, those with a length
        at = 0
        while at < len(message):
            key, at = varint(message, at)
            size, at = varint(message, at) if key & 7 == 2 else ({1: 8, 5: 4}.get(key & 7, 0), at)
            if key & 7 == 0:
                _, at = varint(message, at)
            elif key & 7 == 2:
                yield key >> 3, message[at:at + size]
            at += size

    def varint(message, at):
        value = shift = 0
        while True:
            value |= (message[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if message[at - 1] < 128:
                return value, at

    normalizer = dict(fields(written.getvalue()))[3]
    return dict(fields(normalizer))[2]


def sentence_piece(corpus, rules, normalizer, pre_tokenizer):
    """A Unigram file as it is converted from SentencePiece (T5, XLM-R, ALBERT)."""
    blob = charsmap(corpus, rules)
    if blob is None:
        return None
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizer(normalizers.Precompiled(blob))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(corpus, trainers.UnigramTrainer(vocab_size=800, show_progress=False, unk_token="<unk>", special_tokens=["<unk>", "<s>", "</s>"]))
    return tokenizer


def clip(corpus):
    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(corpus, bpe_trainer(vocab_size=1500, end_of_word_suffix="</w>", special_tokens=["<|startoftext|>", "<|endoftext|>"],
                                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def unigram(corpus, **options):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(**options)
    tokenizer.decoder = decoders.Metaspace(**{k: v for k, v in options.items() if k != "split"})
    tokenizer.train_from_iterator(corpus, trainers.UnigramTrainer(vocab_size=800, show_progress=False, unk_token="<unk>", special_tokens=["<unk>", "<s>", "</s>"]))
    return tokenizer


def word_piece(corpus, lowercase=True):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(corpus, trainers.WordPieceTrainer(vocab_size=1500, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"]))
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def word_level(corpus, pre_tokenizer, normalizer=None):
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(corpus, trainers.WordLevelTrainer(vocab_size=3000, show_progress=False, special_tokens=["<unk>"]))
    return tokenizer


def text_bpe(corpus, pre_tokenizer, normalizer=None, **model):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", **model))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    affixes = {key: value for key, value in model.items() if key in ("continuing_subword_prefix", "end_of_word_suffix")}
    tokenizer.train_from_iterator(corpus, bpe_trainer(vocab_size=1200, special_tokens=["<unk>"], **affixes))
    return tokenizer


def gpt2_published(data):
    folder = os.path.join(data, "tokenizer/gpt2")
    tokenizer = Tokenizer(models.BPE.from_file(os.path.join(folder, "gpt2_vocab.json"), os.path.join(folder, "gpt2_merges.txt")))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def limited(tokenizer, **padding):
    tokenizer.enable_truncation(9)
    tokenizer.enable_padding(length=12, pad_id=5, **padding)
    return tokenizer


def shapes(corpus, data):
    P, N = pre_tokenizers, normalizers
    yield "gpt2", lambda: added(byte_bpe(corpus))
    yield "gpt2, published", lambda: gpt2_published(data)
    yield "gpt2, blank in front", lambda: added(byte_bpe(corpus, prefix=True))
    yield "llama3, ignore_merges", lambda: added(with_model(byte_bpe(corpus, LLAMA3), ignore_merges=True))
    yield "qwen2, NFC", lambda: added(byte_bpe(corpus, QWEN2, N.NFC()))
    yield "o200k", lambda: byte_bpe(corpus, O200K)
    yield "deepseek", lambda: byte_bpe(corpus, steps=[P.Split(Regex(x), "isolated") for x in DEEPSEEK])
    yield "NFD, digits", lambda: byte_bpe(corpus, normalizer=N.NFD(), steps=[P.Digits(True), P.ByteLevel(add_prefix_space=False)][:1])
    yield "falcon", lambda: added(with_steps(byte_bpe(corpus), [P.Punctuation("contiguous"), P.ByteLevel(add_prefix_space=False), P.Digits(False), P.Split(Regex("[0-9][0-9][0-9]"), "isolated")]))
    yield "template", lambda: templated(added(byte_bpe(corpus, LLAMA3)))
    yield "truncation, padding", lambda: limited(templated(added(byte_bpe(corpus))))
    yield "padding on the left", lambda: limited(templated(added(byte_bpe(corpus))), direction="left", pad_to_multiple_of=8)
    yield "llama2", lambda: llama2(corpus)
    yield "llama2, no fallback", lambda: llama2(corpus, fallback=False)
    yield "metaspace first", lambda: added(llama2(corpus, P.Metaspace(prepend_scheme="first", split=False)))
    yield "metaspace always, split", lambda: added(llama2(corpus, P.Metaspace(prepend_scheme="always")))
    yield "metaspace never", lambda: llama2(corpus, P.Metaspace(prepend_scheme="never"))
    yield "unigram", lambda: unigram(corpus)
    yield "unigram first", lambda: added(unigram(corpus, prepend_scheme="first"))
    yield "wordpiece", lambda: added(word_piece(corpus))
    yield "wordpiece, cased", lambda: word_piece(corpus, False)
    for name, form in [("NFC", N.NFC()), ("NFD", N.NFD()), ("NFKC", N.NFKC()), ("NFKD", N.NFKD()), ("lowercase", N.Lowercase()),
                       ("accents", N.Sequence([N.NFD(), N.StripAccents()])), ("replace", N.Replace(Regex(r"\s+"), " ")), ("bert", N.BertNormalizer())]:
        yield f"normalizer {name}", lambda form=form: added(byte_bpe(corpus, normalizer=form))
    yield "normalizer strip", lambda: byte_bpe(corpus, normalizer=N.Sequence([N.Strip(), N.Prepend("x"), N.Replace("e", "ee")]))
    yield "normalizer bytes", lambda: text_bpe(corpus, P.Split(" ", "merged_with_next"), N.Sequence([N.NFC(), N.ByteLevel()]))
    for name, step in [("whitespace", P.Whitespace()), ("whitespace split", P.WhitespaceSplit()), ("punctuation", P.Punctuation()), ("digits", P.Digits(False)),
                       ("single digits", P.Digits(True)), ("bert", P.BertPreTokenizer()), ("delimiter", P.CharDelimiterSplit("e")),
                       ("split removed", P.Split("e", "removed")), ("split previous", P.Split(Regex("[aeiou]"), "merged_with_previous")),
                       ("split next", P.Split(Regex("[aeiou ]"), "merged_with_next")), ("split contiguous", P.Split(Regex(r"\s"), "contiguous")),
                       ("split inverted", P.Split(Regex(r"\w+"), "removed", invert=True)), ("fixed length", P.FixedLength(4))]:
        yield f"step {name}", lambda step=step: text_bpe(corpus, step)
    yield "t5", lambda: sentence_piece(corpus, "nmt_nfkc", lambda rules: rules, P.Metaspace())
    yield "xlm-r", lambda: sentence_piece(corpus, "nmt_nfkc", lambda rules: N.Sequence([rules, N.Replace(Regex(" {2,}"), " ")]), P.Sequence([P.WhitespaceSplit(), P.Metaspace()]))
    yield "albert", lambda: added(sentence_piece(corpus, "nfkc_cf", lambda rules: N.Sequence([N.Replace("``", '"'), N.NFKD(), N.StripAccents(), N.Lowercase(), rules]), P.Metaspace(prepend_scheme="always")))
    yield "clip", lambda: clip(corpus)
    yield "bloom", lambda: byte_bpe(corpus, " ?[^(\\s|[.,!?…。，、।۔،])]+")
    yield "intervals, hexadecimal", lambda: byte_bpe(corpus, r"\p{N}{1,3}+|[\h_]{2,}|\H")
    yield "missing unknown", lambda: with_model(byte_bpe(corpus), unk_token="<missing>")
    yield "normalizer NMT", lambda: added(byte_bpe(corpus, normalizer=N.Nmt()))
    yield "words", lambda: word_level(corpus, P.Whitespace(), N.Lowercase())
    yield "affixes", lambda: text_bpe(corpus, P.WhitespaceSplit(), N.Lowercase(), continuing_subword_prefix="##")
    yield "end of word", lambda: text_bpe(corpus, P.WhitespaceSplit(), N.Lowercase(), end_of_word_suffix="</w>")


def with_steps(tokenizer, steps):
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    return tokenizer


def templated(tokenizer):
    first, last = tokenizer.token_to_id("<s>"), tokenizer.token_to_id("</s>")
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B", special_tokens=[("<s>", first), ("</s>", last)])])
    return tokenizer


class Program:
    """This program on one tokenizer file."""

    def __init__(self, binary, root):
        self.command = [binary, os.path.join(root, "recipes/tokenizer.lua")]

    def run(self, command, text, *options):
        done = subprocess.run(self.command + [command, *options], input=text.encode(), capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode(errors="replace").strip())
        return done.stdout

    def encode(self, path, texts, *options):
        lines = "".join(json.dumps(text) + "\n" for text in texts)
        return [json.loads(line) for line in self.run("encode", lines, "--tokenizer", path, "--jsonl", *options).splitlines()]

    def decode(self, path, rows, *options):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        return [json.loads(line) for line in self.run("decode", lines, "--tokenizer", path, "--jsonl", *options).splitlines()]


def first_difference(name, what, inputs, theirs, ours):
    count = 0
    for given, a, b in zip(inputs, theirs, ours):
        if a != b:
            count += 1
            if count <= 3:
                print(f"  {what}: {given!r}\n    theirs {a!r}\n    ours   {b!r}")
    if len(theirs) != len(ours):
        print(f"  {what}: {len(ours)} results for {len(theirs)}")
        count += 1
    return count


def compare(name, tokenizer, program, texts, folder):
    path = os.path.join(folder, "tokenizer.json")
    tokenizer.save(path)
    different = 0
    ids = [e.ids for e in tokenizer.encode_batch(texts)]
    different += first_difference(name, "encode", texts, ids, program.encode(path, texts))
    bare = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    different += first_difference(name, "encode --no-special", texts, bare, program.encode(path, texts, "--no-special"))
    tokenizer.encode_special_tokens = True
    plain = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    tokenizer.encode_special_tokens = False
    different += first_difference(name, "encode --plain", texts, plain, program.encode(path, texts, "--no-special", "--plain"))
    rows = [row for row in bare if row]
    decoded = tokenizer.decode_batch(rows, skip_special_tokens=False)
    # Their decoder puts U+FFFD for stray bytes: such rows are not compared.
    ours = program.decode(path, rows)
    keep = [i for i, text in enumerate(decoded) if "\ufffd" not in text]
    different += first_difference(name, "decode", [rows[i] for i in keep], [decoded[i] for i in keep], [ours[i] for i in keep])
    copy = os.path.join(folder, "copy.json")
    program.run("convert", "", "--tokenizer", path, "--output", copy)
    again = [e.ids for e in Tokenizer.from_file(copy).encode_batch(texts[:2000])]
    different += first_difference(name, "our file", texts[:2000], ids[:2000], again)
    print(f"{name:28} {len(texts)} texts, {sum(map(len, ids))} ids, {len(keep)} decoded: {different} differences", flush=True)
    return different


def compare_tiktoken(program, data, texts, folder):
    try:
        import base64

        import tiktoken
    except ImportError:
        print("tiktoken                     skipped: not installed")
        return 0
    tokenizer = gpt2_published(data)
    to_byte = {char: byte for byte, char in enumerate_bytes()}
    path = os.path.join(folder, "ranks.tiktoken")
    different = 0
    for name, keep, pattern in [("gpt2", 50256, None), ("cl100k split", 20000, LLAMA3)]:
        ranks = {bytes(to_byte[c] for c in token): rank for token, rank in tokenizer.get_vocab(False).items() if rank < keep}
        with open(path, "w") as file:
            for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
                file.write(f"{base64.b64encode(token).decode()} {rank}\n")
        gpt2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
        encoding = tiktoken.Encoding(name, pat_str=pattern or gpt2, mergeable_ranks=ranks, special_tokens={} if pattern else {"<|endoftext|>": 50256})
        theirs = [encoding.encode(text, allowed_special="all") for text in texts]
        count = first_difference(name, "encode", texts, theirs, program.encode(path, texts))
        print(f"tiktoken {name:19} {len(texts)} texts: {count} differences", flush=True)
        different += count
    return different


def enumerate_bytes():
    """(byte, character that spells it) for all bytes."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in visible]
    spelling = {b: chr(b) for b in visible} | {b: chr(256 + i) for i, b in enumerate(others)}
    return sorted(spelling.items())


def main():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    arguments = argparse.ArgumentParser()
    arguments.add_argument("binary")
    arguments.add_argument("--texts", type=int, default=10000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--data", default=os.environ.get("RMKV_DATA", os.path.join(root, "../shared/data")))
    options = arguments.parse_args()
    with open(os.path.join(options.data, "tokenizer/cs336/corpus.en")) as file:
        corpus = file.read()
    with open(os.path.join(options.data, "tokenizer/cs336/german.txt")) as file:
        corpus += file.read() + "今日は良い天気です。 한글 텍스트 привет мир été"
    lines = corpus.splitlines(keepends=True)
    words = sorted(set(corpus.split()))
    texts = ["", " ", "a", "\n", "a" * 5000, " " * 3000] + [Texts(options.seed + i, words).text() for i in range(options.texts - 6)]
    program = Program(options.binary, root)
    print(f"tokenizers {tokenizers.__version__}, seed {options.seed}", flush=True)
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, make in shapes(lines, options.data):
            if options.only in name:
                tokenizer = make()
                if tokenizer is None:
                    print(f"{name:28} skipped: no module sentencepiece")
                    continue
                different += compare(name, tokenizer, program, texts, folder)
        if options.only in "tiktoken":
            different += compare_tiktoken(program, options.data, texts, folder)
    print(f"{different} differences")
    sys.exit(1 if different else 0)


main()
