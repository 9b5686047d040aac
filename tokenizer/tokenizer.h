// A tokenizer: bytes to token ids and back.  The one interface behind which all kinds stand; files
// are read by `load_tokenizer`.
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
  // Adds what the file's template puts before and behind a text, such as a token for its beginning.
  bool add_template = false;
  // Obeys the truncation and padding of the file.
  bool fit = false;
  // BPE dropout: merges are passed over with this probability, as decided by the seed; negative for
  // what the file says, which is 0 in most.
  double dropout = -1;
  uint64_t seed = 0;
  // For one long text, or many lines; the ids do not depend on it.  A text with no place where it
  // may be cut takes one.
  int threads = 1;
};

// What decoding cuts off a whole text: up to `start` times `content` at its beginning and up to
// `stop` times at its end.
struct TextTrim {
  std::string content;
  int64_t start = 0, stop = 0;

  std::string apply(std::string text) const;
};

// Immutable and thread-safe: any number of threads may encode and decode with one object.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // "bpe", "bytes", "unigram", "wordpiece", "words", "characters" or "world".
  virtual std::string kind() const = 0;

  // One more than the largest id: the rows an embedding needs.  Ids inside may be unused.
  virtual int32_t vocab_size() const = 0;

  // Appends the ids of `text` to `ids`.
  virtual void encode_to(std::string_view text, const EncodeOptions& options,
                         std::vector<int32_t>& ids) const = 0;

  // The bytes that a token stands for; empty for an unused id.  The view lives as long as the
  // tokenizer. Throws when `id` is outside [0, vocab_size).
  virtual std::string_view token_bytes(int32_t id) const = 0;

  // The same for a token that begins a text: some vocabularies leave its blank out.
  virtual std::string_view first_token_bytes(int32_t id) const { return token_bytes(id); }

  // What decode() cuts off the joined bytes.
  virtual TextTrim text_trim() const { return {}; }

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

// Reads a tokenizer.json, a tiktoken rank file, an RWKV World vocabulary, or a folder with one of
// them or with vocab.json and merges.txt; which it is shows in the content.  What is not supported
// is refused by name; a damaged file is an Error.
TokenizerPtr load_tokenizer(const std::string& path);

// The same from text; `name` (a file name) opens every message.
TokenizerPtr parse_tokenizer_json(std::string_view json, const std::string& name);

// A rank file of tiktoken: lines "token-in-base64 rank".  It says neither how text is split nor
// which tokens are special: published files are known by their number of ranks, others split like
// cl100k.
TokenizerPtr parse_tiktoken(std::string_view text, const std::string& name);

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
