// Saved sessions: full ones continue bit for bit, small ones within rounding, wrong ones are
// refused.
#include <filesystem>
#include <random>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/sample/session_file.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/sample/tiny_model.h"
#include "tests/temporary_folder.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

const std::string kText = "Once there was a key under the third stone, and nobody told Ines.";

const std::vector<Table> kVariants = {
    {},
    {{"cell", "lstm"}, {"pooling", "mean"}},
    {{"cell", "ema"}, {"store", true}},
    {{"bridge", 0}, {"write_stream", true}},
    {{"commit", "published"}, {"pooling", "query"}, {"bridge", 0}, {"heads", 2}},
};

}  // namespace

TEST_CASE("a full save continues bit for bit at any moment", "[session_file]") {
  TemporaryFolder folder;
  const std::string path = folder / "session.safetensors";
  for (const Table& variant : kVariants) {
    LanguageModelPtr model = tiny_model(variant);
    TokenizerPtr tokenizer = make_byte_tokenizer();
    SamplerOptions options;
    options.seed = 9;
    options.repetition_penalty = 1.2;
    for (size_t fed = 0; fed < 20; ++fed) {
      Session session(model, tokenizer, options);
      session.feed("x");
      session.feed(kText.substr(0, fed));
      if (fed % 3 > 0) next_tokens(session, static_cast<int64_t>(fed % 5) + 1);
      if (fed % 2 > 0) session.feed(kText.substr(fed, 3));  // text that waits
      if (fed % 7 == 0) session.logits();
      SessionFile::save(session, path);
      Session loaded = SessionFile::load(path, model, tokenizer);
      CHECK(loaded.total_tokens() == session.total_tokens());
      CHECK(loaded.state().equals(session.state()));
      CHECK(at::equal(loaded.logits(), session.logits()));
      session.feed(" the end");
      loaded.feed(" the end");
      CHECK(next_tokens(loaded, 20) == next_tokens(session, 20));
      CHECK(loaded.state().equals(session.state()));
    }
  }
}

TEST_CASE("a small save continues within rounding and is smaller", "[session_file]") {
  TemporaryFolder folder;
  const std::string full = folder / "full", small = folder / "small";
  for (const Table& variant : kVariants) {
    LanguageModelPtr model = tiny_model(variant);
    for (size_t fed : {1, 8, 13, 16, 41}) {
      Session session(model, make_byte_tokenizer());
      session.feed(kText.substr(0, fed));
      next_tokens(session, 2);
      SessionFile::save(session, full);
      SessionFile::save(session, small, SessionSave::kSmall);
      CHECK(file_size_bytes(small) < file_size_bytes(full));
      Session loaded = SessionFile::load(small, model, make_byte_tokenizer());
      CHECK(at::allclose(loaded.logits(), session.logits(), 1e-4, 1e-5));
      session.feed(kText);
      loaded.feed(kText);
      CHECK(at::allclose(loaded.logits(), session.logits(), 1e-4, 1e-5));
    }
  }
}

TEST_CASE("an edited memory survives both kinds of save", "[session_file]") {
  TemporaryFolder folder;
  Session session = tiny_session();
  session.feed(kText);
  session.erase_slot("memory.1", 0, Session::EraseTo::kZero);
  for (SessionSave kind : {SessionSave::kFull, SessionSave::kSmall}) {
    SessionFile::save(session, folder / "s", kind);
    Session loaded = SessionFile::load(folder / "s", tiny_model(), make_byte_tokenizer());
    CHECK(at::equal(loaded.read_slot("memory.1", 0), at::zeros({16})));
  }
}

TEST_CASE("text of any bytes that waits is saved", "[session_file]") {
  TemporaryFolder folder;
  Session session = tiny_session();
  session.feed(std::string("\xff\x00\xc3", 3));
  SessionFile::save(session, folder / "s");
  Session loaded = SessionFile::load(folder / "s", tiny_model(), make_byte_tokenizer());
  CHECK(at::equal(loaded.logits(), session.logits()));
}

TEST_CASE("a session of another model or tokenizer, or no session, is refused", "[session_file]") {
  TemporaryFolder folder;
  Session session = tiny_session();
  session.feed(kText);
  const std::string path = folder / "s";
  SessionFile::save(session, path);
  CHECK_THROWS_WITH(SessionFile::load(path, tiny_model({{"layers", 3}}), make_byte_tokenizer()),
                    Contains("another configuration"));
  CHECK_THROWS_WITH(SessionFile::load(path, tiny_model(), nullptr), Contains("another tokenizer"));
  CHECK_THROWS_WITH(SessionFile::load(folder / "none", tiny_model(), nullptr), Contains("none"));
  write_file_atomic(folder / "empty", "");
  CHECK_THROWS_AS(SessionFile::load(folder / "empty", tiny_model(), nullptr), Error);
}

TEST_CASE("flips in a session file are refused or harmless, never a crash", "[session_file]") {
  constexpr unsigned kSeed = 3;
  INFO("seed " << kSeed);
  std::mt19937 random(kSeed);
  TemporaryFolder folder;
  LanguageModelPtr model = tiny_model();
  TokenizerPtr tokenizer = make_byte_tokenizer();
  Session session(model, tokenizer);
  session.feed(kText);
  SessionFile::save(session, folder / "s");
  const std::string good = read_file(folder / "s");
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    std::string bad = good;
    const size_t place = random() % (round % 2 ? bad.size() : 4000);  // half of them in the header
    bad[place] = static_cast<char>(bad[place] ^ (1 << random() % 8));
    write_file_atomic(folder / "bad", bad);
    try {
      Session loaded = SessionFile::load(folder / "bad", model, tokenizer);
      loaded.feed("a");
      loaded.logits();
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 0);
}
