// Fuzz target: answers of a data set hub: the commit, the listing, its next page, the card.
//
// Links without core/data/http.cpp: the answers are the input's.
#include <cstdlib>

#include "core/data/http.h"
#include "core/data/hub.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/scratch.h"

namespace {

std::vector<std::string_view> answers;
size_t pages = 0;

}  // namespace

namespace rmkv {

HttpAnswer http_get(const HttpRequest& request) {
  HttpAnswer answer;
  answer.status = 200;
  if (request.url.find("/revision/") != std::string::npos) {
    answer.body = answers[0];
  } else if (request.url.find("/tree/") != std::string::npos) {
    answer.body = answers[1];
    if (++pages < 4) answer.headers["link"] = answers[2];
  } else {
    answer.body =
        answers[3].substr(std::min<uint64_t>(request.begin, answers[3].size()), request.length);
  }
  return answer;
}

}  // namespace rmkv

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rmkv;
  static const fuzz::Scratch scratch;
  static const bool once = [] {
    for (const char* name : {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HF_TOKEN"})
      ::unsetenv(name);
    ::setenv("HOME", scratch.path("home").c_str(), 1);
    ::setenv("HF_ENDPOINT", "http://hub", 1);
    return true;
  }();
  (void)once;
  scratch.clear();
  answers = fuzz::pieces(fuzz::view(data, size), 4);
  const auto open = [&](const char* name) {
    pages = 0;
    fuzz::accepts([&] {
      const HubData hub = open_hub(parse_hub_path(name), scratch.path("cache"));
      char bytes[16];
      hub.files.at(0).file->read_some(0, bytes, sizeof bytes);
    });
  };
  open("hub:owner/name");
  open("hub:owner/name:default/all");  // the listing from the cache
  // The cached listing, damaged.
  scratch.clear();
  std::filesystem::create_directories(scratch.path("cache/hub/owner--name"));
  scratch.write("cache/hub/owner--name/main.commit", "c0ffee");
  scratch.write("cache/hub/owner--name/c0ffee.json", answers[1]);
  open("hub:owner/name");
  return 0;
}
