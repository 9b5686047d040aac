"""Encodes texts with Hugging Face's `tokenizers`, for test_hugging_face.cpp.

hugging_face.py TOKENIZER.json TEXTS: one text in hexadecimal a line; prints one line of ids for each, after a
first line with the version of the library.  Exit status 77 when the library is not installed.
"""
import sys

try:
    import tokenizers
except ImportError:
    sys.exit(77)


def main():
    tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1])
    print(tokenizers.__version__)
    with open(sys.argv[2]) as lines:
        for line in lines:
            text = bytes.fromhex(line.strip()).decode("utf-8")
            print(*tokenizer.encode(text, add_special_tokens=False).ids)


main()
