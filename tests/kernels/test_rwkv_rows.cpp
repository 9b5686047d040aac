// What surrounds RWKV's recurrences: the token shift, row functions, version 7's operands, the
// heads' output, row-invariant products; fused against the fp64 form, finite differences.
#include "core/kernels/rwkv_rows.h"

#include "core/kernels/product.h"
#include "core/kernels/token_shift.h"
#include "core/kernels/wkv.h"
#include "tests/kernels/compare.h"

using namespace rmkv;

TEST_CASE("the token shift and its mixtures agree with the fp64 form and finite differences") {
  Tensor marks = at::zeros({2, 9}, at::kByte);
  marks[0][2] = kernels::kMarkReset;
  marks[0][4] = kernels::kMarkReset + kernels::kMarkSkip;
  marks[1][3] = kernels::kMarkReset;
  marks[1][7] = kernels::kMarkSkip;
  const Operation shift = [&](const std::vector<Tensor>& in) {
    const auto [difference, last] = kernels::token_shift(in[0], in[1], marks);
    return std::vector<Tensor>{difference, last};
  };
  const std::vector<Tensor> rows_in = {random_tensor({2, 9, 19}, 1), random_tensor({2, 19}, 2)};
  check_finite_differences(shift, rows_in);
  check_against_double(shift, rows_in, {at::kFloat, at::kFloat}, 1e-6);
  check_against_double(shift, rows_in, {at::kBFloat16, at::kFloat}, 1e-2);
  for (const bool with_deltas : {false, true}) {
    const Operation mix = [&](const std::vector<Tensor>& in) {
      return std::vector<Tensor>{
          kernels::mix_rows(in[0], in[1], in[2], with_deltas ? in[3] : Tensor())};
    };
    std::vector<Tensor> inputs = {random_tensor({2, 3, 19}, 1), random_tensor({2, 3, 19}, 2),
                                  random_tensor({4, 19}, 3)};
    std::vector<at::ScalarType> wide(3, at::kFloat),
        narrow = {at::kBFloat16, at::kBFloat16, at::kFloat};
    if (with_deltas) {
      inputs.push_back(random_tensor({4, 2, 3, 19}, 4));
      wide.push_back(at::kFloat);
      narrow.push_back(at::kBFloat16);
    }
    check_finite_differences(mix, inputs);
    check_against_double(mix, inputs, wide, 1e-6);
    check_against_double(mix, inputs, narrow, 2e-2);
  }
}

TEST_CASE("a row-invariant product gives each row the same bits in any company") {
  at::NoGradGuard no_grad;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const Tensor x = random_tensor({37, 83}, 1).to(dtype), w = random_tensor({71, 83}, 2).to(dtype),
                 bias = random_tensor({71}, 3).to(dtype);
    kernels::set_row_invariant(true);
    const Tensor whole = kernels::product(x, w.t(), bias);
    for (const int64_t piece : {1, 2, 5, 16}) {
      for (int64_t first = 0; first < 37; first += piece) {
        const int64_t count = std::min<int64_t>(piece, 37 - first);
        CHECK(at::equal(kernels::product(x.narrow(0, first, count), w.t(), bias),
                        whole.narrow(0, first, count)));
      }
    }
    kernels::set_row_invariant(false);
    const Tensor expected =
        at::addmm(bias.to(at::kDouble), x.to(at::kDouble), w.to(at::kDouble).t());
    CHECK(relative_difference(whole, expected) < (dtype == at::kFloat ? 1e-6 : 1e-2));
  }
}

TEST_CASE("row functions agree with the fp64 form and finite differences") {
  using kernels::RowFunction;
  for (const RowFunction function : {RowFunction::kTanh, RowFunction::kSigmoid, RowFunction::kSilu,
                                     RowFunction::kReluSquared, RowFunction::kDecay}) {
    CAPTURE(static_cast<int>(function));
    for (const bool widens : {false, true}) {
      const Operation operation = [&](const std::vector<Tensor>& in) {
        const at::ScalarType row = in[0].scalar_type();
        const at::ScalarType out = widens && row != at::kDouble ? at::kFloat : row;
        return std::vector<Tensor>{kernels::apply_function(in[0], function, out, in[1])};
      };
      const std::vector<Tensor> inputs = {random_tensor({2, 20, 19}, 1), random_tensor({19}, 2)};
      check_finite_differences(operation, inputs);
      check_against_double(operation, inputs, {at::kFloat, at::kFloat}, 2e-6);
      check_against_double(operation, inputs, {at::kBFloat16, at::kFloat}, 1e-2);
    }
  }
}

TEST_CASE("version 7's operands agree with the fp64 form and finite differences") {
  for (const bool first_layer : {true, false}) {
    const int64_t D = 2 * 9;
    const Operation operation = [&](const std::vector<Tensor>& in) {
      kernels::Wkv7Projections given;
      given.key = in[0];
      given.value = in[1];
      given.decay_change = in[2];
      given.rate_change = in[3];
      given.decay_bias = in[4];
      given.rate_bias = in[5];
      given.removal_scale = in[6];
      given.rate_scale = in[7];
      if (!first_layer) {
        given.value_change = in[8];
        given.first_value = in[9];
        given.value_bias = in[10];
      }
      const kernels::Wkv7Operands out = kernels::wkv7_operands(given, 2);
      return std::vector<Tensor>{out.decay, out.key, out.value, out.removal, out.replacement};
    };
    std::vector<Tensor> inputs;
    std::vector<at::ScalarType> narrow;
    for (const int64_t row : {1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0}) {
      if (first_layer && inputs.size() == 8) break;
      const auto shape = row ? std::vector<int64_t>{2, 5, D} : std::vector<int64_t>{D};
      inputs.push_back(random_tensor(shape, 20 + inputs.size()));
      narrow.push_back(row ? at::kBFloat16 : at::kFloat);
    }
    check_finite_differences(operation, inputs, 1e-6);
    check_against_double(operation, inputs, std::vector<at::ScalarType>(inputs.size(), at::kFloat),
                         1e-5);
    check_against_double(operation, inputs, narrow, 3e-2);
  }
}

TEST_CASE("the heads' output agrees with the fp64 form and finite differences") {
  for (const bool with_bonus : {false, true}) {
    for (const bool with_gate : {false, true}) {
      const Operation operation = [&](const std::vector<Tensor>& in) {
        kernels::HeadOutput given;
        given.y = in[0];
        given.weight = in[1];
        given.bias = in[2];
        size_t next = 3;
        if (with_gate) given.gate = in[next++];
        if (with_bonus) {
          given.receptance = in[next++];
          given.key = in[next++];
          given.value = in[next++];
          given.bonus = in[next++];
        }
        return std::vector<Tensor>{kernels::head_output(given)};
      };
      const std::vector<int64_t> heads = {2, 5, 2, 19};
      std::vector<Tensor> inputs = {random_tensor(heads, 1), random_tensor({38}, 2),
                                    random_tensor({38}, 3)};
      std::vector<at::ScalarType> narrow = {at::kBFloat16, at::kFloat, at::kFloat};
      if (with_gate) {
        inputs.push_back(random_tensor({2, 5, 38}, 4));
        narrow.push_back(at::kBFloat16);
      }
      if (with_bonus) {
        for (const uint64_t seed : {5, 6, 7}) {
          inputs.push_back(random_tensor(heads, seed));
          narrow.push_back(at::kBFloat16);
        }
        inputs.push_back(random_tensor({2, 19}, 8));
        narrow.push_back(at::kFloat);
      }
      check_finite_differences(operation, inputs, 1e-6);
      check_against_double(operation, inputs,
                           std::vector<at::ScalarType>(inputs.size(), at::kFloat), 1e-5);
      check_against_double(operation, inputs, narrow, 3e-2);
    }
  }
}
