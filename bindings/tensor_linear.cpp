// Tensor methods: products, decompositions, softmax and losses, normalisation, sampling.
#include "bindings/tensor_args.h"
#include "bindings/tensor_operations.h"
#include "core/base/error.h"
#include "core/base/random.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

namespace {

const Field kTensor{"", "Tensor", ""};
const Field kDim{"dim", "integer?", "", "-1"};

int64_t last_or(Call& c, int index, const Tensor& x) {
  if (x.dim() == 0) fail("object", tensor_text(x), "at least one dimension");
  return c.has(index) ? dimension_arg(c, index, x.dim()) : x.dim() - 1;
}

void need_matrix(const Tensor& x) {
  if (x.dim() != 2) fail("object", tensor_text(x), "[rows, columns]");
}

int matmul(Call& c) {
  const Tensor &a = tensor_arg(c, 1), &b = tensor_arg(c, 2);
  int64_t inner = b.dim() > 1 ? b.size(-2) : b.dim() == 1 ? b.size(0) : -1;
  if (a.dim() == 0 || a.size(-1) != inner) {
    fail("other", shape_text(b.sizes()),
         "a tensor whose rows match the columns of " + shape_text(a.sizes()));
  }
  return push_tensor(c, at::matmul(a, b));
}

int dot(Call& c) {
  const Tensor &a = tensor_arg(c, 1), &b = tensor_arg(c, 2);
  if (a.sizes() != b.sizes()) fail("other", shape_text(b.sizes()), shape_text(a.sizes()));
  return c.push((a.to(at::kDouble) * b.to(at::kDouble)).sum().item<double>());
}

int outer(Call& c) {
  return push_tensor(c, at::outer(tensor_arg(c, 1), tensor_arg(c, 2)));
}

int cosine(Call& c) {
  const Tensor &a = tensor_arg(c, 1), &b = tensor_arg(c, 2);
  return push_tensor(c, at::cosine_similarity(a, b, last_or(c, 3, a)));
}

int diagonal(Call& c) {
  return push_tensor(c, at::diag(tensor_arg(c, 1), c.integer(2, 0)));
}

int trace(Call& c) {
  need_matrix(tensor_arg(c, 1));
  return push_scalar(c, at::trace(tensor_arg(c, 1)));
}

int lower(Call& c) {
  return push_tensor(c, at::tril(tensor_arg(c, 1), c.integer(2, 0)));
}
int upper(Call& c) {
  return push_tensor(c, at::triu(tensor_arg(c, 1), c.integer(2, 0)));
}
int inverse(Call& c) {
  return push_tensor(c, at::linalg_inv(tensor_arg(c, 1)));
}
int determinant(Call& c) {
  return push_scalar(c, at::linalg_det(tensor_arg(c, 1)));
}
int solve(Call& c) {
  return push_tensor(c, at::linalg_solve(tensor_arg(c, 1), tensor_arg(c, 2)));
}

int svd(Call& c) {
  need_matrix(tensor_arg(c, 1));
  auto [u, s, vh] = at::linalg_svd(tensor_arg(c, 1), /*full_matrices=*/false);
  return push_tensor(c, u) + push_tensor(c, s) + push_tensor(c, vh.t());
}

int qr(Call& c) {
  need_matrix(tensor_arg(c, 1));
  auto [q, r] = at::linalg_qr(tensor_arg(c, 1));
  return push_tensor(c, q) + push_tensor(c, r);
}

// exp of the entropy of the normalised singular values (Roy and Vetterli 2007): how many directions
// are in use.
int effective_rank(Call& c) {
  need_matrix(tensor_arg(c, 1));
  Tensor s = at::linalg_svdvals(tensor_arg(c, 1).to(at::kDouble));
  Tensor p = s / s.sum().clamp_min(1e-300);
  return c.push(std::exp(-(p * p.clamp_min(1e-300).log()).sum().item<double>()));
}

int softmax(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  return push_tensor(c, at::softmax(x, last_or(c, 2, x)));
}

int log_softmax(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  return push_tensor(c, at::log_softmax(x, last_or(c, 2, x)));
}

int entropy(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  int64_t d = last_or(c, 2, x);
  Tensor p = at::log_softmax(x.to(at::kFloat), d);
  return push_tensor(c, -(p.exp() * p).sum(d));
}

int cross_entropy(Call& c) {
  const Tensor& logits = tensor_arg(c, 1);
  if (logits.dim() < 1) fail("object", tensor_text(logits), "logits [.., V]");
  int64_t vocabulary = logits.size(-1);
  Tensor rows = logits.reshape({-1, vocabulary}).to(at::kFloat);
  Tensor labels =
      (c.is<Tensor>(2) ? tensor_arg(c, 2).to(at::kLong) : at::tensor(c.integers(2), at::kLong))
          .flatten();
  if (labels.numel() != rows.size(0))
    fail("labels", std::to_string(labels.numel()) + " labels",
         std::to_string(rows.size(0)) + ", one for each row");
  Tensor trained = labels != -100;
  Tensor used = labels.masked_select(trained);
  if (used.numel() &&
      (used.min().item<int64_t>() < 0 || used.max().item<int64_t>() >= vocabulary)) {
    fail("labels",
         "ids " + std::to_string(used.min().item<int64_t>()) + " .. " +
             std::to_string(used.max().item<int64_t>()),
         "0 .. " + std::to_string(vocabulary - 1) + ", or -100 for untrained");
  }
  return push_scalar(c, at::cross_entropy_loss(rows, labels, {}, at::Reduction::Mean, -100));
}

int layer_norm(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  last_or(c, 9, x);
  return push_tensor(c, at::layer_norm(x, {x.size(-1)}, {}, {}, c.number(2, 1e-5)));
}

int rms_norm(Call& c) {
  const Tensor& x = tensor_arg(c, 1);
  last_or(c, 9, x);
  Tensor y = x.to(at::kFloat);
  return push_tensor(
      c, (y * at::rsqrt(y.square().mean(-1, true) + c.number(2, 1e-5))).to(x.scalar_type()));
}

// The Gumbel-max trick (Gumbel 1954): argmax(logits + noise) is a draw from softmax(logits).
int sample(Call& c) {
  const Tensor& logits = tensor_arg(c, 1);
  if (logits.dim() != 1 && logits.dim() != 2)
    fail("object", tensor_text(logits), "logits [V] or [B, V]");
  Table options = c.table(2);
  auto number = [&](const char* key, double fallback) {
    const Value* value = find(options, key);
    return value ? value->as_double() : fallback;
  };
  double temperature = number("temperature", 1.0);
  Tensor scores = logits.to(at::kCPU, at::kDouble).contiguous();
  if (temperature > 0) {
    RandomStream random(static_cast<uint64_t>(number("seed", 0)), "tensor.sample",
                        static_cast<uint64_t>(number("step", 0)));
    Tensor noise = at::empty_like(scores);
    double* data = noise.data_ptr<double>();
    for (int64_t i = 0; i < noise.numel(); ++i)
      data[i] = -std::log(-std::log(random.uniform() + 1e-300));
    scores = scores / temperature + noise;
  }
  Tensor ids = scores.argmax(-1);
  return logits.dim() == 1 ? c.push(ids.item<int64_t>()) : push_tensor(c, ids);
}

}  // namespace

void add_linear_operations(std::vector<Function>& list) {
  const Field other{"other", "Tensor", ""};
  const Field diagonal_field{"diagonal", "integer?", "0 is the main one, positive above", "0"};
  const Field epsilon{"epsilon", "number?", "", "1e-5", 0};
  const std::vector<Function> functions = {
      {.name = "Tensor:matmul",
       .doc = "Multiplies matrices, or batches of them.",
       .args = {other},
       .returns = {kTensor},
       .call = matmul,
       .errors = "when the inner sizes differ",
       .pure = true},
      {.name = "Tensor:dot",
       .doc = "Adds up the products of the elements.",
       .args = {other},
       .returns = {{"", "number", ""}},
       .call = dot,
       .errors = "when shapes differ",
       .pure = true},
      {.name = "Tensor:outer",
       .doc = "Multiplies every element with every other: [n], [m] to [n, m].",
       .args = {other},
       .returns = {kTensor},
       .call = outer,
       .pure = true},
      {.name = "Tensor:cosine",
       .doc = "Takes the cosine between vectors along a dimension.",
       .args = {other, kDim},
       .returns = {kTensor},
       .call = cosine,
       .pure = true},
      {.name = "Tensor:diagonal",
       .doc = "Takes the diagonal of a matrix, or makes a matrix of one.",
       .args = {diagonal_field},
       .returns = {kTensor},
       .call = diagonal,
       .pure = true},
      {.name = "Tensor:trace",
       .doc = "Adds up the diagonal of a matrix.",
       .args = {},
       .returns = {{"", "number", ""}},
       .call = trace,
       .pure = true},
      {.name = "Tensor:lower",
       .doc = "Keeps the lower triangle.",
       .args = {diagonal_field},
       .returns = {kTensor},
       .call = lower,
       .pure = true},
      {.name = "Tensor:upper",
       .doc = "Keeps the upper triangle.",
       .args = {diagonal_field},
       .returns = {kTensor},
       .call = upper,
       .pure = true},
      {.name = "Tensor:inverse",
       .doc = "Inverts a square matrix.",
       .args = {},
       .returns = {kTensor},
       .call = inverse,
       .errors = "when it is singular",
       .pure = true},
      {.name = "Tensor:determinant",
       .doc = "Takes the determinant of a square matrix.",
       .args = {},
       .returns = {{"", "number", ""}},
       .call = determinant,
       .pure = true},
      {.name = "Tensor:solve",
       .doc = "Solves A X = B.",
       .args = {{"b", "Tensor", ""}},
       .returns = {kTensor},
       .call = solve,
       .errors = "when A is singular",
       .pure = true},
      {.name = "Tensor:svd",
       .doc = "Decomposes a matrix as U diag(S) V^T.",
       .args = {},
       .returns = {{"u", "Tensor", ""}, {"s", "Tensor", ""}, {"v", "Tensor", ""}},
       .call = svd,
       .pure = true},
      {.name = "Tensor:qr",
       .doc = "Decomposes a matrix as Q R.",
       .args = {},
       .returns = {{"q", "Tensor", ""}, {"r", "Tensor", ""}},
       .call = qr,
       .pure = true},
      {.name = "Tensor:effective_rank",
       .doc = "Tells how many directions the rows of a matrix use (Roy and Vetterli 2007).",
       .args = {},
       .returns = {{"", "number", ""}},
       .call = effective_rank,
       .pure = true},
      {.name = "Tensor:softmax",
       .doc = "Turns logits into probabilities along a dimension.",
       .args = {kDim},
       .returns = {kTensor},
       .call = softmax,
       .pure = true},
      {.name = "Tensor:log_softmax",
       .doc = "Turns logits into log-probabilities along a dimension.",
       .args = {kDim},
       .returns = {kTensor},
       .call = log_softmax,
       .pure = true},
      {.name = "Tensor:entropy",
       .doc = "Takes the entropy of softmax(x) along a dimension, in nats.",
       .args = {kDim},
       .returns = {kTensor},
       .call = entropy,
       .pure = true},
      {.name = "Tensor:cross_entropy",
       .doc = "Takes the mean cross entropy of logits [.., V] in nats; label -100 does not count.",
       .args = {{"labels", "shape|Tensor", "token ids from 0, one for each row"}},
       .returns = {{"", "number", ""}},
       .call = cross_entropy,
       .errors = "when a label is outside the vocabulary",
       .pure = true},
      {.name = "Tensor:layer_norm",
       .doc = "Normalises the last dimension to mean 0 and variance 1.",
       .args = {epsilon},
       .returns = {kTensor},
       .call = layer_norm,
       .pure = true},
      {.name = "Tensor:rms_norm",
       .doc = "Divides the last dimension by its root mean square.",
       .args = {epsilon},
       .returns = {kTensor},
       .call = rms_norm,
       .pure = true},
      {.name = "Tensor:sample",
       .doc = "Draws token ids (from 0) from logits [V] or [B, V].",
       .args = {{"options",
                 "options?",
                 "",
                 "",
                 -HUGE_VAL,
                 HUGE_VAL,
                 "",
                 {{"temperature", "number?", "0 takes the likeliest", "1", 0, 1e6},
                  {"seed", "integer?", "", "0", 0, 9007199254740992.0},
                  {"step", "integer?", "another draw of the same seed", "0", 0,
                   9007199254740992.0}}}},
       .returns = {{"", "integer|Tensor", ""}},
       .call = sample,
       .pure = true},
  };
  list.insert(list.end(), functions.begin(), functions.end());
}

}  // namespace rmkv::lua
