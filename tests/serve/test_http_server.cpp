// The HTTP endpoint, spoken to by cpp-httplib's client on this machine.
#include <httplib.h>

#include <future>
#include <thread>

#include "core/base/error.h"
#include "core/serve/http_server.h"
#include "tests/catch.h"

using namespace rmkv;
using Catch::Matchers::Contains;

namespace {

ServerOptions any_port() {
  ServerOptions options;
  options.port = 0;
  return options;
}

httplib::Client client_of(const HttpServer& server) {
  return httplib::Client("127.0.0.1", static_cast<int>(server.port()));
}

// The next request; the test fails when none comes.
std::unique_ptr<HttpExchange> taken(HttpServer& server) {
  auto exchange = server.next(10);
  REQUIRE(exchange);
  return exchange;
}

}  // namespace

TEST_CASE("a request reaches the consumer and its answer the client", "[serve]") {
  HttpServer server(any_port());
  auto result = std::async(std::launch::async, [&] {
    return client_of(server).Post("/v1/echo", {{"Authorization", "Bearer x"}}, "{\"a\":1}",
                                  "application/json");
  });
  auto exchange = taken(server);
  CHECK(exchange->request().method == "POST");
  CHECK(exchange->request().path == "/v1/echo");
  CHECK(exchange->request().body == "{\"a\":1}");
  CHECK(exchange->request().authorization == "Bearer x");
  exchange->answer(418, "{\"b\":2}");
  auto answer = result.get();
  REQUIRE(answer);
  CHECK(answer->status == 418);
  CHECK(answer->body == "{\"b\":2}");
  CHECK(answer->get_header_value("Content-Type") == "application/json");
}

TEST_CASE("pieces reach the client while the answer goes on", "[serve]") {
  HttpServer server(any_port());
  std::promise<void> first_seen;
  std::string all;
  auto result = std::async(std::launch::async, [&] {
    return client_of(server).Get("/stream", [&](const char* data, size_t size) {
      if (all.empty()) first_seen.set_value();
      all.append(data, size);
      return true;
    });
  });
  auto exchange = taken(server);
  exchange->begin("text/event-stream");
  CHECK(exchange->write("one "));
  // The second piece is not written before the first has arrived.
  REQUIRE(first_seen.get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  CHECK(exchange->write("two"));
  exchange->finish();
  auto answer = result.get();
  REQUIRE(answer);
  CHECK(answer->status == 200);
  CHECK(all == "one two");
  CHECK_FALSE(exchange->gone());
}

TEST_CASE("a client that leaves is noticed", "[serve]") {
  HttpServer server(any_port());
  auto result = std::async(std::launch::async, [&] {
    return client_of(server).Get("/stream", [](const char*, size_t) { return false; });
  });
  auto exchange = taken(server);
  exchange->begin("text/event-stream");
  REQUIRE(exchange->write("x"));
  for (int i = 0; i < 1000 && !exchange->gone(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(exchange->gone());
  CHECK_FALSE(exchange->write("y"));
  CHECK_FALSE(result.get());
}

TEST_CASE("pages are answered while the consumer is busy", "[serve]") {
  ServerOptions options = any_port();
  options.pages["/health"] = "{\"status\":\"ok\"}";
  HttpServer server(options);
  auto answer = client_of(server).Get("/health");
  REQUIRE(answer);
  CHECK(answer->body == "{\"status\":\"ok\"}");
  CHECK(server.next(0) == nullptr);
}

TEST_CASE("what cannot be taken is refused", "[serve]") {
  ServerOptions options = any_port();
  options.max_waiting = 1;
  options.max_body_bytes = 100;
  HttpServer server(options);
  auto large = client_of(server).Post("/", std::string(101, 'x'), "text/plain");
  REQUIRE(large);
  CHECK(large->status == 413);
  // Nobody takes the first one: it waits, and its client gives up.
  httplib::Client impatient = client_of(server);
  impatient.set_read_timeout(0, 200'000);
  CHECK_FALSE(impatient.Get("/1"));
  auto second = client_of(server).Get("/2");
  REQUIRE(second);
  CHECK(second->status == 503);
  CHECK(second->get_header_value("Retry-After") == "1");
  CHECK(taken(server)->request().path == "/1");
}

TEST_CASE("a request that is given up is answered 500, one at the server's end 503", "[serve]") {
  auto server = std::make_unique<HttpServer>(any_port());
  auto first = std::async(std::launch::async, [&] { return client_of(*server).Get("/1"); });
  taken(*server).reset();
  auto given_up = first.get();
  REQUIRE(given_up);
  CHECK(given_up->status == 500);

  auto waiting = std::async(std::launch::async, [port = server->port()] {
    return httplib::Client("127.0.0.1", static_cast<int>(port)).Get("/2");
  });
  auto exchange = taken(*server);
  auto streamed = std::async(std::launch::async, [port = server->port()] {
    return httplib::Client("127.0.0.1", static_cast<int>(port)).Get("/3");
  });
  auto stream = taken(*server);
  stream->begin("text/event-stream");
  server.reset();
  CHECK(waiting.get()->status == 503);
  CHECK(stream->gone());
  CHECK_FALSE(stream->write("x"));
  streamed.wait();
}

TEST_CASE("a port that is taken is an error", "[serve]") {
  HttpServer server(any_port());
  ServerOptions same = any_port();
  same.port = server.port();
  CHECK_THROWS_WITH(HttpServer(same), Contains("cannot listen"));
}

TEST_CASE("options of a server are a closed table", "[serve]") {
  const ServerOptions options = ServerOptions::from_table(
      Table{{"port", 0}, {"pages", Table{{"/health", "{}"}}}, {"max_waiting", 3}}, "listen");
  CHECK(options.port == 0);
  CHECK(options.max_waiting == 3);
  CHECK(options.pages.at("/health") == "{}");
  CHECK_THROWS_WITH(ServerOptions::from_table(Table{{"prot", 1}}, "listen"), Contains("port"));
  CHECK_THROWS_WITH(ServerOptions::from_table(Table{{"port", 70000}}, "listen"), Contains("65535"));
}
