// Run folders: names, pointers, rotation, resuming past damage.
#include <filesystem>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/checkpoint/run_folder.h"
#include "tests/catch.h"
#include "tests/checkpoint/content.h"
#include "tests/temporary_folder.h"

using namespace rmkv;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

std::vector<int64_t> steps_of(const RunFolder& run) {
  std::vector<int64_t> steps;
  for (const CheckpointEntry& entry : run.list()) steps.push_back(entry.step);
  return steps;
}

std::string target_of(const RunFolder& run, const std::string& pointer) {
  auto path = run.pointer(pointer);
  return path ? fs::path(*path).filename().string() : "";
}

void flip_byte(const std::string& path) {
  std::string content = read_file(path);
  content[content.size() / 2] ^= 1;
  write_file_atomic(path, content);
}

}  // namespace

TEST_CASE("checkpoints of a run have their names and pointers", "[run]") {
  TemporaryFolder folder;
  RunFolder run(folder / "run/");
  CHECK(run.list().empty());
  CHECK_FALSE(run.resume_facts().newest);
  CHECK_FALSE(path_exists(run.path()));
  CHECK(run.save(some_content(10), {}) == folder / "run/rmkv_pretrain_step_10");
  CHECK(target_of(run, "latest") == "rmkv_pretrain_step_10");
  CHECK_FALSE(run.pointer("best"));
  // The link is relative, so the folder can be moved.
  fs::rename(folder / "run", folder / "moved");
  RunFolder moved(folder / "moved");
  CHECK(target_of(moved, "latest") == "rmkv_pretrain_step_10");
  CHECK(checkpoint_damage(folder / "moved/latest").empty());
  moved.save(some_content(12), {}, true);
  CHECK(target_of(moved, "latest") == "rmkv_pretrain_final");
  CHECK(steps_of(moved) == std::vector<int64_t>{10, 12});
  CHECK(moved.list().back().is_final);
  CHECK(moved.resume_facts().newest->name == "rmkv_pretrain_final");
}

TEST_CASE("what cannot be a checkpoint's name or facts is refused", "[run]") {
  TemporaryFolder folder;
  RunFolder run(folder / "run");
  CHECK_THROWS_WITH(RunFolder::checkpoint_name("../x", 1), Contains("../x"));
  CHECK_THROWS_WITH(RunFolder::checkpoint_name("a", -1), Contains("-1"));
  CheckpointContent content = some_content(1);
  content.facts.erase("step");
  CHECK_THROWS_WITH(run.save(content, {}), Contains("\"step\""));
  CHECK_THROWS_WITH(read_rotation_options(Table{{"keep_last", 0}}), Contains("keep_last"));
  CHECK(read_rotation_options(Table{{"keep_every", 5}}).keep_every == 5);
}

TEST_CASE("rotation keeps the last, the milestones and the best", "[run]") {
  TemporaryFolder folder;
  RunFolder run(folder / "run");
  const std::vector<double> losses = {5, 4, 2, 3, 3.5, 3.2, 3.1, 3, 2.9, 2.8};
  for (int64_t step = 1; step <= 10; ++step) {
    run.save(some_content(step), {.keep_last = 2, .keep_every = 4}, false,
             losses[static_cast<size_t>(step - 1)]);
  }
  CHECK(steps_of(run) == std::vector<int64_t>{3, 4, 8, 9, 10});
  CHECK(target_of(run, "best") == "rmkv_pretrain_step_3");
  CHECK(target_of(run, "latest") == "rmkv_pretrain_step_10");
  run.save(some_content(11), {.keep_last = 2, .keep_every = 4}, false, 1.5);
  CHECK(target_of(run, "best") == "rmkv_pretrain_step_11");
  CHECK(steps_of(run) == std::vector<int64_t>{4, 8, 10, 11});
  // A final one does not count among the last.
  run.save(some_content(12), {.keep_last = 1}, true);
  CHECK(steps_of(run) == std::vector<int64_t>{11, 12});
}

TEST_CASE("other folders in a run are left alone", "[run]") {
  TemporaryFolder folder;
  RunFolder run(folder / "run");
  for (const char* name : {"rmkv_pretrain_step_", "rmkv_pretrain_step_x", "notes", ".hidden",
                           "rmkv__step_3", ".notes.part1"}) {
    make_folders(run.path() + "/" + name);
  }
  for (int64_t step = 1; step <= 4; ++step) run.save(some_content(step), {.keep_last = 1});
  CHECK(steps_of(run) == std::vector<int64_t>{4});
  CHECK(is_folder(run.path() + "/notes"));
  CHECK(is_folder(run.path() + "/.hidden"));
  CHECK(is_folder(run.path() + "/.notes.part1"));
  CHECK(is_folder(run.path() + "/rmkv_pretrain_step_x"));
}

TEST_CASE("resuming passes over damaged checkpoints and says why", "[run]") {
  TemporaryFolder folder;
  RunFolder run(folder / "run");
  for (int64_t step : {5, 10, 15, 20}) run.save(some_content(step), {.keep_last = 9});
  flip_byte(run.path() + "/rmkv_pretrain_step_20/model.safetensors");
  fs::remove(run.path() + "/rmkv_pretrain_step_15/cursor.json");
  const ResumeFacts facts = run.resume_facts();
  REQUIRE(facts.newest);
  CHECK(facts.newest->step == 10);
  CHECK((facts.newest->facts == some_content(10).facts));
  REQUIRE(facts.damaged.size() == 2);
  CHECK(facts.damaged[0].step == 20);
  CHECK_THAT(facts.damaged[0].damage, Contains("model.safetensors") && Contains("hash"));
  CHECK_THAT(facts.damaged[1].damage, Contains("cursor.json") && Contains("missing"));
  // A damaged one is neither removed nor counted.
  run.save(some_content(25), {.keep_last = 1});
  CHECK(is_folder(run.path() + "/rmkv_pretrain_step_15"));
  CHECK_FALSE(is_folder(run.path() + "/rmkv_pretrain_step_10"));
}

TEST_CASE("when nothing is whole there is nothing to resume", "[run]") {
  TemporaryFolder folder;
  RunFolder run(folder / "run");
  run.save(some_content(5), {});
  flip_byte(run.path() + "/rmkv_pretrain_step_5/manifest.json");
  const ResumeFacts facts = run.resume_facts();
  CHECK_FALSE(facts.newest);
  CHECK(facts.damaged.size() == 1);
}

TEST_CASE("a damaged final checkpoint is named as passed over, though its step is unknown",
          "[run]") {
  TemporaryFolder folder;
  RunFolder run(folder / "run");
  run.save(some_content(5), {});
  run.save(some_content(8), {}, /*is_final=*/true);
  flip_byte(run.path() + "/rmkv_pretrain_final/manifest.json");
  const ResumeFacts facts = run.resume_facts();
  REQUIRE(facts.newest);
  CHECK(facts.newest->step == 5);
  REQUIRE(facts.damaged.size() == 1);
  CHECK(facts.damaged[0].is_final);
}

TEST_CASE("leftovers of interrupted work are cleaned, a replaced checkpoint comes back", "[run]") {
  TemporaryFolder folder;
  RunFolder run(folder / "run");
  run.save(some_content(5), {});
  const std::string path = run.path();
  make_folders(path + "/.rmkv_pretrain_step_6.part123");
  write_file_atomic(path + "/.rmkv_pretrain_step_6.part123/model.safetensors", "half");
  make_folders(path + "/.rmkv_pretrain_step_1.removed");
  fs::rename(path + "/rmkv_pretrain_step_5", path + "/.rmkv_pretrain_step_5.part9.old");
  run.clean();
  CHECK(list_folder(path) == std::vector<std::string>{"latest", "rmkv_pretrain_step_5"});
  CHECK(checkpoint_damage(path + "/rmkv_pretrain_step_5").empty());
}
