// Fuzz target: JSON lines as documents, by fields, templates and conversations.
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rmkv;
  const std::string_view text = fuzz::view(data, size);
  const auto read = [&](RowOptions row) {
    fuzz::accepts([&] {
      fuzz::read_documents(
          LineSource("fuzz", fuzz::memory_files("fuzz.jsonl", text), {.row = std::move(row)}));
    });
  };
  read({});
  read({.text = "{answer}<end>", .prompt = "{question.0}\n{a.b.c}", .mask_prompt = true});
  RowOptions conversation;
  conversation.parts = {Table{{"messages", Table{{"field", "messages"}}}}};
  read(conversation);
  return 0;
}
