// One table of what every variant reaches: run `test_models "[table]"` to see it.
//
// The tests of this folder hold each number to its limit; this one prints how far below it is.
#include <cstdio>
#include <sstream>

#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/variants.h"

using namespace rmkv;
using namespace variants;

namespace {

constexpr uint64_t kSeed = 77;
constexpr int64_t kCount = 4 * kSegment;

struct Reached {
  double causality, rows, memory, reload;
};

Reached measure(const Table& config, at::ScalarType dtype) {
  const auto model = make_model(config, kSeed, dtype);
  const Tensor tokens = random_tokens(2, kCount, kSeed);
  Reached reached{};
  State whole = model->initial_state(2), stepped = model->initial_state(2);
  const Tensor a = run_in_pieces(*model, tokens, whole, {kCount}, dtype);
  const Tensor b = run_in_pieces(*model, tokens, stepped, {1}, dtype);
  reached.rows = difference(a, b);
  for (const auto& name : model->memory_names(whole)) {
    reached.memory = std::max(reached.memory, difference(whole.get(name), stepped.get(name)));
  }
  for (int64_t place = 1; place < kCount; place += 5) {
    Tensor changed = tokens.clone();
    changed.select(1, place).add_(1).remainder_(kVocabulary);
    State state = model->initial_state(2);
    const Tensor c = run_in_pieces(*model, changed, state, {kCount}, dtype);
    reached.causality =
        std::max(reached.causality, difference(a.narrow(1, 0, place), c.narrow(1, 0, place)));
  }
  State going = model->initial_state(2);
  run_in_pieces(*model, tokens.narrow(1, 0, kSegment + 2), going, {1}, dtype);
  State copy;
  for (const auto& [name, value] : going.counters()) copy.set_counter(name, value);
  for (const auto& [name, tensor] : going.tensors()) copy.set(name, tensor.clone());
  const Tensor rest = tokens.narrow(1, kSegment + 2, kSegment);
  reached.reload = difference(run_in_pieces(*model, rest, going, {1}, dtype),
                              run_in_pieces(*model, rest, copy, {1}, dtype));
  return reached;
}

}  // namespace

TEST_CASE("tolerances reached by every variant", "[table]") {
  std::ostringstream table;
  char line[200];
  std::snprintf(line, sizeof line, "%-42s %-5s %10s %10s %10s %10s\n", "variant", "dtype",
                "causality", "rows", "memory", "reload");
  table
      << "\nlargest differences: a later token changed; parallel against recurrent; after reload\n"
      << line;
  for (const Variant& variant : all_variants()) {
    for (const auto dtype : {at::kDouble, at::kFloat}) {
      const Reached r = measure(variant.config, dtype);
      std::snprintf(line, sizeof line, "%-42s %-5s %10.1e %10.1e %10.1e %10.1e\n",
                    variant.name.c_str(), dtype_name(dtype).c_str(), r.causality, r.rows, r.memory,
                    r.reload);
      table << line;
      CHECK(r.causality == 0.0);
      CHECK(r.reload == 0.0);
      CHECK(r.rows < (dtype == at::kDouble ? 1e-10 : 2e-5));
      CHECK(r.memory < (dtype == at::kDouble ? 1e-10 : 2e-5));
    }
  }
  std::fputs(table.str().c_str(), stdout);
}
