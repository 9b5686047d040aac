// Mutated files of every format read here: an Error or a result, never a crash, never a large
// allocation.
//
// The short, deterministic sister of the fuzz targets in tests/fuzz.
#include <random>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/checkpoint/pickle.h"
#include "core/checkpoint/pt_file.h"
#include "core/tensor/safetensors.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/checkpoint/content.h"
#include "tests/checkpoint/pt_bytes.h"
#include "tests/temporary_folder.h"

using namespace rmkv;

namespace {

constexpr unsigned kSeed = 5;

// Flips, overwrites with extreme values, cuts, repeats.
std::string mutated(std::string bytes, std::mt19937& random) {
  for (size_t count = 1 + random() % 3; count > 0 && !bytes.empty(); --count) {
    const size_t place = random() % bytes.size();
    switch (random() % 6) {
      case 0:
        bytes[place] = static_cast<char>(bytes[place] ^ (1 << random() % 8));
        break;
      case 1:
        bytes[place] = static_cast<char>(random());
        break;
      case 2:
        for (size_t i = place; i < std::min(bytes.size(), place + 8); ++i) bytes[i] = '\xff';
        break;
      case 3:
        bytes.resize(place);
        break;
      case 4:
        bytes.erase(place, random() % 16);
        break;
      default:
        bytes.insert(place, bytes.substr(random() % bytes.size(), random() % 32));
    }
  }
  return bytes;
}

// How many of the mutations were refused; any exception but Error fails the test.
template <typename Parse>
int refusals(const std::string& good, int rounds, Parse parse) {
  std::mt19937 random(kSeed);
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    const std::string bad = mutated(good, random);
    try {
      parse(bad);
    } catch (const Error&) {
      ++refused;
    }
  }
  return refused;
}

}  // namespace

TEST_CASE("mutated .pt files and pickles are refused or read, nothing else", "[mutations]") {
  INFO("seed " << kSeed);
  CHECK(refusals(some_pt_file(), 20000, [](const std::string& s) { parse_pt(s, "t.pt"); }) > 10000);
  // Without the checksums of the archive in the way.
  const std::string body = stream(dictionary(
      {{"w", tensor(storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1})}, {"n", pickled(3)}}));
  CHECK(refusals(body, 40000, [](const std::string& s) { parse_pickle(s, "t.pkl"); }) > 10000);
}

TEST_CASE("mutated safetensors, manifests and cursors are refused or read, nothing else",
          "[mutations]") {
  INFO("seed " << kSeed);
  TemporaryFolder folder;
  save_checkpoint(folder / "c", some_content(3));
  const std::string tensors = read_file(folder / "c/state.safetensors");
  CHECK(refusals(tensors, 20000, [](const std::string& s) { parse_safetensors(s, "t"); }) > 5000);
  for (const char* name : {"manifest.json", "cursor.json"}) {
    const std::string text = read_file(folder / "c/" + std::string(name));
    CHECK(refusals(text, 10000, [](const std::string& s) { parse_json(s, "t"); }) > 3000);
  }
}
