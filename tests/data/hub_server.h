// A small HTTP server on this machine that speaks the hub's endpoints, with faults on demand.
//
// One request a connection, one thread.  Nothing else than what the tests ask for.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace rmkv::test {

struct ServerRequest {
  std::string path;   // with the query
  std::string range;  // of the header, "bytes=0-9"
  std::string authorization;
};

class HubServer {
 public:
  // Serves repository "owner/name", first at commit "c0ffee": files by path.
  explicit HubServer(std::map<std::string, std::string> files);
  ~HubServer();

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // Answers before the real one: a whole HTTP answer, or "" to close the connection at once.
  void fail_next(std::vector<std::string> answers);
  void page_size(size_t files) { page_size_ = files; }
  // Lists files with this SHA-256, as the hub does with large ones, and names it when it redirects.
  void large_file(const std::string& name, const std::string& sha256);
  // What `main` means from here on, and a file as it is there.
  void move_to(const std::string& commit);
  void replace(const std::string& name, const std::string& content);
  // Ignores ranges, as a bad proxy does.
  void ignore_ranges(bool on) { ignore_ranges_ = on; }
  std::vector<ServerRequest> requests();

 private:
  void serve();
  std::string answer(const ServerRequest& request);

  std::map<std::string, std::string> files_, large_;
  std::string commit_ = "c0ffee";
  std::vector<std::string> failures_;
  std::vector<ServerRequest> requests_;
  std::atomic<size_t> page_size_{1000};
  std::atomic<bool> ignore_ranges_{false}, stopping_{false};
  std::mutex mutex_;
  int socket_ = -1, port_ = 0;
  std::thread thread_;
};

}  // namespace rmkv::test
