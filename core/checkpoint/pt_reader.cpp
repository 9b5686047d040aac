// From the description in the pickle to windows into the archive.
#include "core/checkpoint/pt_reader.h"

#include <algorithm>
#include <cstring>

#include "core/base/error.h"
#include "core/checkpoint/pickle.h"
#include "core/checkpoint/zip_reader.h"
#include "core/tensor/torch.h"

namespace rmkv {

namespace {

// Shared nodes may be reached on many paths: a small file must not unfold into a huge tree.
constexpr int64_t kMaxVisits = 2'000'000;
constexpr int kMaxDepth = 64;
constexpr size_t kMaxPathBytes = 1 << 12;
// Tied weights are copied once a name; more than this many times the file's size is an attack.
constexpr uint64_t kMaxGrowth = 16;

class Reader {
 public:
  Reader(std::string_view bytes, const std::string& name, bool check_crc)
      : name_(name),
        entries_(read_stored_zip(bytes, name, check_crc)),
        budget_bytes_(kMaxGrowth * bytes.size()) {
    for (const auto& entry : entries_) {
      const std::string suffix = "/data.pkl";
      const std::string& path = entry.first;
      if (path.size() > suffix.size() && path.substr(path.size() - suffix.size()) == suffix) {
        if (!root_.empty()) fail(name_, "two pickles", "one data.pkl");
        root_ = path.substr(0, path.size() - suffix.size());
      }
    }
    if (root_.empty()) {
      fail(name_, "a zip archive without data.pkl", "a file written by torch.save");
    }
    auto order = entries_.find(root_ + "/byteorder");
    if (order != entries_.end() && order->second != "little") {
      fail(name_, "byte order '" + std::string(order->second) + "'", "little");
    }
  }

  PtContent read() {
    Pickle pickle = parse_pickle(entries_.at(root_ + "/data.pkl"), name_);
    PtContent file;
    Value rest = visit(*pickle.root, "", 0, file);
    if (rest.is_table()) file.rest = rest.as_table();
    return file;
  }

 private:
  // Collects tensors under their paths and returns what is plain.
  Value visit(const PickleNode& node, const std::string& path, int depth, PtContent& file) {
    if (++visits_ > kMaxVisits || depth > kMaxDepth || path.size() > kMaxPathBytes) {
      fail(name_, "a structure too deep or too large at '" + path.substr(0, 200) + "'",
           "a dictionary of tensors");
    }
    if (const auto* tensor = std::get_if<PickledTensor>(&node.value)) {
      if (!file.tensors.emplace(path, window(*tensor, path)).second) {
        fail(name_, "'" + path + "' twice", "each name once");
      }
      return {};
    }
    auto below = [&](const std::string& key) { return path.empty() ? key : path + "." + key; };
    if (const auto* dict = std::get_if<PickleDict>(&node.value)) {
      Table table;
      for (const auto& [key_node, value_node] : dict->entries) {
        std::string key = key_text(*key_node);
        Value value = visit(*value_node, below(key), depth + 1, file);
        if (!value.is_nil()) table[key] = std::move(value);
      }
      return table;
    }
    if (const auto* list = std::get_if<PickleList>(&node.value)) {
      List values;
      for (size_t i = 0; i < list->items.size(); ++i) {
        values.push_back(visit(*list->items[i], below(std::to_string(i)), depth + 1, file));
      }
      return values;
    }
    if (const auto* truth = std::get_if<bool>(&node.value)) return *truth;
    if (const auto* integer = std::get_if<int64_t>(&node.value)) return *integer;
    if (const auto* number = std::get_if<double>(&node.value)) return *number;
    if (const auto* text = std::get_if<std::string>(&node.value)) {
      spend(text->size(), name_);
      return *text;
    }
    return {};
  }

  // Counts what is copied out of the file.
  void spend(uint64_t bytes, const std::string& where) {
    if (bytes > budget_bytes_) {
      fail(where, "content many times larger than the file", "each part of it used a few times");
    }
    budget_bytes_ -= bytes;
  }

  std::string key_text(const PickleNode& node) const {
    if (const auto* text = std::get_if<std::string>(&node.value)) return *text;
    if (const auto* integer = std::get_if<int64_t>(&node.value)) return std::to_string(*integer);
    fail(name_, "a dictionary key that is no text or integer", "one of them");
  }

  PtWindow window(const PickledTensor& tensor, const std::string& path) {
    const std::string where = name_ + ": '" + path + "'";
    auto entry = entries_.find(root_ + "/data/" + tensor.storage.key);
    if (entry == entries_.end()) fail(where, "no storage '" + tensor.storage.key + "'", "one");
    const uint64_t item = at::elementSize(tensor.storage.dtype);
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(item, static_cast<uint64_t>(tensor.storage.elements), &bytes) ||
        bytes != entry->second.size()) {
      fail(where, "a storage of " + std::to_string(entry->second.size()) + " bytes",
           std::to_string(tensor.storage.elements) + " elements of " +
               dtype_name(tensor.storage.dtype));
    }
    PtWindow window{tensor.storage.dtype, entry->second, tensor.offset, tensor.shape,
                    tensor.strides};
    uint64_t copied = 0;
    if (__builtin_mul_overflow(window.count(), item, &copied)) copied = budget_bytes_ + 1;
    // A window with gaps is copied out of a copy of its storage.
    if (!window.is_contiguous()) copied = std::max(copied, bytes);
    spend(copied, where);
    return window;
  }

  std::string name_;
  std::map<std::string, std::string_view> entries_;
  std::string root_;
  uint64_t budget_bytes_;
  int64_t visits_ = 0;
};

}  // namespace

bool PtWindow::is_contiguous() const {
  int64_t expected = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

uint64_t PtWindow::count() const {
  uint64_t product = 1;
  for (const int64_t size : shape) product *= static_cast<uint64_t>(size);
  return product;  // the pickle's reader has checked that it fits
}

Tensor PtWindow::copied() const {
  // The archive may place a storage at any byte: it is copied before it is read as numbers.
  const at::TensorOptions options(dtype);
  const uint64_t item = at::elementSize(dtype);
  if (is_contiguous() || count() == 0) {
    Tensor result = at::empty(shape, options);
    if (count() == 0) return result;
    const uint64_t first = static_cast<uint64_t>(offset) * item;
    std::memcpy(result.mutable_data_ptr(), storage.data() + first, count() * item);
    return result;
  }
  Tensor whole = at::empty({static_cast<int64_t>(storage.size() / item)}, options);
  std::memcpy(whole.mutable_data_ptr(), storage.data(), storage.size());
  return whole.as_strided(shape, strides, offset).contiguous();
}

PtContent describe_pt(std::string_view bytes, const std::string& name, bool check_crc) {
  if (bytes.size() >= 2 && bytes.substr(0, 2) == "\x80\x02") {
    fail(name, "the format of torch.save before version 1.6 (a bare pickle stream)",
         "the zip format",
         "load it in Python and save it again: torch.save(torch.load(path), path)");
  }
  if (bytes.substr(0, 2) != "PK") fail(name, "no zip archive", "a file written by torch.save");
  return Reader(bytes, name, check_crc).read();
}

}  // namespace rmkv
