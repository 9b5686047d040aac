// Reads a closed set of options from a Table into the fields of a struct.
//
// Usage:
//   OptionReader reader(table, "optim.adamw");
//   reader.read("lr", options.lr, 0.0, 1.0);
//   reader.finish();            // throws when a key is left over, naming the nearest valid one
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/base/value.h"

namespace rmkv {

class OptionReader {
 public:
  // `where` opens every message.  The table must outlive the reader.
  OptionReader(const Table& table, std::string where);

  // Each returns true when the key was present; an absent key leaves `field` alone.  A wrong type
  // or a value outside [low, high] throws.
  bool read(const std::string& key, bool& field);
  bool read(const std::string& key, int64_t& field, int64_t low = INT64_MIN,
            int64_t high = INT64_MAX);
  bool read(const std::string& key, double& field, double low = -1e308, double high = 1e308);
  bool read(const std::string& key, std::string& field);
  // One of `choices`; an unknown one is an error that names the nearest.
  bool read(const std::string& key, std::string& field, const std::vector<std::string>& choices);
  bool read(const std::string& key, std::vector<int64_t>& field);
  bool read(const std::string& key, std::vector<double>& field);
  bool read(const std::string& key, std::vector<std::string>& field);
  // A nested table or any value, to be read by somebody else; nullptr when absent.
  const Value* take(const std::string& key);

  // Throws when the table holds a key that was never read.
  void finish() const;

  const std::string& where() const { return where_; }

 private:
  const Value* lookup(const std::string& key);

  const Table& table_;
  std::string where_;
  std::set<std::string> known_;
};

}  // namespace rmkv
