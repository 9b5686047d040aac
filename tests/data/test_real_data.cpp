// The real data beside the project: books in pieces and rows of JSON, streamed and resumed.
#include "core/base/json.h"
#include "core/data/open_source.h"
#include "core/data/stream.h"
#include "tests/catch.h"
#include "tests/data/support.h"
#include "tests/shared_data.h"

using namespace rmkv;
using namespace rmkv::test;

TEST_CASE("books and questions mixed 5:1 keep their shares and resume exactly") {
  std::string books = shared_data("books/val"), questions = shared_data("jsonl/gsm8k-test.jsonl");
  if (books.empty() || questions.empty()) {
    WARN("SKIPPED: no books/val or jsonl/gsm8k-test.jsonl in $RMKV_DATA or ../shared/data");
    return;
  }
  TokenizerPtr tokenizer = make_byte_tokenizer();
  StreamOptions options;
  options.lanes = 16;
  options.threads = 2;
  options.validation_share = 0.05;
  auto make = [&] {
    return std::make_unique<TokenStream>(
        std::vector<StreamSource>{{open_source(books), 5}, {open_source(questions), 1}}, tokenizer,
        options);
  };
  auto stream = make();
  for (int i = 0; i < 100; ++i) stream->next(4, 128);
  Table report = stream->report();
  const Table& first = find(report, "sources")->as_list()[0].as_table();
  // 800,000 tokens; an automatic piece of the books has 16,000 bytes.
  CHECK(find(first, "realized_share")->as_double() == Approx(5.0 / 6.0).margin(0.02));
  CHECK(find(report, "bad")->as_list().empty());
  auto again = make();
  again->seek(stream->cursor());
  for (int i = 0; i < 20; ++i) REQUIRE(dump(again->next(3, 100)) == dump(stream->next(3, 100)));
}

TEST_CASE(
    "the rows of the question and instruction files are found and become prompts and answers") {
  std::string questions = shared_data("jsonl/gsm8k-train.jsonl"),
              chats = shared_data("jsonl/dolly-hhrlhf-small.jsonl"),
              seeds = shared_data("jsonl/self-instruct-seed.jsonl");
  if (questions.empty() || chats.empty() || seeds.empty()) {
    WARN("SKIPPED: no jsonl files in $RMKV_DATA or ../shared/data");
    return;
  }
  SourcePtr source = open_source(questions);
  CHECK(source->document_count() == 7473);
  CHECK(source->document(0).text.find("\n<start>Natalia sold 48/2") != std::string::npos);
  source = open_source(chats);
  CHECK(source->document_count() == 1000);
  CHECK(source->document(999).text.ends_with("<end>"));
  source = open_source(seeds, {{"prompt", "{instruction}\n{instances.0.input}\n<start>"},
                               {"text", "{instances.0.output}"}});
  CHECK(source->document_count() == 175);
  for (uint64_t i = 0; i < 175; ++i) CHECK_NOTHROW(source->document(i));
}
