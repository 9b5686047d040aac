#!/usr/bin/env python3
"""Writes tokenizer/unicode_ranges.cpp: what tokenizers ask about characters.

The classes that split patterns name are those of Unicode 16.0, the version inside Hugging Face's regular expressions
(tokenizers 0.23) and tiktoken; the module `regex` 2024.11.6 carries exactly that version.  Digits, punctuation, marks,
lower case and normal forms come from other versions inside the same library, so they are read off its behaviour:

    python3 -m venv venv && venv/bin/pip install regex==2024.11.6 tokenizers==0.23.3
    venv/bin/python scripts/unicode_ranges.py > tokenizer/unicode_ranges.cpp
"""
import unicodedata

import regex
from tokenizers import normalizers, pre_tokenizers

CODES = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
EXPRESSIONS = [  # (bit, expression); the word class is \\w of Unicode TR18 Annex C
    (0, r"\p{L}"),
    (1, r"\p{N}"),
    (2, r"\p{White_Space}"),
    (3, r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]"),
    (4, r"\p{Lu}"),
    (5, r"\p{Lt}"),
    (6, r"\p{Ll}"),
    (7, r"\p{Lm}"),
    (8, r"\p{M}"),
    (9, r"\p{P}"),
    (10, r"\p{S}"),
]
EXPECTED = {0: 141028, 1: 1911, 2: 25}


def removes(normalizer):
    """Characters that a normaliser of the library deletes."""
    return lambda char: normalizer.normalize_str("a" + char) == "a"


def cuts(pre_tokenizer):
    """Characters that a pre-tokenizer of the library takes for its own."""
    return lambda char: len(pre_tokenizer.pre_tokenize_str("a" + char)) == 2


def bert(**options):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **options})


BEHAVIOURS = [
    (11, cuts(pre_tokenizers.Digits(individual_digits=False))),
    (12, cuts(pre_tokenizers.Punctuation())),
    (13, removes(normalizers.StripAccents())),
    (14, removes(bert(strip_accents=True))),
    (15, removes(bert(clean_text=True))),
]


def flags_of_all():
    flags = [0] * 0x110000
    for bit, expression in EXPRESSIONS:
        matches = regex.compile(expression).match
        for code in CODES:
            if matches(chr(code)):
                flags[code] |= 1 << bit
    for bit, holds in BEHAVIOURS:
        for code in CODES:
            if holds(chr(code)):
                flags[code] |= 1 << bit
    return flags


def unknown_to_normal_forms():
    """Characters that normal forms of 16.0 know and the library's (9.0) do not."""
    active = regex.compile(r"[\P{ccc=0}\p{NFD_QC=N}\p{NFKD_QC=N}\P{NFC_QC=Y}\P{NFKC_QC=Y}]").match
    nfd, nfkd, nfc = normalizers.NFD(), normalizers.NFKD(), normalizers.NFC()
    # A character that is known either changes alone, or takes part in reordering or composition with a neighbour.
    marks = [chr(c) for c in (0x334, 0x301, 0x316, 0x345)]
    unknown = []
    for code in CODES:
        char = chr(code)
        if not active(char):
            continue
        known = nfd.normalize_str(char) != char or nfkd.normalize_str(char) != char
        known = known or any(nfd.normalize_str(t) != t for m in marks for t in ("a" + m + char, "a" + char + m))
        decomposed = (unicodedata.normalize("NFD", chr(c)) for c in range(0x80, 0x20000) if not 0xD800 <= c < 0xE000)
        if not known:
            if not hasattr(unknown_to_normal_forms, "seconds"):
                unknown_to_normal_forms.seconds = {d[-1]: d for d in decomposed if len(d) > 1}
            pair = unknown_to_normal_forms.seconds.get(char)
            known = pair is not None and nfc.normalize_str(pair) != pair
            known = known or 0x1160 <= code <= 0x11FF  # Hangul vowels and finals compose by rule
        if not known:
            unknown.append(code)
    return unknown


def ranges_of(values):
    """(first, last, value) of runs of equal values that are not 0."""
    first = 0
    for code in range(1, 0x110001):
        if code == 0x110000 or values[code] != values[first]:
            if values[first]:
                yield first, code - 1, values[first]
            first = code


def lower_ranges():
    """(first, last, step, added) of characters whose lower case is one character at a fixed distance; and the rest."""
    lower = normalizers.Lowercase()
    ranges, others = [], []
    for code in CODES:
        small = lower.normalize_str(chr(code))
        if small == chr(code):
            continue
        if len(small) > 1:
            others.append((code, small))
            continue
        added = ord(small) - code
        if ranges and ranges[-1][3] == added:
            first, last, step, _ = ranges[-1]
            if step == code - last or (first == last and code - last <= 2):
                ranges[-1] = (first, code, code - last, added)
                continue
        ranges.append((code, code, 1, added))
    assert [hex(code) for code, _ in others] == ["0x130"], others  # written out in unicode.cpp
    return ranges


def write_array(declaration, rows, name):
    print(f"const {declaration}[] = {{")
    line = ""
    for row in rows:
        if len(line) + len(row) > 100:
            print(line)
            line = ""
        line += row
    print(line + "\n};")
    print(f"const size_t {name} = {len(rows)};\n")


def main():
    flags = flags_of_all()
    for bit, count in EXPECTED.items():
        found = sum(1 for f in flags if f >> bit & 1)
        if found != count:
            raise SystemExit(f"class {bit}: {found} characters, expected {count} (another Unicode version?)")
    print("// Generated by scripts/unicode_ranges.py from Unicode 16.0 and tokenizers 0.23; not edited by hand.")
    print("//")
    print("// Ranges of code points {first, last, bits of CharClass}, ascending; what is missing has no bit")
    print("// set.  Then the steps to lower case, and what the library's normal forms do not know.")
    print('#include "tokenizer/unicode.h"\n\nnamespace rmkv {\n\n// clang-format off')
    write_array("UnicodeRange kUnicodeRanges",
                [f"{{0x{a:X},0x{b:X},{v}}}," for a, b, v in ranges_of(flags)], "kUnicodeRangeCount")
    write_array("LowerRange kLowerRanges",
                [f"{{0x{a:X},0x{b:X},{s},{d}}}," for a, b, s, d in lower_ranges()], "kLowerRangeCount")
    unknown = [0] * 0x110000
    for code in unknown_to_normal_forms():
        unknown[code] = 1
    write_array("UnicodeRange kNoNormalForms",
                [f"{{0x{a:X},0x{b:X},1}}," for a, b, _ in ranges_of(unknown)], "kNoNormalFormsCount")
    print("// clang-format on\n\n}  // namespace rmkv")


main()
