// Checkpoints: what is saved comes back; what is damaged is refused by name.
#include <filesystem>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "tests/catch.h"
#include "tests/checkpoint/content.h"
#include "tests/temporary_folder.h"

using namespace rmkv;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kFiles = {"config.toml",           "cursor.json",
                                         "manifest.json",         "model.safetensors",
                                         "optimizer.safetensors", "state.safetensors"};

void overwrite(const std::string& path, const std::string& content) {
  write_file_atomic(path, content);
}

}  // namespace

TEST_CASE("a checkpoint comes back as it was saved", "[checkpoint]") {
  TemporaryFolder folder;
  const CheckpointContent content = some_content(7);
  save_checkpoint(folder / "run/c7/", content);
  CHECK(list_folder(folder / "run/c7") == kFiles);
  CHECK(list_folder(folder / "run") == std::vector<std::string>{"c7"});
  CHECK(same_content(load_checkpoint(folder / "run/c7"), content));
  CHECK((checkpoint_facts(folder / "run/c7") == content.facts));
  CHECK((checkpoint_config(folder / "run/c7") == content.config));
  CHECK(checkpoint_damage(folder / "run/c7").empty());
  CHECK(is_checkpoint(folder / "run/c7"));
  CHECK_FALSE(is_checkpoint(folder / "run"));
}

TEST_CASE("the same content gives the same files", "[checkpoint]") {
  TemporaryFolder folder;
  save_checkpoint(folder / "a", some_content(7));
  save_checkpoint(folder / "b", some_content(7));
  for (const std::string& name : kFiles) {
    CHECK(read_file(folder / "a/" + name) == read_file(folder / "b/" + name));
  }
}

TEST_CASE("a model without its training is a checkpoint too", "[checkpoint]") {
  TemporaryFolder folder;
  CheckpointContent content;
  content.config = {{"architecture", "rmkv"}};
  content.model = {{"a", at::ones({2})}};
  save_checkpoint(folder / "c", content);
  CHECK(list_folder(folder / "c") ==
        std::vector<std::string>{"config.toml", "manifest.json", "model.safetensors"});
  CHECK(same_content(load_checkpoint(folder / "c"), content));
}

TEST_CASE("saving onto a checkpoint replaces it whole", "[checkpoint]") {
  TemporaryFolder folder;
  save_checkpoint(folder / "c", some_content(1));
  CheckpointContent content = some_content(2, 3.5);
  content.state.clear();
  save_checkpoint(folder / "c", content);
  CHECK(same_content(load_checkpoint(folder / "c"), content));
  CHECK(list_folder(folder.path()) == std::vector<std::string>{"c"});
}

TEST_CASE("loading the model alone does not read its training", "[checkpoint]") {
  TemporaryFolder folder;
  save_checkpoint(folder / "c", some_content(1));
  fs::remove(folder / "c/optimizer.safetensors");
  overwrite(folder / "c/cursor.json", "{");
  const CheckpointContent content = load_checkpoint(folder / "c", CheckpointParts::kModel);
  CHECK(same_tensors(content.model, some_content(1).model));
  CHECK(content.optimizer.empty());
  CHECK(content.cursor.empty());
  CHECK_THROWS_WITH(load_checkpoint(folder / "c"), Contains("cursor.json"));
}

TEST_CASE("every flipped bit is found", "[checkpoint]") {
  TemporaryFolder folder;
  save_checkpoint(folder / "c", some_content(1));
  for (const std::string& name : kFiles) {
    const std::string path = folder / "c/" + name, good = read_file(path);
    const size_t stride = name.find("safetensors") == std::string::npos ? 1 : 3;
    for (size_t place = 0; place < good.size(); place += stride) {
      std::string bad = good;
      bad[place] = static_cast<char>(bad[place] ^ (1 << place % 8));
      overwrite(path, bad);
      INFO(name << ", byte " << place);
      CHECK_THROWS_AS(load_checkpoint(folder / "c"), Error);
      CHECK_THAT(checkpoint_damage(folder / "c"), Contains(name));
    }
    overwrite(path, good);
  }
  CHECK(checkpoint_damage(folder / "c").empty());
}

TEST_CASE("a truncated, missing or exchanged file is refused by name", "[checkpoint]") {
  TemporaryFolder folder;
  save_checkpoint(folder / "c", some_content(1));
  for (const std::string& name : kFiles) {
    const std::string path = folder / "c/" + name, good = read_file(path);
    for (size_t size : {size_t{0}, size_t{1}, good.size() / 2, good.size() - 1}) {
      overwrite(path, good.substr(0, size));
      INFO(name << " cut to " << size);
      CHECK_THROWS_WITH(load_checkpoint(folder / "c"), Contains(name));
      // Sizes alone are enough to see it.
      CHECK_THAT(checkpoint_damage(folder / "c", false), Contains(name));
    }
    overwrite(path, good + "x");
    CHECK_THROWS_WITH(load_checkpoint(folder / "c"), Contains(name));
    fs::remove(path);
    CHECK_THROWS_WITH(load_checkpoint(folder / "c"), Contains(name));
    overwrite(path, good);
  }
  save_checkpoint(folder / "d", some_content(2));
  fs::copy_file(folder / "d/state.safetensors", folder / "c/state.safetensors",
                fs::copy_options::overwrite_existing);
  CHECK_THROWS_WITH(load_checkpoint(folder / "c"), Contains("state.safetensors"));
}

TEST_CASE("what is no checkpoint is refused with the reason", "[checkpoint]") {
  TemporaryFolder folder;
  CHECK_THROWS_WITH(load_checkpoint(folder / "none"), Contains("no such checkpoint"));
  make_folders(folder / "empty");
  CHECK_THROWS_WITH(load_checkpoint(folder / "empty"), Contains("no manifest.json"));
  make_folders(folder / "other");
  for (const char* text : {"", "[]", "7", "{\"format\": \"zip\"}", "{\"format\": 3}",
                           "{\"format\": \"rmkv-checkpoint\"}"}) {
    overwrite(folder / "other/manifest.json", text);
    CHECK_THROWS_AS(load_checkpoint(folder / "other"), Error);
  }
}

TEST_CASE("a manifest of another version is refused as that", "[checkpoint]") {
  TemporaryFolder folder;
  save_checkpoint(folder / "c", some_content(1));
  Table manifest = parse_json(read_file(folder / "c/manifest.json"), "m").as_table();
  manifest["version"] = 99;
  manifest.erase("checksum");
  manifest["checksum"] = content_hash(write_json(manifest, 1));
  overwrite(folder / "c/manifest.json", write_json(manifest, 1) + "\n");
  CHECK_THROWS_WITH(load_checkpoint(folder / "c"), Contains("version 99"));
}
