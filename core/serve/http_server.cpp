// Connections wait in threads of their own; one queue leads to the consumer.
#include "core/serve/http_server.h"

#include <httplib.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/error.h"
#include "core/base/option_reader.h"

namespace rmkv {

namespace {

// How long a connection waits for text before it looks whether its client is still there.
constexpr std::chrono::milliseconds kLook{100};
// Threads beside those of waiting requests, for pages and refusals.
constexpr int64_t kSpareThreads = 4;

std::string error_body(const std::string& message, const std::string& type) {
  return "{\"error\":{\"message\":\"" + message + "\",\"type\":\"" + type + "\"}}";
}

}  // namespace

ServerOptions ServerOptions::from_table(const Table& table, const std::string& where) {
  ServerOptions options;
  OptionReader reader(table, where);
  reader.read("host", options.host);
  reader.read("port", options.port, 0, 65535);
  reader.read("max_waiting", options.max_waiting, 1, 1024);
  reader.read("max_body_bytes", options.max_body_bytes, 1, int64_t{1} << 30);
  if (const Value* pages = reader.take("pages")) {
    if (!pages->is_table()) fail(where + ".pages", pages->type_name(), "a table");
    for (const auto& [path, body] : pages->as_table()) options.pages[path] = body.as_string();
  }
  reader.finish();
  return options;
}

struct HttpExchange::Channel {
  enum class Phase { kWaiting, kWhole, kPieces, kEnded };

  HttpRequest request;
  mutable std::mutex mutex;  // guards all below
  std::condition_variable changed;
  Phase phase = Phase::kWaiting;
  int64_t status = 200;
  std::string type;
  std::string text;  // the whole answer, or pieces that are not sent yet
  bool gone = false;

  // --- the consumer's side ---
  void answer(int64_t code, const std::string& body, const std::string& body_type) {
    std::lock_guard lock(mutex);
    if (phase != Phase::kWaiting) return;
    phase = Phase::kWhole;
    status = code;
    text = body;
    type = body_type;
    changed.notify_all();
  }

  void leave() {
    std::lock_guard lock(mutex);
    gone = true;
    changed.notify_all();
  }

  // --- the connection's side ---
  void wait_for_answer() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return phase != Phase::kWaiting; });
  }

  // Sends what there is; false ends the connection.
  bool send(httplib::DataSink& sink) {
    std::string piece;
    bool ended;
    {
      std::unique_lock lock(mutex);
      changed.wait_for(lock, kLook,
                       [this] { return !text.empty() || phase == Phase::kEnded || gone; });
      if (gone) return false;
      piece.swap(text);
      ended = phase == Phase::kEnded;
    }
    if (!piece.empty() ? !sink.write(piece.data(), piece.size()) : !sink.is_writable()) {
      leave();
      return false;
    }
    if (ended) sink.done();
    return true;
  }
};

HttpExchange::HttpExchange(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}

HttpExchange::~HttpExchange() {
  channel_->answer(500, error_body("the request was given up", "server_error"), "application/json");
  finish();
}

const HttpRequest& HttpExchange::request() const {
  return channel_->request;
}

void HttpExchange::answer(int64_t status, const std::string& body, const std::string& type) {
  channel_->answer(status, body, type);
}

void HttpExchange::begin(const std::string& type) {
  std::lock_guard lock(channel_->mutex);
  if (channel_->phase != Channel::Phase::kWaiting) return;
  channel_->phase = Channel::Phase::kPieces;
  channel_->type = type;
  channel_->changed.notify_all();
}

bool HttpExchange::write(std::string_view piece) {
  std::lock_guard lock(channel_->mutex);
  if (channel_->phase != Channel::Phase::kPieces) {
    fail("HttpExchange::write", "a piece outside of an answer in pieces", "begin() before it");
  }
  if (channel_->gone) return false;
  channel_->text += piece;
  channel_->changed.notify_all();
  return true;
}

void HttpExchange::finish() {
  std::lock_guard lock(channel_->mutex);
  if (channel_->phase == Channel::Phase::kPieces) channel_->phase = Channel::Phase::kEnded;
  channel_->changed.notify_all();
}

bool HttpExchange::gone() const {
  std::lock_guard lock(channel_->mutex);
  return channel_->gone;
}

struct HttpServer::State {
  using Channel = HttpExchange::Channel;

  explicit State(ServerOptions given) : options(std::move(given)) {}

  const ServerOptions options;
  httplib::Server server;
  int port = 0;
  std::thread listener;
  std::atomic<bool> ended{false};  // the listener's loop
  std::mutex mutex;                // guards all below
  std::condition_variable arrived;
  std::deque<std::shared_ptr<Channel>> queue;
  std::vector<std::weak_ptr<Channel>> open;  // everything not yet answered or sent
  bool closed = false;

  // On a connection's thread, which waits here for the answer.
  void handle(const httplib::Request& in, httplib::Response& out) {
    auto channel = std::make_shared<Channel>();
    channel->request = {in.method, in.path, in.body, in.get_header_value("Authorization")};
    {
      std::lock_guard lock(mutex);
      if (closed || queue.size() >= static_cast<size_t>(options.max_waiting)) {
        out.status = 503;
        out.set_header("Retry-After", "1");
        out.set_content(error_body("too many requests are waiting", "overloaded"),
                        "application/json");
        return;
      }
      queue.push_back(channel);
      std::erase_if(open, [](const std::weak_ptr<Channel>& entry) { return entry.expired(); });
      open.push_back(channel);
    }
    arrived.notify_one();
    channel->wait_for_answer();
    std::lock_guard lock(channel->mutex);
    if (channel->phase == Channel::Phase::kWhole) {
      out.status = static_cast<int>(channel->status);
      out.set_content(channel->text, channel->type);
      return;
    }
    out.set_chunked_content_provider(
        channel->type, [channel](size_t, httplib::DataSink& sink) { return channel->send(sink); },
        [channel](bool sent) {
          if (!sent) channel->leave();
        });
  }

  void listen() {
    const auto count = static_cast<size_t>(options.max_waiting + kSpareThreads);
    server.new_task_queue = [count] { return new httplib::ThreadPool(count); };
    server.set_payload_max_length(static_cast<size_t>(options.max_body_bytes));
    // A thread serves one request, so that no idle connection holds one.
    server.set_keep_alive_max_count(1);
    // Not the library's SO_REUSEPORT, with which two servers share a port unnoticed.
    server.set_socket_options([](socket_t socket) {
      int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    server.set_pre_routing_handler([this](const httplib::Request& in, httplib::Response& out) {
      auto page = options.pages.find(in.path);
      if (in.method != "GET" || page == options.pages.end())
        return httplib::Server::HandlerResponse::Unhandled;
      out.set_content(page->second, "application/json");
      return httplib::Server::HandlerResponse::Handled;
    });
    auto handler = [this](const httplib::Request& in, httplib::Response& out) { handle(in, out); };
    server.Get(".*", handler);
    server.Post(".*", handler);
    errno = 0;
    port = options.port == 0 ? server.bind_to_any_port(options.host)
           : server.bind_to_port(options.host, static_cast<int>(options.port))
               ? static_cast<int>(options.port)
               : -1;
    if (port <= 0) {
      fail_because(options.host + ":" + std::to_string(options.port),
                   std::string("cannot listen: ") + std::strerror(errno ? errno : EADDRNOTAVAIL),
                   "another program may have the port; 0 takes any free one");
    }
    // Signals are for the program's own thread.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    listener = std::thread([this] {
      server.listen_after_bind();
      ended = true;
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void close() {
    {
      std::lock_guard lock(mutex);
      closed = true;
      queue.clear();
      for (const std::weak_ptr<Channel>& entry : open) {
        if (auto channel = entry.lock()) {
          channel->answer(503, error_body("the server was stopped", "server_error"),
                          "application/json");
          channel->leave();
        }
      }
    }
    if (!listener.joinable()) return;
    // stop() does nothing to a server that does not run yet.
    while (!server.is_running() && !ended) std::this_thread::yield();
    server.stop();
    listener.join();
  }
};

HttpServer::HttpServer(ServerOptions options)
    : state_(std::make_unique<State>(std::move(options))) {
  state_->listen();
}

HttpServer::~HttpServer() {
  state_->close();
}

int64_t HttpServer::port() const {
  return state_->port;
}

std::unique_ptr<HttpExchange> HttpServer::next(double seconds) {
  std::unique_lock lock(state_->mutex);
  state_->arrived.wait_for(lock, std::chrono::duration<double>(seconds),
                           [this] { return !state_->queue.empty(); });
  if (state_->queue.empty()) return nullptr;
  auto channel = std::move(state_->queue.front());
  state_->queue.pop_front();
  return std::make_unique<HttpExchange>(std::move(channel));
}

}  // namespace rmkv
