// Faults while a checkpoint is written: kill -9, a full disk, a folder that must not be written.
//
// Children are forked; they only touch files and small tensors.
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/checkpoint/run_folder.h"
#include "tests/catch.h"
#include "tests/checkpoint/content.h"
#include "tests/temporary_folder.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

int die_at = 0;

// Runs `work` in a child and returns how it ended (a waitpid status).
template <typename Work>
int in_child(Work work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

}  // namespace

TEST_CASE("a kill at any step of a save leaves the old checkpoint or the new one", "[faults]") {
  for (bool replace : {false, true}) {
    int operations = 0;
    for (int step = 1;; ++step) {
      TemporaryFolder folder;
      const std::string old_path = folder / "c1", new_path = folder / (replace ? "c1" : "c2");
      save_checkpoint(old_path, some_content(1));
      const int status = in_child([&] {
        die_at = step;
        set_checkpoint_fault_hook([](int operation) {
          if (operation == die_at) ::raise(SIGKILL);
        });
        save_checkpoint(new_path, some_content(2, 5));
      });
      INFO("killed at operation " << step << (replace ? ", replacing" : ""));
      if (!replace) CHECK(same_content(load_checkpoint(old_path), some_content(1)));
      if (WIFEXITED(status)) {  // the save was over before that step
        CHECK(same_content(load_checkpoint(new_path), some_content(2, 5)));
        operations = step - 1;
        break;
      }
      if (replace) {
        const CheckpointContent left = load_checkpoint(new_path);
        CHECK((same_content(left, some_content(1)) || same_content(left, some_content(2, 5))));
      } else if (path_exists(new_path)) {
        CHECK(same_content(load_checkpoint(new_path), some_content(2, 5)));
      }
      // Nothing stands in the way of the next save.
      save_checkpoint(new_path, some_content(3));
      CHECK(same_content(load_checkpoint(new_path), some_content(3)));
    }
    CHECK(operations >= 8);
  }
}

TEST_CASE("kills at random moments never cost more than the save in progress", "[faults]") {
  constexpr unsigned kSeed = 17;
  INFO("seed " << kSeed);
  std::mt19937 random(kSeed);
  TemporaryFolder folder;
  RunFolder run(folder / "run");
  run.save(some_content(0), {});
  int64_t newest = 0;
  for (int round = 0; round < 40; ++round) {
    int pipe_ends[2];
    REQUIRE(::pipe(pipe_ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      // Saves one checkpoint after the other and reports each that is done.
      for (int64_t step = newest + 1;; ++step) {
        run.save(some_content(step, static_cast<double>(step)), {.keep_last = 2});
        if (::write(pipe_ends[1], &step, sizeof step) != sizeof step) ::_exit(1);
      }
    }
    ::close(pipe_ends[1]);
    ::usleep(2000 + random() % 30000);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    int64_t reported = newest;
    while (::read(pipe_ends[0], &reported, sizeof reported) == sizeof reported) newest = reported;
    ::close(pipe_ends[0]);
    const ResumeFacts facts = run.resume_facts();
    REQUIRE(facts.newest);
    CHECK(facts.damaged.empty());
    CHECK(facts.newest->step >= newest);
    CHECK(facts.newest->step <= newest + 1);
    newest = facts.newest->step;
    CHECK(same_content(load_checkpoint(facts.newest->path),
                       some_content(newest, newest ? static_cast<double>(newest) : 1)));
  }
  run.clean();
  for (const std::string& name : list_folder(run.path())) CHECK(name[0] != '.');
}

TEST_CASE("a full disk is a clear error and costs nothing", "[faults]") {
  TemporaryFolder folder;
  save_checkpoint(folder / "c1", some_content(1));
  CheckpointContent large = some_content(2);
  large.optimizer["moment"] = at::ones({50000});
  // The limit on file sizes stands in for a disk that ends inside the optimiser's file.
  rlimit before{}, tight{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  tight = before;
  tight.rlim_cur = 100000;
  auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &tight);
  std::string message;
  try {
    save_checkpoint(folder / "c2", large);
  } catch (const Error& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, old_handler);
  CHECK_THAT(message, Contains("optimizer.safetensors") && Contains("too large"));
  CHECK(list_folder(folder.path()) == std::vector<std::string>{"c1"});
  CHECK(same_content(load_checkpoint(folder / "c1"), some_content(1)));
}

TEST_CASE("an error at any step of a save leaves no trace", "[faults]") {
  TemporaryFolder folder;
  save_checkpoint(folder / "c1", some_content(1));
  // 1 folder, 2-6 files, 7 manifest, 8 sync: everything before the rename.
  for (die_at = 1; die_at <= 8; ++die_at) {
    set_checkpoint_fault_hook([](int operation) {
      if (operation == die_at) fail_because("disk", "No space left on device");
    });
    for (const char* name : {"c1", "c2"}) {
      CHECK_THROWS_WITH(save_checkpoint(folder / name, some_content(2)), Contains("No space left"));
      CHECK(list_folder(folder.path()) == std::vector<std::string>{"c1"});
      CHECK(same_content(load_checkpoint(folder / "c1"), some_content(1)));
    }
  }
  set_checkpoint_fault_hook(nullptr);
}

TEST_CASE("a read-only folder is a clear error", "[faults]") {
  TemporaryFolder folder;
  save_checkpoint(folder / "run/c1", some_content(1));
  ::chmod(folder.path().c_str(), 0755);
  ::chmod((folder / "run").c_str(), 0555);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  in_child([&] {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) ::_exit(1);  // the superuser may write anything
    std::string message = "saved";
    try {
      save_checkpoint(folder / "run/c2", some_content(2));
    } catch (const Error& error) {
      message = error.what();
    }
    if (::write(ends[1], message.data(), message.size()) < 0) ::_exit(1);
  });
  ::close(ends[1]);
  std::string message(4000, '\0');
  message.resize(
      static_cast<size_t>(std::max<ssize_t>(0, ::read(ends[0], message.data(), message.size()))));
  ::close(ends[0]);
  ::chmod((folder / "run").c_str(), 0755);
  CHECK_THAT(message, Contains("Permission denied") && Contains("c2"));
  CHECK(same_content(load_checkpoint(folder / "run/c1"), some_content(1)));
}
