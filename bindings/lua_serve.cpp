// Module rmkv.serve: an HTTP endpoint whose requests a recipe answers one by one.
#include <algorithm>

#include "bindings/bind.h"
#include "bindings/modules.h"
#include "core/base/cancel.h"
#include "core/base/clock.h"
#include "core/serve/http_server.h"

namespace rmkv::lua {

template <>
const Class& class_of<HttpServer>() {
  static const Class type{"Server", "an HTTP endpoint; requests wait until they are taken"};
  return type;
}

template <>
const Class& class_of<HttpExchange>() {
  static const Class type{"Exchange", "a request and the answer to it"};
  return type;
}

namespace {

int listen(Call& c) {
  return c.push_object(
      std::make_shared<HttpServer>(ServerOptions::from_table(c.table(1), c.function.name)));
}

int port(Call& c) {
  return c.push(c.object<HttpServer>(1).port());
}

// Waits in short pieces so that Ctrl-C ends it.
int next(Call& c) {
  auto& server = c.object<HttpServer>(1);
  const double until = monotonic_seconds() + c.number(2, HUGE_VAL);
  for (;;) {
    check_cancelled("Server:next");
    const double left = until - monotonic_seconds();
    if (auto exchange = server.next(std::clamp(left, 0.0, 0.05))) {
      return c.push_object(std::shared_ptr<HttpExchange>(std::move(exchange)));
    }
    if (left <= 0) return c.absent("no request came");
  }
}

int request(Call& c) {
  const HttpRequest& request = c.object<HttpExchange>(1).request();
  return c.push(Value(Table{{"method", request.method},
                            {"path", request.path},
                            {"body", request.body},
                            {"authorization", request.authorization}}));
}

int answer(Call& c) {
  c.object<HttpExchange>(1).answer(c.integer(2), c.string(3), c.string(4, "application/json"));
  return 0;
}

int begin(Call& c) {
  c.object<HttpExchange>(1).begin(c.string(2, "application/json"));
  return 0;
}

int write(Call& c) {
  return c.push(c.object<HttpExchange>(1).write(c.text(2)));
}

int finish(Call& c) {
  c.object<HttpExchange>(1).finish();
  return 0;
}

int gone(Call& c) {
  return c.push(c.object<HttpExchange>(1).gone());
}

}  // namespace

Module serve_module() {
  const double none = -HUGE_VAL, all = HUGE_VAL;
  const Field type{"type", "string?", "of the body", "\"application/json\""};
  return {.name = "rmkv.serve",
          .doc = "an HTTP endpoint whose requests a recipe answers",
          .functions =
              {
                  {.name = "rmkv.serve.listen",
                   .doc = "Listens for requests from here on.",
                   .args = {{"options",
                             "options?",
                             "",
                             "",
                             none,
                             all,
                             "",
                             {{"host", "string?", "the address to listen at", "\"127.0.0.1\""},
                              {"port", "integer?", "0: any free one", "8080", 0, 65535},
                              {"max_waiting", "integer?", "requests beyond these are answered 503",
                               "32", 1, 1024},
                              {"max_body_bytes", "integer?", "larger requests are answered 413",
                               "4194304", 1, 1073741824, "bytes"},
                              {"pages", "table?", "path = JSON text, answered at once to GET"}}}},
                   .returns = {{"", "Server", ""}},
                   .call = listen,
                   .errors = "when the address is taken or not this machine's"},
                  {.name = "Server:port",
                   .doc = "Returns the port.",
                   .args = {},
                   .returns = {{"", "integer", ""}},
                   .call = port},
                  {.name = "Server:next",
                   .doc = "Waits for the next request.",
                   .args = {{"timeout", "number?", "", "forever", 0, all, "seconds"}},
                   .returns = {{"", "Exchange?", ""}, {"message", "string?", ""}},
                   .call = next,
                   .errors = "on Ctrl-C"},
                  {.name = "Exchange:request",
                   .doc = "Returns what was asked.",
                   .args = {},
                   .returns = {{"", "table", "method, path, body, authorization"}},
                   .call = request},
                  {.name = "Exchange:answer",
                   .doc = "Answers at once.",
                   .args = {{"status", "integer", "of HTTP", "", 200, 599},
                            {"body", "string", ""},
                            type},
                   .returns = {},
                   .call = answer},
                  {.name = "Exchange:begin",
                   .doc = "Opens an answer in pieces, with status 200.",
                   .args = {type},
                   .returns = {},
                   .call = begin},
                  {.name = "Exchange:write",
                   .doc = "Adds a piece to the answer.",
                   .args = {{"piece", "string", ""}},
                   .returns = {{"", "boolean", "false when the client has gone"}},
                   .call = write,
                   .errors = "before begin() and after finish()"},
                  {.name = "Exchange:finish",
                   .doc = "Ends an answer in pieces.",
                   .args = {},
                   .returns = {},
                   .call = finish},
                  {.name = "Exchange:gone",
                   .doc = "Tells whether the client has gone; known from begin() on.",
                   .args = {},
                   .returns = {{"", "boolean", ""}},
                   .call = gone},
              },
          .classes = {&class_of<HttpServer>(), &class_of<HttpExchange>()}};
}

}  // namespace rmkv::lua
