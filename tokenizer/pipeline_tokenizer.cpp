// The parts put together, and the encoding loop.
#include "tokenizer/pipeline_tokenizer.h"

#include <algorithm>
#include <new>
#include <thread>

#include "core/base/error.h"
#include "tokenizer/huge_pages.h"
#include "tokenizer/in_order.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/word_encoder.h"

namespace rmkv {
namespace {

// So much of a long text is encoded at a time.
constexpr size_t kPartBytes = size_t{1} << 18;

}  // namespace

PipelineSpec PipelineSpec::byte_level(std::string_view split_regex) {
  PipelineSpec spec;
  const auto step = [](bool use_regex) {
    return std::string(
               R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, )") +
           R"("use_regex": )" + (use_regex ? "true}" : "false}");
  };
  spec.pre_tokenizer = split_regex.empty()
                           ? step(true)
                           : R"({"type": "Sequence", "pretokenizers": [)" +
                                 write_split_json(split_regex) + ", " + step(false) + "]}";
  spec.decoder = step(true);
  return spec;
}

struct PipelineTokenizer::Parsed {
  JsonText normalizer, pre_tokenizer, around, decoder;
  Parsed(const PipelineSpec& spec, const std::string& where)
      : normalizer(spec.normalizer, where + ".normalizer"),
        pre_tokenizer(spec.pre_tokenizer, where + ".pre_tokenizer"),
        around("{\"post_processor\": " + spec.post_processor +
                   ", \"truncation\": " + spec.truncation + ", \"padding\": " + spec.padding + "}",
               where),
        decoder(spec.decoder, where + ".decoder") {}
};

struct PipelineTokenizer::Scratch {
  explicit Scratch(WordCache& words) : encoder(words) {}

  WordEncoder encoder;
  std::vector<TextPiece> pieces, normal_pieces;
  std::string normalized;
  std::thread::id last_user;
};

class PipelineTokenizer::ScratchLease {
 public:
  explicit ScratchLease(const PipelineTokenizer& owner) : owner_(owner) {
    const std::thread::id user = std::this_thread::get_id();
    {
      const std::lock_guard lock(owner_.idle_mutex_);
      std::vector<std::unique_ptr<Scratch>>& idle = owner_.idle_;
      // A thread gets its own back where it can: what it holds is in that processor's cache.
      auto chosen = std::find_if(idle.begin(), idle.end(),
                                 [&](const auto& scratch) { return scratch->last_user == user; });
      if (chosen == idle.end() && !idle.empty()) chosen = idle.end() - 1;
      if (chosen != idle.end()) {
        scratch_ = std::move(*chosen);
        idle.erase(chosen);
      }
    }
    if (scratch_ == nullptr) scratch_ = std::make_unique<Scratch>(owner_.words_);
    scratch_->last_user = user;
  }
  ~ScratchLease() {
    scratch_->encoder.scratch().dropout = nullptr;
    scratch_->encoder.shrink();
    const std::lock_guard lock(owner_.idle_mutex_);
    try {
      owner_.idle_.push_back(std::move(scratch_));
    } catch (const std::bad_alloc&) {  // then this one is not kept
    }
  }
  ScratchLease(const ScratchLease&) = delete;
  Scratch& operator*() { return *scratch_; }

 private:
  const PipelineTokenizer& owner_;
  std::unique_ptr<Scratch> scratch_;
};

PipelineTokenizer::PipelineTokenizer(const PipelineSpec& spec, const ModelMaker& make_model,
                                     const std::string& where)
    : PipelineTokenizer(spec, make_model, Parsed(spec, where)) {}

PipelineTokenizer::PipelineTokenizer(PipelineSpec spec, const ModelMaker& make_model,
                                     const Parsed& parsed)
    : spec_(std::move(spec)),
      normalizer_(read_normalizer(parsed.normalizer.root())),
      pre_tokenizer_(parsed.pre_tokenizer.root()),
      post_processor_(parsed.around.root()),
      decoder_(parsed.decoder.root()),
      model_(make_model(pre_tokenizer_.byte_level())),
      findable_(spec_.added_tokens),
      added_tokens_((normalize_added_tokens(), findable_)) {
  // One notation for equal parts, so that equal tokenizers have equal files.
  const auto canonical = [](const JsonText& text) { return simdjson::minify(text.root().value); };
  spec_.normalizer = canonical(parsed.normalizer);
  spec_.pre_tokenizer = canonical(parsed.pre_tokenizer);
  spec_.decoder = canonical(parsed.decoder);
  for (auto& [key, text] : {std::pair<const char*, std::string&>("truncation", spec_.truncation),
                            {"padding", spec_.padding},
                            {"post_processor", spec_.post_processor}}) {
    text = simdjson::minify(parsed.around.root().get(key).value);
  }
  const bool is_plain = normalizer_ == nullptr && pre_tokenizer_.only_cuts();
  if (is_plain && pre_tokenizer_.byte_level()) byte_ids_ = model_->byte_ids();
  cuts_at_words_ = pre_tokenizer_.cuts_at_words() &&
                   (normalizer_ == nullptr ||
                    (normalizer_->keeps_word_cuts() && added_tokens_.normalized().empty()));
  if (const Splitter* const cuts = model_->cuts()) pre_tokenizer_.add(make_split_step(cuts));
  add_token_bytes();
}

PipelineTokenizer::~PipelineTokenizer() = default;

// Normalised tokens are looked for in normalised text, so by their own normal form.
void PipelineTokenizer::normalize_added_tokens() {
  if (normalizer_ == nullptr) return;
  for (AddedToken& token : findable_) {
    if (token.normalized) normalizer_->apply(token.content);
  }
  std::erase_if(findable_, [](const AddedToken& token) { return token.content.empty(); });
}

// Added tokens hide the vocabulary's entry of the same id, as they do for Hugging Face.
void PipelineTokenizer::add_token_bytes() {
  const std::vector<std::string>& entries = model_->entries();
  size_t size = entries.size();
  for (const AddedToken& token : spec_.added_tokens) {
    size = std::max(size, static_cast<size_t>(token.id) + 1);
  }
  std::vector<const AddedToken*> added(size, nullptr);
  for (const AddedToken& token : spec_.added_tokens) {
    added[token.id] = &token;
    id_of_content_.emplace(token.content, token.id);
  }
  if (decoder_.tells_first()) first_table_ = std::make_unique<TokenTable>();
  for (size_t id = 0; id < size; ++id) {
    const bool special = added[id] != nullptr && added[id]->special;
    const bool is_unused = added[id] == nullptr && entries[id].empty();
    // The text of an added token is no spelling of bytes, whatever it looks like.
    const bool is_text = is_unused || (added[id] != nullptr && pre_tokenizer_.byte_level());
    std::string entry = added[id] != nullptr ? added[id]->content : entries[id];
    if (added[id] != nullptr && added[id]->normalized && normalizer_ != nullptr) {
      normalizer_->apply(entry);
    }
    table_.add(is_text ? entry : decoder_.decode(entry, false), special);
    if (first_table_ == nullptr) continue;
    first_table_->add(is_text ? entry : decoder_.decode(entry, true), special);
  }
  table_.finish();
  if (first_table_ != nullptr) first_table_->finish();
}

// By the decoded bytes; made when it is first asked for.
const std::unordered_map<std::string_view, int32_t>& PipelineTokenizer::id_of_bytes() const {
  std::call_once(id_of_bytes_made_, [this] {
    id_of_bytes_.reserve(model_->entries().size());
    for (int32_t id = 0; id < table_.size(); ++id) {
      const std::string_view bytes = table_.at(id);
      if (!bytes.empty()) id_of_bytes_.emplace(bytes, id);
    }
  });
  return id_of_bytes_;
}

std::string_view PipelineTokenizer::first_token_bytes(int32_t id) const {
  return first_table_ != nullptr ? first_table_->at(id) : table_.at(id);
}

std::optional<int32_t> PipelineTokenizer::token_id(std::string_view bytes) const {
  if (const auto found = id_of_content_.find(bytes); found != id_of_content_.end())
    return found->second;
  const auto& id_of = id_of_bytes();
  if (const auto found = id_of.find(bytes); found != id_of.end()) return found->second;
  return std::nullopt;
}

std::string PipelineTokenizer::to_json() const {
  return write_file_json(spec_, model_->to_json());
}

std::string PipelineTokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  if (first_table_ != nullptr) {
    while (!ids.empty() && skip_special && is_special(ids.front())) ids = ids.subspan(1);
    if (!ids.empty()) {
      text = first_table_->at(ids.front());
      ids = ids.subspan(1);
    }
  }
  table_.decode(ids, skip_special, text);
  return decoder_.trim().apply(std::move(text));
}

void PipelineTokenizer::encode_to(std::string_view text, const EncodeOptions& options,
                                  std::vector<int32_t>& ids) const {
  ScratchLease lease(*this);
  Scratch& scratch = *lease;
  const size_t first = ids.size();
  ask_for_huge_pages(ids.data() + first, (ids.capacity() - first) * sizeof(int32_t));
  const double share = options.dropout >= 0 ? options.dropout : model_->dropout();
  MergeDropout dropout{share, RandomStream(options.seed, "dropout")};
  if (share > 0) scratch.encoder.scratch().dropout = &dropout;
  const std::vector<std::string_view> parts = cut(text);
  if (options.threads > 1 && parts.size() > 1 && share <= 0) {
    encode_in_parallel(parts, options, scratch, ids);
  } else {
    for (const std::string_view part : parts) {
      encode_part(part, part.data() == text.data(), options.parse_special, scratch, ids);
    }
  }
  if (options.add_template || options.fit) {
    post_processor_.apply(options.add_template, options.fit, first, ids);
  }
}

// With one thread too: what one step has read is in the processor's cache for the next.
std::vector<std::string_view> PipelineTokenizer::cut(std::string_view text) const {
  std::vector<std::string_view> parts;
  size_t from = kPartBytes;
  while (cuts_at_words_ && text.size() > 2 * kPartBytes && from < text.size()) {
    const size_t at = find_word_cut(text, from);
    from = at + 1;
    if (added_tokens_.raw().touches(text, at) || added_tokens_.normalized().touches(text, at)) {
      continue;
    }
    parts.push_back(text.substr(0, at));
    text.remove_prefix(at);
    from = kPartBytes;
  }
  if (!text.empty()) parts.push_back(text);
  return parts;
}

// Every thread has a working memory of its own; the caller's is `scratch`.
void PipelineTokenizer::encode_in_parallel(std::span<const std::string_view> parts,
                                           const EncodeOptions& options, Scratch& scratch,
                                           std::vector<int32_t>& ids) const {
  std::vector<std::unique_ptr<ScratchLease>> leases;
  for (size_t i = 1; i < std::min<size_t>(options.threads, parts.size()); ++i) {
    leases.push_back(std::make_unique<ScratchLease>(*this));
  }
  std::vector<std::vector<int32_t>> found(parts.size());
  SpareBuffers buffers;
  const auto make = [&](size_t i, size_t thread) {
    found[i] = buffers.take(parts[i].size() / 3);
    encode_part(parts[i], i == 0, options.parse_special,
                thread == 0 ? scratch : **leases[thread - 1], found[i]);
  };
  const auto append = [&](size_t i) {
    ids.insert(ids.end(), found[i].begin(), found[i].end());
    buffers.give(std::move(found[i]));
  };
  run_in_order(parts.size(), options.threads, make, append);
}

void PipelineTokenizer::encode_part(std::string_view text, bool at_start, bool parse_special,
                                    Scratch& scratch, std::vector<int32_t>& ids) const {
  scratch.pieces.clear();
  added_tokens_.raw().find(text, parse_special, scratch.pieces);
  for (const TextPiece& piece : scratch.pieces) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
      continue;
    }
    std::string_view normal = piece.text;
    if (normalizer_ != nullptr) {
      scratch.normalized = piece.text;
      normalizer_->apply(scratch.normalized);
      normal = scratch.normalized;
    }
    const bool starts = at_start && piece.text.data() == text.data();
    if (added_tokens_.normalized().empty()) {
      encode_text(normal, starts, scratch, ids);
      continue;
    }
    scratch.normal_pieces.clear();
    added_tokens_.normalized().find(normal, parse_special, scratch.normal_pieces);
    for (const TextPiece& part : scratch.normal_pieces) {
      if (part.id >= 0) {
        ids.push_back(part.id);
      } else {
        encode_text(part.text, starts && part.text.data() == normal.data(), scratch, ids);
      }
    }
  }
}

void PipelineTokenizer::encode_text(std::string_view text, bool at_start, Scratch& scratch,
                                    std::vector<int32_t>& ids) const {
  if (byte_ids_ != nullptr) {
    for (const char c : text) ids.push_back(byte_ids_[static_cast<unsigned char>(c)]);
    return;
  }
  struct Sink : WordSink {
    const WordModel& model;
    WordEncoder& encoder;
    std::vector<int32_t>& ids;
    Sink(const WordModel& m, WordEncoder& e, std::vector<int32_t>& i)
        : model(m), encoder(e), ids(i) {}
    void take(std::span<const std::string_view> words, const char* readable_end) override {
      encoder.encode(model, words, readable_end, ids);
    }
  };
  Sink sink(*model_, scratch.encoder, ids);
  pre_tokenizer_.run(text, at_start, sink);
}

}  // namespace rmkv
