// Sockets.
#include "tests/data/hub_server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace rmkv::test {

namespace {

std::string header_of(const std::string& head, const std::string& name) {
  size_t at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  at += name.size() + 4;
  return head.substr(at, head.find("\r\n", at) - at);
}

std::string http(const std::string& status, const std::string& body,
                 const std::string& headers = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         headers + "Connection: close\r\n\r\n" + body;
}

}  // namespace

HubServer::HubServer(std::map<std::string, std::string> files) : files_(std::move(files)) {
  socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(socket_, reinterpret_cast<sockaddr*>(&address), size);
  ::listen(socket_, 64);
  ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

HubServer::~HubServer() {
  stopping_ = true;
  ::shutdown(socket_, SHUT_RDWR);
  thread_.join();
  ::close(socket_);
}

void HubServer::large_file(const std::string& name, const std::string& sha256) {
  std::lock_guard lock(mutex_);
  large_[name] = sha256;
}

void HubServer::move_to(const std::string& commit) {
  std::lock_guard lock(mutex_);
  commit_ = commit;
}

void HubServer::replace(const std::string& name, const std::string& content) {
  std::lock_guard lock(mutex_);
  files_[name] = content;
}

void HubServer::fail_next(std::vector<std::string> answers) {
  std::lock_guard lock(mutex_);
  failures_ = std::move(answers);
}

std::vector<ServerRequest> HubServer::requests() {
  std::lock_guard lock(mutex_);
  return requests_;
}

void HubServer::serve() {
  while (!stopping_) {
    int peer = ::accept(socket_, nullptr, nullptr);
    if (peer < 0) break;
    std::string head;
    char buffer[4096];
    while (head.find("\r\n\r\n") == std::string::npos) {
      ssize_t got = ::recv(peer, buffer, sizeof buffer, 0);
      if (got <= 0) break;
      head.append(buffer, static_cast<size_t>(got));
    }
    size_t begin = head.find(' ') + 1;
    ServerRequest request{head.substr(begin, head.find(' ', begin) - begin),
                          header_of(head, "Range"), header_of(head, "Authorization")};
    std::string reply = answer(request);
    for (size_t sent = 0; sent < reply.size();) {
      ssize_t done = ::send(peer, reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL);
      if (done <= 0) break;
      sent += static_cast<size_t>(done);
    }
    ::close(peer);
  }
}

std::string HubServer::answer(const ServerRequest& request) {
  std::lock_guard lock(mutex_);
  requests_.push_back(request);
  if (!failures_.empty()) {
    std::string first = failures_.front();
    failures_.erase(failures_.begin());
    return first;
  }
  const std::string& path = request.path;
  const std::string tree = "/api/datasets/owner/name/tree/" + commit_,
                    content = "/datasets/owner/name/resolve/" + commit_ + "/";
  if (path == "/api/datasets/owner/name/revision/main")
    return http("200 OK", "{\"sha\":\"" + commit_ + "\"}");
  if (path.compare(0, tree.size(), tree) == 0) {
    size_t mark = path.find("cursor="),
           first = mark == std::string::npos ? 0 : std::stoul(path.substr(mark + 7));
    std::string list, link;
    size_t number = 0;
    for (const auto& [name, bytes] : files_) {
      if (number >= first && number < first + page_size_) {
        list += (list.empty() ? "" : ",") + std::string("{\"type\":\"file\",\"path\":\"") + name +
                "\",\"size\":" + std::to_string(bytes.size()) + ",\"oid\":\"id" +
                std::to_string(number) + "\"";
        if (large_.count(name))
          list += ",\"lfs\":{\"oid\":\"" + large_[name] +
                  "\",\"size\":" + std::to_string(bytes.size()) + "}";
        list += "}";
      }
      ++number;
    }
    if (first + page_size_ < number)
      link = "Link: <" + url() + tree + "?cursor=" + std::to_string(first + page_size_) +
             ">; rel=\"next\"\r\n";
    return http("200 OK", "[" + list + "]", link);
  }
  if (path.compare(0, content.size(), content) == 0) {
    // Large files live elsewhere: one redirect, as to a CDN.
    const std::string name = path.substr(content.size());
    std::string linked;
    if (large_.count(name)) linked = "X-Linked-Etag: \"" + large_[name] + "\"\r\n";
    return http("302 Found", "", "Location: " + url() + "/cdn/" + name + "\r\n" + linked);
  }
  auto file = path.compare(0, 5, "/cdn/") == 0 ? files_.find(path.substr(5)) : files_.end();
  if (file == files_.end()) return http("404 Not Found", "no");
  if (request.range.empty() || ignore_ranges_) return http("200 OK", file->second);
  size_t begin = std::stoul(request.range.substr(6)), dash = request.range.find('-');
  size_t end = std::stoul(request.range.substr(dash + 1));
  return http("206 Partial Content", file->second.substr(begin, end - begin + 1));
}

}  // namespace rmkv::test
