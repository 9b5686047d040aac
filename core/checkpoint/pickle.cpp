// The stack machine: only data instructions, every size checked against what is left of the stream.
#include "core/checkpoint/pickle.h"

#include <bit>
#include <cstring>
#include <map>
#include <unordered_map>

#include "core/base/error.h"
#include "core/checkpoint/pickle_opcodes.h"

namespace rmkv {

namespace {

constexpr size_t kMaxStreamBytes = 64 << 20;
constexpr int64_t kMaxInstructions = 4'000'000;
constexpr size_t kMaxDimensions = 64;  // of a LibTorch tensor

const std::map<std::string, at::ScalarType> kStorages = {
    {"torch.FloatStorage", at::kFloat}, {"torch.DoubleStorage", at::kDouble},
    {"torch.HalfStorage", at::kHalf},   {"torch.BFloat16Storage", at::kBFloat16},
    {"torch.LongStorage", at::kLong},   {"torch.IntStorage", at::kInt},
    {"torch.ShortStorage", at::kShort}, {"torch.CharStorage", at::kChar},
    {"torch.ByteStorage", at::kByte},   {"torch.BoolStorage", at::kBool},
};

// The other names that may stand in a checkpoint.
enum class Builder { kOrderedDict, kTensor, kParameter, kPassArgument };
const std::map<std::string, Builder> kBuilders = {
    {"collections.OrderedDict", Builder::kOrderedDict},
    {"torch._utils._rebuild_tensor", Builder::kTensor},
    {"torch._utils._rebuild_tensor_v2", Builder::kTensor},
    {"torch._utils._rebuild_parameter", Builder::kParameter},
    {"torch.Size", Builder::kPassArgument},
    {"torch.device", Builder::kPassArgument},
};

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  Pickle run() {
    if (bytes_.size() > kMaxStreamBytes) {
      refuse(std::to_string(bytes_.size()) + " bytes of pickle", "at most 64 MiB");
    }
    for (int64_t count = 0; !stopped_; ++count) {
      if (count == kMaxInstructions) refuse("more than 4 million instructions", "fewer");
      step(byte());
    }
    if (stack_.size() != 1) refuse("a stream that ends with an odd stack", "one value");
    pickle_.root = stack_[0];
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void refuse(const std::string& got, const std::string& expected) const {
    fail(name_ + ": pickle byte " + std::to_string(place_), got, expected);
  }

  // --- the stream ---
  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - place_) refuse("a stream that is cut short", "more bytes");
    std::string_view piece = bytes_.substr(place_, count);
    place_ += count;
    return piece;
  }
  unsigned char byte() { return static_cast<unsigned char>(take(1)[0]); }
  uint64_t little_endian(int count) {
    uint64_t value = 0;
    std::string_view piece = take(static_cast<uint64_t>(count));
    for (int i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(piece[i]);
    return value;
  }
  std::string line() {
    size_t end = bytes_.find('\n', place_);
    if (end == std::string_view::npos) refuse("a line without end", "a newline");
    std::string text(take(end - place_));
    take(1);
    return text;
  }

  // --- the stack ---
  template <typename T>
  PickleNode* push(T value) {
    pickle_.nodes.push_back({std::move(value)});
    stack_.push_back(&pickle_.nodes.back());
    return stack_.back();
  }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  PickleNode* pop() {
    if (stack_.size() <= floor()) refuse("an instruction without its operand", "a value");
    PickleNode* node = stack_.back();
    stack_.pop_back();
    return node;
  }
  PickleNode* top() {
    PickleNode* node = pop();
    stack_.push_back(node);
    return node;
  }
  std::vector<const PickleNode*> pop_to_mark() {
    if (marks_.empty()) refuse("no mark", "a mark");
    std::vector<const PickleNode*> items(stack_.begin() + static_cast<ptrdiff_t>(marks_.back()),
                                         stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  template <typename T>
  T& as(PickleNode* node, const char* expected) {
    T* value = std::get_if<T>(&node->value);
    if (!value) refuse("another kind of value", expected);
    return *value;
  }
  template <typename T>
  const T& as(const PickleNode* node, const char* expected) const {
    const T* value = std::get_if<T>(&node->value);
    if (!value) refuse("another kind of value", expected);
    return *value;
  }

  void put(uint64_t slot) { memo_[slot] = top(); }
  void get(uint64_t slot) {
    auto found = memo_.find(slot);
    if (found == memo_.end()) refuse("memo " + std::to_string(slot), "one that was stored");
    stack_.push_back(found->second);
  }

  void tuple(int count) {
    std::vector<const PickleNode*> items(static_cast<size_t>(count));
    for (int i = count; i-- > 0;) items[static_cast<size_t>(i)] = pop();
    push(PickleList{std::move(items)});
  }
  void append(std::vector<const PickleNode*> items) {
    auto& list = as<PickleList>(top(), "a list");
    list.items.insert(list.items.end(), items.begin(), items.end());
  }
  void set_items(const std::vector<const PickleNode*>& items) {
    if (items.size() % 2 != 0) refuse("a key without value", "pairs");
    auto& dict = as<PickleDict>(top(), "a dictionary");
    for (size_t i = 0; i < items.size(); i += 2) dict.entries.emplace_back(items[i], items[i + 1]);
  }
  void long1() {
    int size = byte();
    if (size > 8) refuse("an integer of " + std::to_string(size) + " bytes", "at most 8");
    uint64_t value = little_endian(size);
    if (size > 0 && size < 8 && (value >> (8 * size - 1) & 1)) value |= ~uint64_t{0} << (8 * size);
    push(static_cast<int64_t>(value));
  }
  void bin_float() {
    uint64_t bits = 0;
    for (char c : take(8)) bits = bits << 8 | static_cast<unsigned char>(c);
    push(std::bit_cast<double>(bits));
  }

  // --- names ---
  void global(const std::string& module, const std::string& name) {
    std::string full = module + "." + name;
    if (!kStorages.count(full) && !kBuilders.count(full)) {
      fail(name_, "the name '" + full.substr(0, 200) + "' in a pickle",
           "only tensors and plain data; nothing a pickle names is ever run",
           "if you trust the file, save it again from Python as a dictionary of tensors");
    }
    push(PickledGlobal{std::move(full)});
  }
  int64_t integer(const PickleNode* node) const { return as<int64_t>(node, "an integer"); }
  std::vector<int64_t> integers(const PickleNode* node) const {
    std::vector<int64_t> values;
    for (const PickleNode* item : as<PickleList>(node, "a tuple").items) {
      values.push_back(integer(item));
      if (values.back() < 0) refuse("size or stride " + std::to_string(values.back()), "0 or more");
    }
    if (values.size() > kMaxDimensions) {
      refuse(std::to_string(values.size()) + " dimensions", "at most 64");
    }
    return values;
  }

  // ("storage", storage type, key, location, elements)
  void persistent_id() {
    const auto& id = as<PickleList>(pop(), "a persistent id").items;
    if (id.size() != 5 || as<std::string>(id[0], "a text") != "storage") {
      refuse("an unknown persistent id", "(\"storage\", type, key, location, elements)");
    }
    auto type = kStorages.find(as<PickledGlobal>(id[1], "a storage type").name);
    if (type == kStorages.end()) refuse("another type", "a storage type");
    int64_t elements = integer(id[4]);
    if (elements < 0) refuse(std::to_string(elements) + " elements", "0 or more");
    push(PickledStorage{as<std::string>(id[2], "a key"), type->second, elements});
  }

  PickledTensor tensor(const std::vector<const PickleNode*>& arguments) const {
    if (arguments.size() < 4)
      refuse("too few arguments of a tensor", "storage, offset, size, stride");
    PickledTensor tensor{as<PickledStorage>(arguments[0], "a storage"), integer(arguments[1]),
                         integers(arguments[2]), integers(arguments[3])};
    if (tensor.shape.size() != tensor.strides.size() || tensor.offset < 0) {
      refuse("sizes and strides that do not belong together", "one stride a dimension");
    }
    int64_t last = tensor.offset, count = 1;
    bool fits = true;
    for (size_t i = 0; i < tensor.shape.size(); ++i) {
      int64_t reach = 0;
      fits = fits && !__builtin_mul_overflow(count, tensor.shape[i], &count);
      if (tensor.shape[i] == 0) continue;
      fits = fits && !__builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &reach) &&
             !__builtin_add_overflow(last, reach, &last);
    }
    if (!fits || (count > 0 && last >= tensor.storage.elements)) {
      refuse("a tensor that reaches outside its storage", "a window inside it");
    }
    return tensor;
  }

  void reduce() {
    const auto arguments = as<PickleList>(pop(), "a tuple of arguments").items;
    auto builder = kBuilders.find(as<PickledGlobal>(pop(), "an allowed function").name);
    if (builder == kBuilders.end()) refuse("a storage type that is called", "an allowed function");
    switch (builder->second) {
      case Builder::kOrderedDict: {
        PickleDict dict;
        if (!arguments.empty()) {
          const auto& pairs = as<PickleList>(arguments[0], "a list of pairs").items;
          // One list may be made into dictionaries again and again by a few bytes each.
          copied_ += static_cast<int64_t>(pairs.size());
          if (copied_ > kMaxInstructions) refuse("more than 4 million copied items", "fewer");
          for (const PickleNode* pair : pairs) {
            const auto& items = as<PickleList>(pair, "a pair").items;
            if (items.size() != 2) refuse("an item of another length", "a pair");
            dict.entries.emplace_back(items[0], items[1]);
          }
        }
        push(std::move(dict));
        break;
      }
      case Builder::kTensor:
        push(tensor(arguments));
        break;
      case Builder::kParameter:
        if (arguments.empty()) refuse("a parameter without tensor", "a tensor");
        push(as<PickledTensor>(arguments[0], "a tensor"));
        break;
      case Builder::kPassArgument:
        if (arguments.empty()) refuse("no argument", "one");
        // The node itself, which is one of ours: copies of a large one would be cheap to ask for.
        stack_.push_back(const_cast<PickleNode*>(arguments[0]));
    }
  }

  // State of an object.  An OrderedDict's is its attributes (`_metadata`), which carry no data.
  void build() {
    pop();
    as<PickleDict>(top(), "a dictionary (no other object has a state here)");
  }

  void step(unsigned char opcode);

  std::string_view bytes_;
  const std::string& name_;
  size_t place_ = 0;
  int64_t copied_ = 0;  // items of lists that became dictionaries
  bool stopped_ = false;
  Pickle pickle_;
  std::vector<PickleNode*> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, PickleNode*> memo_;
};

void Machine::step(unsigned char opcode) {
  switch (opcode) {
    case kProto:
      if (int version = byte(); version < 2 || version > 5) {
        refuse("protocol " + std::to_string(version), "2 to 5");
      }
      break;
    case kFrame:
      little_endian(8);
      break;
    case kStop:
      stopped_ = true;
      break;
    case kMark:
      marks_.push_back(stack_.size());
      break;
    case kPop:
      // Python's POP takes a mark off when nothing stands above it.
      if (!marks_.empty() && stack_.size() == marks_.back())
        marks_.pop_back();
      else
        pop();
      break;
    case kPopMark:
      pop_to_mark();
      break;
    case kDup:
      stack_.push_back(top());
      break;
    case kNone:
      push(std::monostate{});
      break;
    case kNewTrue:
      push(true);
      break;
    case kNewFalse:
      push(false);
      break;
    case kBinInt:
      push(int64_t{static_cast<int32_t>(little_endian(4))});
      break;
    case kBinInt1:
      push(static_cast<int64_t>(little_endian(1)));
      break;
    case kBinInt2:
      push(static_cast<int64_t>(little_endian(2)));
      break;
    case kLong1:
      long1();
      break;
    case kBinFloat:
      bin_float();
      break;
    case kShortBinString:
    case kShortBinBytes:
    case kShortBinUnicode:
      push(std::string(take(little_endian(1))));
      break;
    case kBinString:
    case kBinBytes:
    case kBinUnicode:
      push(std::string(take(little_endian(4))));
      break;
    case kBinUnicode8:
    case kBinBytes8:
      push(std::string(take(little_endian(8))));
      break;
    case kEmptyList:
    case kEmptyTuple:
    case kEmptySet:
      push(PickleList{});
      break;
    case kEmptyDict:
      push(PickleDict{});
      break;
    case kTuple:
    case kList:
    case kFrozenSet:
      push(PickleList{pop_to_mark()});
      break;
    case kTuple1:
      tuple(1);
      break;
    case kTuple2:
      tuple(2);
      break;
    case kTuple3:
      tuple(3);
      break;
    case kAppend:
      append({pop()});
      break;
    case kAppends:
    case kAddItems:
      append(pop_to_mark());
      break;
    case kDict: {
      std::vector<const PickleNode*> items = pop_to_mark();
      push(PickleDict{});
      set_items(items);
      break;
    }
    case kSetItem: {
      const PickleNode* value = pop();
      const PickleNode* key = pop();
      set_items({key, value});
      break;
    }
    case kSetItems:
      set_items(pop_to_mark());
      break;
    case kGlobal: {
      std::string module = line();
      global(module, line());
      break;
    }
    case kStackGlobal: {
      const std::string name = as<std::string>(pop(), "a name");
      global(as<std::string>(pop(), "a module"), name);
      break;
    }
    case kBinPersid:
      persistent_id();
      break;
    case kReduce:
      reduce();
      break;
    case kBuild:
      build();
      break;
    case kBinPut:
      put(little_endian(1));
      break;
    case kLongBinPut:
      put(little_endian(4));
      break;
    case kMemoize:
      put(memo_.size());
      break;
    case kBinGet:
      get(little_endian(1));
      break;
    case kLongBinGet:
      get(little_endian(4));
      break;
    default:
      --place_;
      refuse("instruction " + std::to_string(opcode), "instructions that build plain data");
  }
}

}  // namespace

Pickle parse_pickle(std::string_view bytes, const std::string& name) {
  return Machine(bytes, name).run();
}

}  // namespace rmkv
