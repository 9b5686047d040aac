// A tokenizer: bytes to token ids and back.  The one interface behind which byte-level BPE, bytes
// and characters stand; files are read by `load_tokenizer`.
//
// Texts are bytes: nothing requires valid UTF-8.  Without a normaliser and with all 256 byte
// symbols in the vocabulary, decode(encode(text)) == text for every byte string.  Ids are int32,
// 0-based, with -1 for none.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rmkv {

// Where these tokens stand in a vocabulary, they are the model's own marks, never ordinary text.
// The order is their order of ids in a trained vocabulary: <think> 0 ... <unk> 5.
inline constexpr std::string_view kSpecialTokens[] = {"<think>", "</think>", "<start>",
                                                      "<end>",   "<pad>",    "<unk>"};

struct EncodeOptions {
  // Special tokens written in the text become their ids; otherwise they are ordinary text.  Turn it
  // off for text of strangers, who could otherwise end a document or open a thought.
  bool parse_special = true;
};

// Immutable and thread-safe: any number of threads may encode and decode with one object.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // "bpe", "bytes" or "characters".
  virtual std::string kind() const = 0;

  // One more than the largest id: the rows an embedding needs.  Ids inside may be unused.
  virtual int32_t vocab_size() const = 0;

  // Appends the ids of `text` to `ids`.
  virtual void encode_to(std::string_view text, const EncodeOptions& options,
                         std::vector<int32_t>& ids) const = 0;

  // The bytes that a token stands for; empty for an unused id.  The view lives as long as the
  // tokenizer. Throws when `id` is outside [0, vocab_size).
  virtual std::string_view token_bytes(int32_t id) const = 0;

  // The id whose bytes are `bytes` (a special token by its text), if there is one.
  virtual std::optional<int32_t> token_id(std::string_view bytes) const = 0;

  virtual bool is_special(int32_t id) const = 0;

  // Hugging Face tokenizer.json text; read by their `tokenizers` library with the same ids.
  virtual std::string to_json() const = 0;

  // The bytes of all tokens in order; `skip_special` leaves special tokens out.  Throws as
  // token_bytes does.
  virtual std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;

  std::vector<int32_t> encode(std::string_view text, bool parse_special = true) const;

  // The id of a special token; throws when the vocabulary has no special token of that name.
  int32_t special(std::string_view name) const;

  // A hash of everything the tokenizer is: equal for equal behaviour, 32 hexadecimal digits.
  std::string fingerprint() const;
};

using TokenizerPtr = std::shared_ptr<const Tokenizer>;

// Reads a tokenizer.json.  What is not supported is refused by name; a damaged file is an Error.
TokenizerPtr load_tokenizer(const std::string& path);

// The same from text; `name` (a file name) opens every message.
TokenizerPtr parse_tokenizer_json(std::string_view json, const std::string& name);

// The pair of files that GPT-2 came with: vocab.json and merges.txt.
TokenizerPtr load_gpt2(const std::string& vocab_path, const std::string& merges_path);

// Ids 0..255 are the bytes, then the special tokens: 262 ids.
TokenizerPtr make_byte_tokenizer();

// The special tokens, then newline, then printable ASCII in order: 102 ids.  Any other character is
// <unk>.
TokenizerPtr make_ascii_tokenizer();

// The special tokens, then the characters (Unicode code points) of `text`, sorted.  Any other
// character and every invalid byte is <unk>.
TokenizerPtr make_character_tokenizer(std::string_view text);

}  // namespace rmkv
