// A session on MicroRWKV: any length, any chunks, saved and gone on with; the general tests of
// sessions run on RMKV (test_session.cpp).
#include <filesystem>

#include "core/sample/session_file.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/sample/tiny_model.h"
#include "tests/temporary_folder.h"

using namespace rmkv;

namespace {

LanguageModelPtr small_microrwkv(const char* mode) {
  set_thread_count(1);
  Table config{{"architecture", "microrwkv"},
               {"mode", mode},
               {"vocabulary", 262},
               {"channels", 16},
               {"layers", 2},
               {"heads", 2},
               {"block_tokens", 16},
               {"window", 8},
               {"expert_channels", 10}};
  return create_model(config, 1);
}

Session session_of(const char* mode) {
  SamplerOptions sampler;
  sampler.seed = 4;
  return Session(small_microrwkv(mode), make_byte_tokenizer(), sampler);
}

}  // namespace

TEST_CASE("microrwkv session: text of any length, in any chunks") {
  const std::string text = "the wheels of the bus go round and round, round and round";
  for (const char* mode : {"corrected", "published"}) {
    INFO(mode);
    Session whole = session_of(mode), pieces = session_of(mode);
    whole.feed(text);
    for (size_t i = 0; i < text.size(); i += 7) pieces.feed(text.substr(i, 7));
    const auto expected = next_tokens(whole, 60);
    CHECK(expected.size() == 60);
    CHECK(next_tokens(pieces, 60) == expected);
  }
}

TEST_CASE("microrwkv session: a saved session writes what the unsaved one writes") {
  TemporaryFolder folder;
  Session session = session_of("corrected");
  session.feed("once upon a time there was a");
  next_tokens(session, 9);
  const std::string path = folder / "session.rmkv";
  SessionFile::save(session, path);
  const auto bytes = std::filesystem::file_size(path);
  const auto expected = next_tokens(session, 60);
  Session loaded = SessionFile::load(path, small_microrwkv("corrected"), make_byte_tokenizer());
  CHECK(next_tokens(loaded, 60) == expected);
  CHECK(loaded.state().equals(session.state()));
  SessionFile::save(loaded, path);
  CHECK(std::filesystem::file_size(path) < bytes + 4000);  // the state does not grow with the text
}
