// A small HTTP endpoint: its threads take requests off the network and hand them, one after the
// other, to the one consumer that answers them.
//
// The network is cpp-httplib's.  Not here: what a request means (recipes/serve.lua), models, TLS.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/value.h"

namespace rmkv {

struct ServerOptions {
  std::string host = "127.0.0.1";  // this machine alone
  int64_t port = 8080;             // 0: any free one
  int64_t max_waiting = 32;        // a request beyond these is answered 503 at once
  int64_t max_body_bytes = 4 << 20;
  std::map<std::string, std::string> pages;  // path -> JSON, answered to GET without the consumer

  // Reads a closed table with the names above.
  static ServerOptions from_table(const Table& table, const std::string& where);
};

struct HttpRequest {
  std::string method, path, body;
  std::string authorization;  // the header of this name; empty without one
};

// One request in the hands of the consumer.  Destroyed without an answer, it is answered 500; in
// the middle of one, the answer ends there.  One thread at a time.
class HttpExchange {
 public:
  struct Channel;  // what is shared with the connection's thread
  explicit HttpExchange(std::shared_ptr<Channel> channel);
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;

  const HttpRequest& request() const;
  // A whole answer, from start to end.
  void answer(int64_t status, const std::string& body,
              const std::string& type = "application/json");
  // An answer in pieces, with status 200: opens it, adds to it, ends it.
  void begin(const std::string& type);
  // False when the client has gone: there is no use in going on.
  bool write(std::string_view piece);
  void finish();
  // Whether the client has gone or the server was closed; known from begin() on, within a tenth of
  // a second.
  bool gone() const;

 private:
  std::shared_ptr<Channel> channel_;
};

class HttpServer {
 public:
  // Listens from here on.  Throws when the address cannot be had.
  explicit HttpServer(ServerOptions options);
  // Ends all connections.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;

  int64_t port() const;
  // The next request, nullptr when none came within `seconds`.
  std::unique_ptr<HttpExchange> next(double seconds);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rmkv
