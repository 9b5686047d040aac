// Muon: the momentum of a matrix, made orthogonal, is its update; everything else is AdamW's.
//
// Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks": B <- mu B + G,
// O = orthogonal factor of G + mu B by five steps of a Newton-Schulz iteration.  Liu et al. 2025,
// "Muon is scalable for LLM training" (arXiv 2502.16982), section 2.2: the update is 0.2
// sqrt(max(rows, columns)) O, whose entries are as large as AdamW's, so that learning rate and
// decay are AdamW's too: W <- W (1 - lr wd) - lr 0.2 sqrt(max(rows, columns)) O.
//
// Muon takes the parameters of the group "matrix" that have two dimensions, but not those with a
// row for each entry of the vocabulary (embedding, head).  A skipped step changes nothing.  Its one
// moment takes 4 bytes an element, or 2 in bf16.
#pragma once

#include <vector>

#include "core/optim/adamw.h"

namespace rmkv {

struct MuonOptions {
  double momentum = 0.95;
  int64_t iterations = 5;  // of Newton-Schulz
  // Rates of the groups, those of Muon's matrices too; how AdamW's moments are kept, and momentum:
  // bf16 where these are not fp32.
  AdamwOptions adamw;

  // { momentum, iterations } and the keys of AdamwOptions; keys left out keep the values of `base`.
  static MuonOptions from_table(const Table& table, const MuonOptions& base);
  Table to_table() const;
};

// Whether Muon updates such a parameter of a model with so large a vocabulary.
bool is_muon_matrix(ParameterGroup group, at::IntArrayRef shape, int64_t vocabulary);

// The orthogonal factor of each matrix of x [..., rows, columns], roughly: singular values become
// 0.7 to 1.2.  fp32 or fp64; on CUDA the products run in bf16.
Tensor orthogonal_factor(const Tensor& x, int64_t iterations);

class Muon : public Optimizer {
 public:
  // The store must be finished and outlive the optimiser.
  Muon(ParameterStore& parameters, int64_t vocabulary, const MuonOptions& options = {});

  void step(const StepInputs& inputs) override;
  // "momentum.NAME" (the parameter's shape; its dtype or bf16), and AdamW's for the others.
  std::map<std::string, Tensor> state() const override;
  // Momentum that was saved in another dtype is converted.
  void load_state(const std::map<std::string, Tensor>& state) override;
  Table options() const override { return options_.to_table(); }
  void set_options(const Table& options) override;
  int64_t update_count() const override { return adamw_.update_count(); }
  int64_t skip_count() const override { return adamw_.skip_count(); }
  ParameterStore& parameters() override { return parameters_; }

 private:
  at::ScalarType momentum_dtype() const;
  void update(const std::vector<size_t>& matrices, const StepInputs& inputs);

  ParameterStore& parameters_;
  MuonOptions options_;
  std::vector<bool> is_matrix_;   // by parameter: whether Muon updates it
  Adamw adamw_;                   // of the others
  std::vector<Tensor> momentum_;  // by parameter, undefined for the others
  // Matrices of one shape, whose products run together.
  std::vector<std::vector<size_t>> batches_;
};

}  // namespace rmkv
