// The files that we write, read by Hugging Face's own library where Python has it: the same ids on
// random text.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "core/base/file.h"
#include "tests/catch.h"
#include "tests/temporary_folder.h"
#include "tests/tokenizer/random_text.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/tokenizer.h"

using namespace rmkv;

namespace {

std::string to_hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof(digits), "%02x", static_cast<unsigned char>(c));
    hex += digits;
  }
  return hex;
}

// Runs hugging_face.py with the interpreter $RMKV_PYTHON (python3); returns its exit status.
int run_script(const std::string& arguments) {
  const char* const python = std::getenv("RMKV_PYTHON");
  const auto script = std::filesystem::path(__FILE__).parent_path() / "hugging_face.py";
  const std::string command =
      std::string(python != nullptr ? python : "python3") + " " + script.string() + " " + arguments;
  const int status = std::system(command.c_str());
  return status < 0 ? status : (status >> 8) & 255;
}

}  // namespace

TEST_CASE("Hugging Face reads our files and finds the same ids") {
  const TemporaryFolder folder;
  const uint64_t seed = 2024;
  INFO("seed " << seed);
  RandomStream random(seed, "hugging face");
  std::vector<std::string> texts;
  std::string hex;
  for (int i = 0; i < 2000; ++i) {
    texts.push_back(random_text(random, true));
    hex += to_hex(texts.back()) + "\n";
  }
  write_file_atomic(folder / "texts", hex);

  std::vector<TokenizerPtr> tokenizers = {make_byte_tokenizer(), make_ascii_tokenizer(),
                                          make_character_tokenizer("aeiou \u00E9\u65E5")};
  for (const SplitPattern pattern :
       {SplitPattern::kGpt2, SplitPattern::kLlama3, SplitPattern::kQwen2}) {
    BpeTrainer trainer({.vocab_size = 900, .pattern = pattern});
    for (const std::string& text : texts) trainer.add_document(text);
    tokenizers.push_back(trainer.train());
  }
  for (const TokenizerPtr& tokenizer : tokenizers) {
    write_file_atomic(folder / "tokenizer.json", tokenizer->to_json());
    const int status = run_script((folder / "tokenizer.json") + " " + (folder / "texts") + " > " +
                                  (folder / "ids"));
    if (status == 77 || status == 127) {
      WARN("SKIPPED: Python has no module tokenizers");
      return;
    }
    REQUIRE(status == 0);
    std::istringstream lines(read_file(folder / "ids"));
    std::string version, line;
    std::getline(lines, version);
    INFO("tokenizers " << version << ", " << tokenizer->kind());
    for (const std::string& text : texts) {
      REQUIRE(std::getline(lines, line));
      std::string ours;
      for (const int32_t id : tokenizer->encode(text)) {
        ours += (ours.empty() ? "" : " ") + std::to_string(id);
      }
      if (ours != line) FAIL("'" << text << "': " << ours << " but " << line);
    }
  }
}
