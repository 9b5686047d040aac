// Sessions advance their state in place: no allocation per token, and forks, marks and saves keep
// what they hold.
#include "core/base/cancel.h"
#include "core/base/error.h"
#include "core/models/rwkv/engine.h"
#include "core/sample/session_file.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/synthetic_rwkv.h"
#include "tests/sample/count_allocations.h"
#include "tests/sample/tiny_model.h"
#include "tests/temporary_folder.h"

using namespace rmkv;

namespace {

LanguageModelPtr engine_of(int64_t version, int threads = 1) {
  const RwkvConfig config = test::synthetic_rwkv_config(version);
  return make_rwkv_engine(config, test::synthetic_rwkv_weights(config), WeightType::F32, threads);
}

std::vector<LanguageModelPtr> models() {
  return {tiny_model(), tiny_model({{"store", true}, {"pooling", "mean"}}), engine_of(4),
          engine_of(7)};
}

State deep_copy(const State& state) {
  State copy;
  for (const auto& [name, tensor] : state.tensors()) copy.set(name, tensor.clone());
  for (const auto& [name, value] : state.counters()) copy.set_counter(name, value);
  return copy;
}

Session session_of(const LanguageModelPtr& model) {
  SamplerOptions options;
  options.seed = 3;
  options.repetition_penalty = 1.1;
  options.dry_window = 0;  // the list of last tokens is then full soon
  return Session(model, nullptr, options);
}

}  // namespace

TEST_CASE("a token of a session allocates nothing", "[session_memory]") {
  for (const int threads : {1, 2}) {
    set_thread_count(threads);
    for (const int64_t version : {4, 5, 6, 7}) {
      Session session = session_of(engine_of(version, threads));
      session.feed(std::vector<int32_t>{1, 2, 3});
      // The sampler's list of last tokens grows until its window is full twice.
      next_tokens(session, 2 * session.sampler().options().penalty_window + 8);
      session.begin({.max_tokens = 100});
      session.next_token();
      const int64_t before = allocation_count();
      for (int i = 0; i < 50; ++i) session.next_token();
      const int64_t taken = allocation_count() - before;
      INFO("rwkv" << version << ", " << threads << " threads");
      CHECK(taken == 0);
    }
    // RMKV: inside a segment; its first token and its commit are the general form's.
    for (const Table& changes : std::vector<Table>{
             {}, {{"store", true}}, {{"pooling", "mean"}, {"cell", "lstm"}, {"bridge", 0}}}) {
      Table config = changes;
      config["segment_tokens"] = 64;
      Session session = session_of(tiny_model(config));
      set_thread_count(threads);
      const int64_t window = 2 * session.sampler().options().penalty_window;
      session.feed(std::vector<int32_t>(static_cast<size_t>((window / 64 + 2) * 64 + 2), 5));
      next_tokens(session, 4);
      session.begin({.max_tokens = 100});
      session.next_token();
      const int64_t before = allocation_count();
      for (int i = 0; i < 50; ++i) session.next_token();
      const int64_t taken = allocation_count() - before;
      CHECK(taken == 0);
    }
  }
  set_thread_count(1);
}

TEST_CASE("a fork and a mark keep their moment while the original goes on", "[session_memory]") {
  for (const LanguageModelPtr& model : models()) {
    INFO(model->facts().architecture);
    Session session = session_of(model);
    session.feed(std::vector<int32_t>{1, 2, 3, 4, 5});
    const std::vector<int32_t> first = next_tokens(session, 6);
    Session fork = session;
    const State held = deep_copy(fork.state());
    const Tensor logits = fork.logits();
    session.mark();
    const std::vector<int32_t> future = next_tokens(session, 21);
    CHECK(fork.state().equals(held));
    CHECK(at::equal(fork.logits(), logits));
    CHECK(next_tokens(fork, 21) == future);
    CHECK(fork.state().equals(session.state()));
    REQUIRE(session.undo());
    CHECK(session.state().equals(held));
    CHECK(at::equal(session.logits(), logits));
    CHECK(next_tokens(session, 21) == future);
    // A state that was looked at is nobody else's to write.
    const State seen = session.state();
    const State seen_bits = deep_copy(seen);
    next_tokens(session, 9);
    CHECK(seen.equals(seen_bits));
  }
}

TEST_CASE("a save in the middle of a generation goes on with the same bits", "[session_memory]") {
  TemporaryFolder folder;
  for (const LanguageModelPtr& model : models()) {
    INFO(model->facts().architecture);
    Session session = session_of(model);
    session.feed(std::vector<int32_t>{1, 2, 3, 4, 5});
    for (int round = 0; round < 4; ++round) {
      next_tokens(session, 5);
      SessionFile::save(session, folder / "full");
      SessionFile::save(session, folder / "small", SessionSave::kSmall);
      Session full = SessionFile::load(folder / "full", model, nullptr);
      Session small = SessionFile::load(folder / "small", model, nullptr);
      CHECK(full.state().equals(session.state()));
      CHECK(at::allclose(small.logits(), session.logits(), 1e-4, 1e-5));
      Session fork = session;
      CHECK(next_tokens(full, 12) == next_tokens(fork, 12));
      CHECK(full.state().equals(fork.state()));
    }
  }
}

TEST_CASE("an interrupted block leaves a session without segments where it was",
          "[session_memory]") {
  const std::vector<int32_t> more(40, 7);
  Session session = session_of(engine_of(7));
  session.feed(std::vector<int32_t>{1, 2, 3});
  next_tokens(session, 3);
  Session calm = session;
  session.feed(more);
  calm.feed(more);
  session.begin({});
  request_cancel();
  CHECK_THROWS_AS(session.next_token(), Interrupted);
  clear_cancel();
  CHECK(next_tokens(session, 5) == next_tokens(calm, 5));
  CHECK(session.state().equals(calm.state()));
}
