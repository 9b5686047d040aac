// Both production forms against the naive reference, for every variant, in fp64 and fp32 (T4, T5).
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/models/variants.h"

using namespace rmkv;
using namespace variants;

namespace {

constexpr uint64_t kSeed = 7;

// Hidden rows of one lane and its final memories by the reference: tokens [n] in segments of
// `length`.
struct Expected {
  Tensor hidden;  // fp64 [n, C]
  naive::Model model;
};

Expected reference_run(const RmkvModel& model, const Tensor& lane, int64_t length) {
  Expected expected{at::empty({lane.size(0), kChannels}, at::kDouble), make_naive(model)};
  const Tensor ids = lane.contiguous();
  const int64_t* data = ids.const_data_ptr<int64_t>();
  for (int64_t first = 0; first < ids.size(0); first += length) {
    const int64_t count = std::min(length, ids.size(0) - first);
    const auto rows = expected.model.segment({data + first, data + first + count});
    for (int64_t t = 0; t < count; ++t) {
      expected.hidden[first + t].copy_(at::tensor(rows[static_cast<size_t>(t)], at::kDouble));
    }
  }
  return expected;
}

double memory_difference(const State& state, int64_t lane, const naive::Model& reference) {
  double largest = 0;
  for (size_t l = 0; l < reference.memory.size(); ++l) {
    const std::string layer = std::to_string(l + 1);
    for (size_t j = 0; j < reference.memory[l].size(); ++j) {
      const auto at = static_cast<int64_t>(j);
      largest = std::max(largest, difference(state.get("memory." + layer)[lane][at],
                                             at::tensor(reference.memory[l][j], at::kDouble)));
      if (!reference.carry[l].empty()) {
        largest = std::max(largest, difference(state.get("carry." + layer)[lane][at],
                                               at::tensor(reference.carry[l][j], at::kDouble)));
      }
    }
    for (size_t h = 0; h < reference.store[l].size(); ++h) {
      for (size_t d = 0; d < reference.store[l][h].size(); ++d) {
        const Tensor row =
            state.get("store." + layer)[lane][static_cast<int64_t>(h)][static_cast<int64_t>(d)];
        largest =
            std::max(largest, difference(row, at::tensor(reference.store[l][h][d], at::kDouble)));
      }
    }
  }
  return largest;
}

}  // namespace

TEST_CASE("both forms equal the naive reference") {
  for (const auto dtype : {at::kDouble, at::kFloat}) {
    const double tolerance = dtype == at::kDouble ? 1e-10 : 1e-4;
    for (const Variant& variant : all_variants()) {
      INFO(variant.name << " " << dtype_name(dtype));
      const auto model = make_model(variant.config, kSeed, dtype);
      const Tensor tokens = random_tokens(2, 4 * kSegment, kSeed);
      State parallel = model->initial_state(2), recurrent = model->initial_state(2);
      const Tensor whole = run_in_pieces(*model, tokens, parallel, {4 * kSegment}, dtype);
      const Tensor stepped = run_in_pieces(*model, tokens, recurrent, {1}, dtype);
      for (int64_t lane = 0; lane < 2; ++lane) {
        const Expected expected = reference_run(*model, tokens[lane], kSegment);
        CHECK(difference(whole[lane], expected.hidden) < tolerance);
        CHECK(difference(stepped[lane], expected.hidden) < tolerance);
        CHECK(memory_difference(parallel, lane, expected.model) < tolerance);
        CHECK(memory_difference(recurrent, lane, expected.model) < tolerance);
      }
      CHECK(difference(parallel, recurrent) < tolerance);
    }
  }
}
