// HTTP requests with ranges and patience, through libcurl, which is opened when it is first needed.
//
// Not a general client: GET only, whole answers in memory up to a limit.  Retries what may pass
// (408, 429, 500, 502 to 504, broken connections) and waits as long as the server asks.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace rmkv {

struct HttpRequest {
  std::string url;
  std::string token;               // sent as a bearer token, never to another host after a redirect
  uint64_t begin = 0, length = 0;  // a range of the content; length 0: all of it
  uint64_t limit_bytes = uint64_t{64} << 20;  // of the answer
  int tries = 6;
  double patience = 1;  // seconds before the first retry; doubled each time
};

struct HttpAnswer {
  int status = 0;
  // Names in lower case, of the last answer; x-linked-etag, by which the hub names a file's
  // content, also of those that redirected to it.
  std::map<std::string, std::string> headers;
  std::string body;
};

// Throws when no answer comes; an answer such as 404 is returned.  Polls cancellation.
HttpAnswer http_get(const HttpRequest& request);

// The seconds an answer asks to wait: Retry-After, or t= in RateLimit (hub-docs, rate limits); -1.
double asked_wait(const HttpAnswer& answer);

}  // namespace rmkv
