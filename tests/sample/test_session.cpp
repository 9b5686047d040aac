// Sessions over a tiny RMKV: chunks, forks, undo, stopping, memory edits, isolation, cost.
#include <random>

#include "core/base/cancel.h"
#include "core/base/error.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/sample/scripted_model.h"
#include "tests/sample/tiny_model.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

const std::string kStory =
    "The lamp was lit at dusk, and Mara counted the coins twice. \xc3\xa9t\xc3\xa9 "
    "\xe2\x82\xac \xf0\x9f\x99\x82 end.";

bool same_bits(const Tensor& a, const Tensor& b) {
  return at::equal(a.view(at::kInt), b.view(at::kInt));
}

}  // namespace

TEST_CASE("a prompt in any chunks gives the same bits", "[session]") {
  constexpr unsigned kSeed = 11;
  INFO("seed " << kSeed);
  std::mt19937 random(kSeed);
  std::string prompt;
  for (int i = 0; i < 12; ++i) prompt += kStory;  // more than one block of 512
  Session whole = tiny_session();
  whole.feed(prompt);
  const Tensor logits = whole.logits();
  const State state = whole.state();
  const std::vector<int32_t> continued = next_tokens(whole, 20);
  for (int round = 0; round < 6; ++round) {
    Session parts = tiny_session();
    const bool as_ids = round % 2 == 1;
    for (size_t at = 0; at < prompt.size();) {
      const size_t size = 1 + random() % (round < 4 ? 40 : 900);
      const std::string piece = prompt.substr(at, size);
      at += size;
      if (as_ids) {
        const std::vector<int32_t> ids = parts.tokenizer()->encode(piece, false);
        parts.feed(ids);
      } else {
        parts.feed(piece);
      }
      if (random() % 8 == 0) parts.logits();  // looking changes nothing
    }
    CHECK(same_bits(parts.logits(), logits));
    CHECK(parts.state().equals(state));
    CHECK(next_tokens(parts, 20) == continued);
    CHECK(parts.total_tokens() == static_cast<int64_t>(prompt.size()) + 20);
  }
}

TEST_CASE("a session continues as the model does in one pass", "[session]") {
  for (const Table& variant : {Table{}, Table{{"cell", "lstm"}, {"store", true}},
                               Table{{"bridge", 0}, {"pooling", "mean"}}}) {
    LanguageModelPtr model = tiny_model(variant);
    Session session(model, make_byte_tokenizer(), {});
    session.feed(kStory);
    std::vector<int32_t> ids = session.tokenizer()->encode(kStory, false);
    const std::vector<int32_t> sampled = next_tokens(session, 13);
    ids.insert(ids.end(), sampled.begin(), sampled.end());
    at::NoGradGuard no_grad;
    State state = model->initial_state(1);
    Tensor tokens = at::empty({1, static_cast<int64_t>(ids.size())}, at::kLong);
    std::copy(ids.begin(), ids.end(), tokens.mutable_data_ptr<int64_t>());
    const Tensor expected =
        model->logits(model->forward(tokens, state, {})).select(1, -1).squeeze(0);
    CHECK(at::allclose(session.logits(), expected, 1e-4, 1e-5));
  }
}

TEST_CASE("the same prompt and seed give the same text", "[session]") {
  auto text = [](int64_t seed) {
    Session session = tiny_session(seed);
    session.feed(kStory);
    return session.generate({.max_tokens = 30});
  };
  CHECK(text(5) == text(5));
  CHECK(text(5) != text(6));
}

TEST_CASE("a fork goes its own way and leaves the original alone", "[session]") {
  Session original = tiny_session(1);
  original.feed(kStory);
  next_tokens(original, 5);
  Session fork = original, control = original;
  fork.sampler().reseed(99);
  fork.feed("Another story.");
  next_tokens(fork, 30);
  CHECK(next_tokens(original, 30) == next_tokens(control, 30));
  CHECK(original.state().equals(control.state()));
  CHECK_FALSE(fork.state().equals(original.state()));

  std::vector<Session> crowd(1000, original);
  CHECK(crowd[999].state().get("memory.1").const_data_ptr() ==
        crowd[0].state().get("memory.1").const_data_ptr());
}

TEST_CASE("interleaved sessions on one model do not know of each other", "[session]") {
  LanguageModelPtr model = tiny_model();
  auto fresh = [&](int64_t seed) {
    SamplerOptions options;
    options.seed = seed;
    return Session(model, make_byte_tokenizer(), options);
  };
  auto alone = [&](int64_t seed, const std::string& prompt) {
    Session session = fresh(seed);
    session.feed(prompt);
    return next_tokens(session, 25);
  };
  const std::vector<int32_t> first = alone(1, "first prompt"),
                             second = alone(2, "the second prompt");
  Session a = fresh(1), b = fresh(2);
  a.feed("first prompt");
  b.feed("the second prompt");
  a.begin({.max_tokens = 25});
  b.begin({.max_tokens = 25});
  std::vector<int32_t> got_a, got_b;
  for (int i = 0; i < 25; ++i) {
    got_a.push_back(*a.next_token());
    got_b.push_back(*b.next_token());
  }
  CHECK(got_a == first);
  CHECK(got_b == second);
}

TEST_CASE("undo brings back the moment of the last mark, exactly", "[session]") {
  Session session = tiny_session(3);
  session.feed(kStory);
  session.mark();
  const State before = session.state();
  const std::vector<int32_t> first = next_tokens(session, 20);
  session.feed(" and then");
  session.mark();
  next_tokens(session, 4);
  CHECK(session.marks() == 2);
  CHECK(session.undo());
  CHECK(session.undo());
  CHECK_FALSE(session.undo());
  CHECK(session.state().equals(before));
  CHECK(next_tokens(session, 20) == first);
  for (size_t i = 0; i < Session::kMaxMarks + 10; ++i) session.mark();
  CHECK(session.marks() == Session::kMaxMarks);
}

TEST_CASE("generation stops at tokens, strings and budgets", "[session]") {
  Session session = tiny_session(4);
  session.feed(kStory);
  const std::vector<int32_t> plain = [&] {
    Session copy = session;
    return next_tokens(copy, 40);
  }();

  SECTION("budget") {
    session.begin({.max_tokens = 3});
    for (int i = 0; i < 3; ++i) CHECK(session.next_token());
    CHECK_FALSE(session.next_token());
    CHECK(finish_reason_name(session.finish_reason()) == "budget");
    CHECK(session.generated_tokens() == 3);
  }
  SECTION("no budget at all") {
    session.begin({.max_tokens = 0});
    CHECK_FALSE(session.next_token());
  }
  SECTION("a stop token enters the text and ends the generation") {
    session.begin({.max_tokens = 40, .stop_tokens = {plain[6]}});
    int64_t count = 0;
    while (session.next_token()) ++count;
    CHECK(count <= 7);
    CHECK(session.finish_reason() == FinishReason::kStopToken);
    CHECK(session.total_tokens() == static_cast<int64_t>(kStory.size()) + count);
    CHECK_FALSE(session.next_token());
  }
  SECTION("a stop token waits for min_tokens") {
    std::vector<int64_t> all;
    for (int64_t id = 0; id < 256; ++id) all.push_back(id);
    session.begin({.max_tokens = 40, .min_tokens = 5, .stop_tokens = all});
    std::vector<int32_t> ids;
    while (auto id = session.next_token()) ids.push_back(*id);
    REQUIRE(ids.size() >= 5);
    for (int i = 0; i < 5; ++i) CHECK(ids[static_cast<size_t>(i)] >= 256);
  }
  SECTION("a stop string is cut out of what is shown") {
    Session copy = session;
    const std::string text = copy.generate({.max_tokens = 40});
    const std::string stop = text.substr(text.size() / 2, 3);
    const std::string shown = session.generate({.max_tokens = 40, .stop_strings = {stop}});
    CHECK(shown == text.substr(0, text.find(stop)));
    CHECK(session.finish_reason() == FinishReason::kStopString);
  }
  SECTION("wrong ids are refused") {
    CHECK_THROWS_WITH(session.begin({.stop_tokens = {262}}), Contains("262"));
    CHECK_THROWS_WITH(read_generate_options(Table{{"max_token", 3}}), Contains("max_tokens"));
  }
}

TEST_CASE("pieces are whole characters and add up to the text", "[session]") {
  const std::string text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82z";
  std::vector<int32_t> script;
  for (char byte : text) script.push_back(static_cast<unsigned char>(byte));
  Session session(std::make_shared<ScriptedModel>(script), make_byte_tokenizer());
  session.feed("x");
  session.begin({.max_tokens = static_cast<int64_t>(text.size())});
  std::vector<std::string> pieces;
  while (auto piece = session.next_piece()) pieces.push_back(*piece);
  CHECK(pieces ==
        std::vector<std::string>{"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x99\x82", "z"});
  CHECK(session.generated_tokens() == 11);
}

TEST_CASE("a stop string may end in the middle of a token's text", "[session]") {
  std::vector<int32_t> script;
  for (char byte : std::string("one. User: two")) script.push_back(byte);
  Session session(std::make_shared<ScriptedModel>(script), make_byte_tokenizer());
  session.feed("x");
  CHECK(session.generate({.max_tokens = 100, .stop_strings = {"User:"}}) == "one. ");
  CHECK(session.total_tokens() == 1 + 10);
}

TEST_CASE("half a character at the end of a generation is not lost", "[session]") {
  Session session = tiny_session();
  session.feed("x");
  SamplerOptions head;
  head.allowed = {0xe2};
  session.sampler().set_options(head);
  CHECK(session.generate({.max_tokens = 2}) == "\xe2\xe2");
}

TEST_CASE("special tokens are shown only when asked for", "[session]") {
  Session session = tiny_session();
  session.feed("x");
  const int32_t start = session.tokenizer()->special("<start>");
  SamplerOptions only;
  only.allowed = {start};
  session.sampler().set_options(only);
  Session other = session;
  CHECK(session.generate({.max_tokens = 2}) == "");
  CHECK(other.generate({.max_tokens = 2, .show_special = true}) == "<start><start>");
}

TEST_CASE("special tokens in fed text are text unless asked for", "[session]") {
  Session plain = tiny_session(), parsed = tiny_session();
  plain.feed("<end>");
  parsed.feed("<end>", true);
  plain.logits();
  CHECK(plain.state().counter("open") == 5);
  CHECK(parsed.state().counter("open") == 1);
  // Texts of the two kinds stay apart.
  Session both = tiny_session();
  both.feed("<e");
  both.feed("nd>", true);
  CHECK(both.state().counter("open") == 5);
}

TEST_CASE("memory slots can be read, erased and replaced", "[session]") {
  Session session = tiny_session();
  session.feed(kStory);
  REQUIRE(session.memory_names() == std::vector<std::string>{"memory.1", "memory.2"});
  const Tensor slot = session.read_slot("memory.1", 2), before = session.logits();
  CHECK(slot.sizes() == at::IntArrayRef({16}));

  Session erased = session;
  erased.erase_slot("memory.1", 2, Session::EraseTo::kZero);
  CHECK(at::equal(erased.read_slot("memory.1", 2), at::zeros({16})));
  CHECK(at::equal(erased.read_slot("memory.1", 1), session.read_slot("memory.1", 1)));
  CHECK(at::equal(session.read_slot("memory.1", 2), slot));
  erased.feed("?");
  Session asked = session;
  asked.feed("?");
  CHECK_FALSE(at::equal(erased.logits(), asked.logits()));

  erased.erase_slot("memory.1", 2);
  CHECK(at::equal(erased.read_slot("memory.1", 2), tiny_session().read_slot("memory.1", 2)));

  Session swapped = tiny_session();
  swapped.write_memory("memory.2", session.state().get("memory.2"));
  CHECK(at::equal(swapped.read_slot("memory.2", 0), session.read_slot("memory.2", 0)));
  CHECK(at::equal(session.logits(), before));

  CHECK_THROWS_WITH(session.read_slot("memory.1", 3), Contains("slot 3"));
  CHECK_THROWS_WITH(session.read_slot("memroy.1", 0), Contains("memory.1"));
  CHECK_THROWS_WITH(session.write_memory("memory.1", at::zeros({2})), Contains("[1, 3, 16]"));
}

TEST_CASE("flush commits the open segment now", "[session]") {
  Session session = tiny_session(), flushed = tiny_session();
  session.feed("abc");
  flushed.feed("abc");
  flushed.flush();
  CHECK(flushed.state().counter("open") == 0);
  CHECK_FALSE(at::equal(flushed.read_slot("memory.1", 0), session.read_slot("memory.1", 0)));
  flushed.feed("defghijkl");  // nine more: one whole segment and one token
  CHECK(flushed.state().counter("open") == 1);
  CHECK(next_tokens(flushed, 10).size() == 10);
}

TEST_CASE("an interrupted prompt can be fed again", "[session]") {
  Session session = tiny_session(), control = tiny_session();
  control.feed(kStory);
  const Tensor expected = control.logits();
  session.feed(kStory);
  request_cancel();
  CHECK_THROWS_AS(session.logits(), Interrupted);
  clear_cancel();
  CHECK(at::equal(session.logits(), expected));
}

TEST_CASE("a session without a prompt, or of ids alone, says what is missing", "[session]") {
  Session session = tiny_session();
  CHECK_THROWS_WITH(session.next_token(), Contains("nothing was fed"));
  Session ids(tiny_model(), nullptr);
  CHECK_THROWS_WITH(ids.feed("text"), Contains("no tokenizer"));
  const std::vector<int32_t> wrong = {262}, right = {1, 2};
  CHECK_THROWS_WITH(ids.feed(wrong), Contains("262"));
  ids.feed(right);
  CHECK(next_tokens(ids, 3).size() == 3);
  CHECK_THROWS_WITH(ids.next_piece(), Contains("no tokenizer"));
  CHECK_THROWS_WITH(Session(tiny_model({{"vocabulary", 100}}), make_byte_tokenizer()),
                    Contains("262 ids"));
}

TEST_CASE("a session's size does not grow with its text", "[session]") {
  Session session = tiny_session();
  session.feed(std::string(64, 'a'));
  next_tokens(session, 8);
  const int64_t small = session.size_bytes();
  session.feed(std::string(64 * 100, 'b'));
  next_tokens(session, 8);
  CHECK(session.size_bytes() == small);
}
