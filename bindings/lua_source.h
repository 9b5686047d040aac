// A source of documents written in Lua: a file that returns a table with `document(index, seed,
// options)`.
//
//   return { document = function(index, seed, options) return text [, spans] end, count = n or nil,
//   defaults = {…} }
//
// `document` must be a pure function of its arguments: it runs on many threads at once, in Lua
// states of their own, any number of times.  `spans` = { {first, last [, weight]}, … } are byte
// positions (from 1, both included) whose loss counts `weight` times; 0, the default: read but not
// trained.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bindings/host.h"
#include "core/data/source.h"

namespace rmkv::lua {

class LuaSource : public DocumentSource {
 public:
  // Loads the file once to check it and to read `count`; throws when it is no source.  `options`
  // replace the file's `defaults`, whose keys are the valid ones.
  LuaSource(std::string name, std::string path, std::string root, int64_t seed,
            const Table& options);
  ~LuaSource() override;

  std::string name() const override { return name_; }
  uint64_t document_count() const override { return count_; }
  Document document(uint64_t index) const override;
  Table manifest() const override;

 private:
  // A Lua state with the source loaded.
  struct Worker;
  std::unique_ptr<Worker> take() const;

  std::string name_;
  std::string path_;
  std::string root_;
  int64_t seed_;
  Table options_;
  uint64_t count_ = kUnlimited;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Worker>> idle_;
  std::vector<std::string> files_;  // the file and the modules it required
};

}  // namespace rmkv::lua
