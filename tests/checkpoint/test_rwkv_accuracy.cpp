// Coarse weights of published RWKV files: no further from fp32 than rwkv.cpp's, whose errors with
// the same stored types were measured once.
#include <cmath>

#include "core/checkpoint/model_loader.h"
#include "core/models/rwkv/engine.h"
#include "core/tensor/torch.h"
#include "tests/catch.h"
#include "tests/shared_data.h"

using namespace rmkv;

namespace {

// rwkv.cpp's chunking test's sentence, a byte a token.
constexpr char kSentence[] =
    "This is a port of [BlinkDL/RWKV-LM](https://github.com/BlinkDL/RWKV-LM";

// Root mean square of (logits - fp32 logits) over the sentence, by rwkv.cpp (master of 2025, one
// thread, AVX-512), files quantised by its rwkv_quantize_model_file; the head stays as it was.
struct PeerErrors {
  const char* file;
  double q8_0, q5_1, q5_0, q4_1, q4_0;
};
constexpr PeerErrors kPeer[] = {
    {"tiny-rwkv-4v0-660K-FP32.bin", 0.002636, 0.007146, 0.013497, 0.016511, 0.028116},
    {"tiny-rwkv-5v1-730K-FP32.bin", 0.033463, 0.132023, 0.149136, 0.291293, 0.286953},
    {"tiny-rwkv-7v0-834K-FP32.bin", 0.000328, 0.001339, 0.001408, 0.002796, 0.003609},
};

Tensor logits_of(const WeightFile& file, WeightType type, std::optional<WeightType> head = {}) {
  at::NoGradGuard no_grad;
  const auto model = make_rwkv_engine(file.config, file.weights, type, 1, head);
  State state = model->initial_state(1);
  const auto count = static_cast<int64_t>(sizeof kSentence - 1);
  Tensor ids = at::empty({1, count}, at::kLong);
  for (int64_t i = 0; i < count; ++i) ids[0][i] = static_cast<int64_t>(kSentence[i]);
  return model->logits(model->forward(ids, state, {}))[0];
}

double error_of(const Tensor& logits, const Tensor& exact) {
  return (logits - exact).square().mean().sqrt().item<double>();
}

}  // namespace

TEST_CASE("coarse weights stay as near to fp32 as rwkv.cpp's", "[files]") {
  if (shared_data("rwkv").empty()) {
    WARN("SKIPPED: no ../shared/data/rwkv");
    return;
  }
  for (const PeerErrors& peer : kPeer) {
    const WeightFile file = load_rwkv_weights(shared_data(std::string("rwkv/") + peer.file));
    const Tensor exact = logits_of(file, WeightType::F32);
    const std::pair<WeightType, double> types[] = {{WeightType::Q8_0, peer.q8_0},
                                                   {WeightType::Q5_1, peer.q5_1},
                                                   {WeightType::Q5_0, peer.q5_0},
                                                   {WeightType::Q4_1, peer.q4_1},
                                                   {WeightType::Q4_0, peer.q4_0}};
    for (const auto& [type, theirs] : types) {
      const double ours = error_of(logits_of(file, type), exact);
      const double narrow = error_of(logits_of(file, type, WeightType::Q8_0), exact);
      CAPTURE(peer.file, weight_type_name(type), ours, narrow, theirs);
      // With 5 bits and less the weights' own error is all that counts, and that is the same.
      CHECK(ours <= (type == WeightType::Q8_0 ? 1.0 : 1.02) * theirs);
      // An 8-bit head moves logits by some thousandths of their size, and is therefore not the
      // default: in the last of the files that is more than all other 8-bit matrices do.
      const double size = exact.square().mean().sqrt().item<double>();
      CHECK(narrow <= ours + 0.005 * size);
    }
  }
}
