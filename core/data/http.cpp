// libcurl by dlopen.
#include "core/data/http.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>

#include "core/base/cancel.h"
#include "core/base/error.h"

namespace rmkv {

namespace {

constexpr double kLongestWait = 320;  // the windows of the hub's limits last 300 seconds

// The functions used, with the types of curl.h.
struct Curl {
  decltype(&curl_global_init) global_init;
  decltype(&curl_easy_init) init;
  decltype(&curl_easy_setopt) setopt;
  decltype(&curl_easy_perform) perform;
  decltype(&curl_easy_cleanup) cleanup;
  decltype(&curl_easy_strerror) strerror;
  decltype(&curl_slist_append) append;
  decltype(&curl_slist_free_all) free_list;
  std::string why;
};

Curl open_curl() {
  Curl curl{};
  void* library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    curl.why = dlerror();
    return curl;
  }
  auto take = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
    if (function == nullptr) curl.why = name;  // the function that this libcurl lacks
  };
  take(curl.global_init, "curl_global_init");
  take(curl.init, "curl_easy_init");
  take(curl.setopt, "curl_easy_setopt");
  take(curl.perform, "curl_easy_perform");
  take(curl.cleanup, "curl_easy_cleanup");
  take(curl.strerror, "curl_easy_strerror");
  take(curl.append, "curl_slist_append");
  take(curl.free_list, "curl_slist_free_all");
  if (curl.why.empty()) curl.global_init(CURL_GLOBAL_DEFAULT);
  return curl;
}

const Curl& curl_library() {
  static const Curl curl = open_curl();
  if (!curl.why.empty())
    fail_because("http", "libcurl is not there: " + curl.why, "install libcurl4");
  return curl;
}

struct Receiver {
  HttpAnswer answer;
  uint64_t skip = 0;  // bytes of an answer that ignored the range
  uint64_t begin = 0, wanted = 0, limit = 0;
  bool too_long = false;
};

size_t take_header(char* data, size_t size, size_t count, void* self) {
  auto& receiver = *static_cast<Receiver*>(self);
  std::string line(data, size * count);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  if (line.compare(0, 5, "HTTP/") == 0) {
    // Each answer of a chain of redirects begins anew.
    auto linked = receiver.answer.headers.extract("x-linked-etag");
    receiver.answer.headers.clear();
    if (!linked.empty()) receiver.answer.headers.insert(std::move(linked));
    receiver.answer.body.clear();
    size_t blank = line.find(' ');
    receiver.answer.status = blank == std::string::npos ? 0 : std::atoi(line.c_str() + blank);
    receiver.skip = receiver.answer.status == 200 ? receiver.begin : 0;
    return size * count;
  }
  size_t colon = line.find(':');
  if (colon == std::string::npos) return size * count;
  std::string name = line.substr(0, colon);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  size_t value = line.find_first_not_of(' ', colon + 1);
  receiver.answer.headers[name] = value == std::string::npos ? "" : line.substr(value);
  return size * count;
}

size_t take_body(char* data, size_t size, size_t count, void* self) {
  auto& receiver = *static_cast<Receiver*>(self);
  size_t length = size * count, skipped = std::min<uint64_t>(length, receiver.skip);
  receiver.skip -= skipped;
  std::string& body = receiver.answer.body;
  size_t rest = length - skipped;
  if (receiver.wanted > 0 && receiver.answer.status == 200) {
    rest = std::min<uint64_t>(rest, receiver.wanted - body.size());
    body.append(data + skipped, rest);
    // All that was asked for is there: end the transfer.
    return body.size() == receiver.wanted ? 0 : length;
  }
  if (body.size() + rest > receiver.limit) {
    receiver.too_long = true;
    return 0;
  }
  body.append(data + skipped, rest);
  return length;
}

int poll_cancelled(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return cancel_requested() ? 1 : 0;
}

void wait(double seconds) {
  for (double left = std::min(seconds, kLongestWait); left > 0; left -= 0.05) {
    check_cancelled("http");
    timespec slice{0, static_cast<long>(std::min(left, 0.05) * 1e9)};
    nanosleep(&slice, nullptr);
  }
}

// One attempt; the reason when there was no whole answer.
std::string attempt(const HttpRequest& request, Receiver& receiver) {
  const Curl& curl = curl_library();
  CURL* handle = curl.init();
  if (handle == nullptr) return "libcurl has no memory";
  curl_slist* headers = curl.append(nullptr, "Accept-Encoding: identity");
  if (!request.token.empty())
    headers = curl.append(headers, ("Authorization: Bearer " + request.token).c_str());
  curl.setopt(handle, CURLOPT_URL, request.url.c_str());
  curl.setopt(handle, CURLOPT_HTTPHEADER, headers);
  curl.setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl.setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
  curl.setopt(handle, CURLOPT_MAXREDIRS, 5L);
  curl.setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl.setopt(handle, CURLOPT_USERAGENT, "rmkv");
  curl.setopt(handle, CURLOPT_CONNECTTIMEOUT, 20L);
  // Fewer than 1,000 bytes a second for 30 seconds is a broken connection.
  curl.setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1000L);
  curl.setopt(handle, CURLOPT_LOW_SPEED_TIME, 30L);
  curl.setopt(handle, CURLOPT_HEADERFUNCTION, take_header);
  curl.setopt(handle, CURLOPT_HEADERDATA, &receiver);
  curl.setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
  curl.setopt(handle, CURLOPT_WRITEDATA, &receiver);
  curl.setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl.setopt(handle, CURLOPT_XFERINFOFUNCTION, poll_cancelled);
  std::string range =
      std::to_string(request.begin) + "-" + std::to_string(request.begin + request.length - 1);
  if (request.length > 0) curl.setopt(handle, CURLOPT_RANGE, range.c_str());
  CURLcode code = curl.perform(handle);
  curl.cleanup(handle);
  curl.free_list(headers);
  bool cut_by_us = code == CURLE_WRITE_ERROR && request.length > 0 &&
                   receiver.answer.body.size() == request.length;
  if (receiver.too_long)
    return "an answer of more than " + std::to_string(request.limit_bytes) + " bytes";
  if (code != CURLE_OK && !cut_by_us) return curl.strerror(code);
  return "";
}

}  // namespace

double asked_wait(const HttpAnswer& answer) {
  auto header = answer.headers.find("retry-after");
  if (header != answer.headers.end() && !header->second.empty() &&
      header->second.find_first_not_of("0123456789") == std::string::npos)
    return std::atof(header->second.c_str());
  header = answer.headers.find("ratelimit");
  if (header == answer.headers.end()) return -1;
  size_t at = header->second.find("t=");
  return at == std::string::npos ? -1 : std::atof(header->second.c_str() + at + 2);
}

HttpAnswer http_get(const HttpRequest& request) {
  double pause = request.patience;
  for (int round = 1;; ++round) {
    check_cancelled("http");
    Receiver receiver;
    receiver.begin = request.begin;
    receiver.wanted = request.length;
    receiver.limit = request.length > 0 ? request.length : request.limit_bytes;
    std::string problem = attempt(request, receiver);
    check_cancelled("http");
    int status = receiver.answer.status;
    bool passing = !problem.empty() || status == 408 || status == 429 || status == 500 ||
                   (status >= 502 && status <= 504);
    bool whole = request.length == 0 || receiver.answer.body.size() == request.length;
    if (problem.empty() && status / 100 == 2 && !whole) {
      problem = std::to_string(receiver.answer.body.size()) + " bytes of " +
                std::to_string(request.length);
      passing = true;
    }
    if (!passing) return std::move(receiver.answer);
    if (round >= request.tries || receiver.too_long) {
      fail_because(request.url,
                   problem.empty() ? "the server answers " + std::to_string(status) : problem,
                   round > 1 ? "tried " + std::to_string(round) + " times" : "");
    }
    double asked = problem.empty() ? asked_wait(receiver.answer) : -1;
    wait(asked >= 0 ? asked : pause);
    pause *= 2;
  }
}

}  // namespace rmkv
