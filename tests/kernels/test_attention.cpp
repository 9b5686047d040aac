// Attention of a segment: the fused form against the reference, the reference against finite
// differences and against the rule spelled out row by row.
#include <cmath>

#include "core/kernels/attention.h"
#include "core/kernels/rotary.h"
#include "tests/kernels/compare.h"

namespace rmkv {
namespace {

struct Sizes {
  int64_t batch, memory, bridge, tokens, heads, head;
};

std::vector<Tensor> random_rows(const Sizes& s) {
  const int64_t channels = s.heads * s.head;
  return {random_tensor({s.batch, s.memory, 3 * channels}, 1),
          random_tensor({s.batch, s.tokens, 3 * channels}, 2),
          random_tensor({s.batch, s.bridge, 2 * channels}, 3)};
}

Operation attention(const Sizes& s, bool rotary, const Tensor& visible = {}) {
  return [=](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    kernels::SegmentRows rows{in[0], in[1], in[2], visible};
    const auto [memory, tokens] =
        kernels::segment_attention(rows, {s.heads, rotary, kernels::kRotaryBase});
    return {memory, tokens};
  };
}

// One query row over the given key rows, by the definition.
Tensor by_definition(const Tensor& query, const Tensor& keys, const Tensor& values) {
  const Tensor weights =
      at::softmax(keys.matmul(query) / std::sqrt(static_cast<double>(query.size(0))), 0);
  return weights.matmul(values);
}

}  // namespace

TEST_CASE("a memory row sees memory and tokens, a token sees memory, bridge and its past",
          "[kernels]") {
  const Sizes s{1, 3, 2, 5, 1, 4};
  const auto rows = random_rows(s);
  const auto results = attention(s, false)(rows);
  const auto memory = rows[0][0].chunk(3, -1), tokens = rows[1][0].chunk(3, -1);
  const auto bridge = rows[2][0].chunk(2, -1);
  for (int64_t j = 0; j < s.memory; ++j) {
    const Tensor expected = by_definition(memory[0][j], at::cat({memory[1], tokens[1]}),
                                          at::cat({memory[2], tokens[2]}));
    CHECK(at::allclose(results[0][0][j], expected, 1e-12, 1e-12));
  }
  for (int64_t t = 0; t < s.tokens; ++t) {
    const Tensor expected =
        by_definition(tokens[0][t], at::cat({memory[1], bridge[0], tokens[1].narrow(0, 0, t + 1)}),
                      at::cat({memory[2], bridge[1], tokens[2].narrow(0, 0, t + 1)}));
    CHECK(at::allclose(results[1][0][t], expected, 1e-12, 1e-12));
  }
}

TEST_CASE("segment attention has the gradients of finite differences", "[kernels]") {
  const Sizes s{2, 2, 2, 3, 2, 4};
  check_finite_differences(attention(s, true), random_rows(s));
  Tensor visible = at::ones({2, 5}, at::kBool);
  visible[0][1] = false;
  visible[1][4] = false;
  check_finite_differences(attention(s, true, visible), random_rows(s));
}

TEST_CASE("fused segment attention equals the reference", "[kernels]") {
  // Odd counts, several row blocks, no bridge, one memory row, one token, a head wider than a tile.
  const std::vector<Sizes> cases = {{2, 16, 32, 128, 4, 64}, {2, 5, 7, 53, 2, 32},
                                    {1, 1, 0, 1, 1, 32},     {1, 33, 3, 25, 1, 96},
                                    {2, 0, 4, 17, 2, 64},    {1, 8, 0, 200, 1, 128}};
  for (const Sizes& s : cases) {
    for (const bool rotary : {true, false}) {
      CAPTURE(s.memory, s.bridge, s.tokens, s.heads, s.head, rotary);
      const auto rows = random_rows(s);
      check_against_double(attention(s, rotary), rows, {at::kFloat, at::kFloat, at::kFloat}, 2e-5);
      check_against_double(attention(s, rotary), rows,
                           {at::kBFloat16, at::kBFloat16, at::kBFloat16}, 3e-2);
      std::vector<Tensor> narrow;
      for (const Tensor& x : rows) {
        narrow.push_back(x.to(at::kBFloat16));
      }
      check_repeats(attention(s, rotary), narrow);
    }
  }
}

TEST_CASE("fused segment attention hides what is not visible", "[kernels]") {
  const Sizes s{3, 4, 6, 30, 2, 32};
  auto generator = at::detail::createCPUGenerator(7);
  Tensor visible = at::rand({s.batch, s.bridge + s.tokens}, generator) > 0.4;
  visible[1].fill_(false);
  check_against_double(attention(s, true, visible), random_rows(s),
                       {at::kFloat, at::kFloat, at::kFloat}, 2e-5);
  // Without memory rows, hidden rows leave queries that see nothing: zero results and gradients,
  // never NaN.
  const Sizes bare{3, 0, 6, 30, 2, 32};
  auto rows = random_rows(bare);
  check_against_double(attention(bare, true, visible), rows, {at::kFloat, at::kFloat, at::kFloat},
                       2e-5);
  const auto results = attention(bare, true, visible)(
      {rows[0].to(at::kFloat), rows[1].to(at::kFloat), rows[2].to(at::kFloat)});
  CHECK(results[1][1].abs().max().item<float>() == 0.0f);
}

TEST_CASE("segment attention takes slices of a longer buffer", "[kernels]") {
  const Sizes s{2, 16, 8, 24, 2, 32};
  const int64_t channels = s.heads * s.head;
  const Tensor memory = random_tensor({s.batch, s.memory, 3 * channels}, 4).to(at::kFloat);
  const Tensor buffer = random_tensor({s.batch, 4 * s.tokens, 3 * channels}, 5).to(at::kFloat);
  const Tensor tokens = buffer.narrow(1, s.tokens, s.tokens),
               bridge = buffer.narrow(1, s.tokens - s.bridge, s.bridge);
  const auto sliced = kernels::segment_attention({memory, tokens, bridge, {}}, {s.heads});
  const auto copied = kernels::segment_attention(
      {memory, tokens.contiguous(), bridge.narrow(2, channels, 2 * channels).contiguous(), {}},
      {s.heads});
  CHECK(at::equal(sliced.first, copied.first));
  CHECK(at::equal(sliced.second, copied.second));
}

TEST_CASE("attention over a cache continues what the segment computed", "[kernels]") {
  const Sizes s{2, 3, 4, 9, 2, 8};
  const auto rows = random_rows(s);
  const auto expected = attention(s, true)(rows);
  const auto heads = [&](const Tensor& x) { return x.unflatten(-1, {s.heads, s.head}); };
  const auto memory = rows[0].chunk(3, -1), tokens = rows[1].chunk(3, -1),
             bridge = rows[2].chunk(2, -1);
  const Tensor keys = at::cat({kernels::rotate(heads(bridge[0]), -s.bridge), heads(memory[1]),
                               kernels::rotate(heads(tokens[1]), 0)},
                              1);
  const Tensor values = at::cat({heads(bridge[1]), heads(memory[2]), heads(tokens[2])}, 1);
  const int64_t prefix = s.bridge + s.memory;
  int64_t first = 0;
  for (const int64_t count : {1, 5, 3}) {
    const Tensor queries = kernels::rotate(heads(tokens[0].narrow(1, first, count)), first);
    const int64_t seen = prefix + first + count;
    const Tensor out = kernels::cached_attention(queries, keys.narrow(1, 0, seen),
                                                 values.narrow(1, 0, seen), true);
    CHECK(at::allclose(out, expected[1].narrow(1, first, count), 1e-12, 1e-12));
    first += count;
  }
  const int64_t seen = s.memory + s.tokens;
  const Tensor out = kernels::cached_attention(heads(memory[0]), keys.narrow(1, s.bridge, seen),
                                               values.narrow(1, s.bridge, seen), false);
  CHECK(at::allclose(out, expected[0], 1e-12, 1e-12));
}

TEST_CASE("segment attention names the argument of a wrong shape", "[kernels]") {
  CHECK_THROWS_WITH(kernels::segment_attention({{}, at::zeros({1, 2, 10}), {}, {}}, {4}),
                    Catch::Matchers::Contains("segment_attention: got tokens"));
}

}  // namespace rmkv
