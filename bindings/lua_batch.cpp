// The class Batch of the module rmkv.data: its fields, its tensors, and batches made by hand.
#include "bindings/lua_batch.h"

#include "bindings/modules.h"
#include "bindings/objects.h"
#include "bindings/tensor_args.h"
#include "core/base/error.h"
#include "core/tensor/torch.h"

namespace rmkv::lua {

template <>
const Class& class_of<Batch>() {
  static const Class type{"Batch",
                          "consecutive segments of documents in lanes, ready for a training step",
                          [](const void* object) -> size_t {
                            return static_cast<const Batch*>(object)->tokens.nbytes() * 4;
                          },
                          [](const void* object) -> const void* { return object; }};
  return type;
}
namespace {

template <auto Member>
int batch_number(Call& c) {
  return c.push(c.object<Batch>(1).*Member);
}

template <auto Member>
int batch_tensor(Call& c) {
  return push_tensor(c, c.object<Batch>(1).*Member);
}

// A batch from plain lists, for tests and experiments.
int make_batch(Call& c) {
  Batch batch;
  batch.tokens = tokens_arg(c, 1);
  Table options = c.table(2);
  batch.lanes = batch.tokens.size(0);
  const Value* segment = find(options, "segment_tokens");
  batch.segment_tokens = segment ? segment->as_int() : batch.tokens.size(1);
  if (batch.tokens.size(1) % batch.segment_tokens != 0) {
    fail("tokens", shape_text(batch.tokens.sizes()),
         "whole segments of " + std::to_string(batch.segment_tokens) + " tokens");
  }
  batch.segments = batch.tokens.size(1) / batch.segment_tokens;
  Tensor last = at::full({batch.lanes, 1}, kIgnoreLabel, at::kLong);
  batch.labels = at::cat({batch.tokens.narrow(1, 1, batch.tokens.size(1) - 1), last}, 1);
  batch.resets = at::zeros({batch.lanes, batch.segments}, at::kBool);
  batch.resets.select(1, 0).fill_(true);
  batch.documents =
      at::arange(batch.lanes, at::kLong).unsqueeze(1).expand(batch.tokens.sizes()).contiguous();
  batch.positions =
      at::arange(batch.tokens.size(1), at::kLong).expand(batch.tokens.sizes()).contiguous();
  batch.sources = at::zeros({batch.lanes, batch.segments}, at::kLong);
  batch.token_count = batch.tokens.numel();
  batch.label_count = batch.lanes * (batch.tokens.size(1) - 1);
  batch.byte_count = batch.label_count;
  return c.push_new(std::move(batch));
}

}  // namespace

std::vector<Function> batch_functions() {
  const Field integer{"", "integer", ""};
  const double none = -HUGE_VAL, all = HUGE_VAL;
  return {
      {.name = "rmkv.data.batch",
       .doc = "Makes a batch from token ids: one document a row, labels the next tokens.",
       .args = {{"tokens", "shape|Tensor", "[B, T]"},
                {"options",
                 "options?",
                 "",
                 "",
                 none,
                 all,
                 "",
                 {{"segment_tokens", "integer?", "", "the whole row", 1}}}},
       .returns = {{"", "Batch", ""}},
       .call = make_batch,
       .errors = "when rows are no whole segments"},
      {.name = "Batch.lanes",
       .doc = "rows",
       .args = {},
       .returns = {integer},
       .call = batch_number<&Batch::lanes>},
      {.name = "Batch.segments",
       .doc = "segments of a row",
       .args = {},
       .returns = {integer},
       .call = batch_number<&Batch::segments>},
      {.name = "Batch.segment_tokens",
       .doc = "tokens of a segment",
       .args = {},
       .returns = {integer},
       .call = batch_number<&Batch::segment_tokens>},
      {.name = "Batch.token_count",
       .doc = "tokens without padding",
       .args = {},
       .returns = {integer},
       .call = batch_number<&Batch::token_count>},
      {.name = "Batch.label_count",
       .doc = "labels that are trained",
       .args = {},
       .returns = {integer},
       .call = batch_number<&Batch::label_count>},
      {.name = "Batch.byte_count",
       .doc = "bytes of text behind the labels",
       .args = {},
       .returns = {integer},
       .call = batch_number<&Batch::byte_count>},
      {.name = "Batch:tokens",
       .doc = "Returns the tokens.",
       .args = {},
       .returns = {{"", "Tensor", "int64 [B, S*T]"}},
       .call = batch_tensor<&Batch::tokens>},
      {.name = "Batch:labels",
       .doc = "Returns the labels; -100 is not trained.",
       .args = {},
       .returns = {{"", "Tensor", "int64 [B, S*T]"}},
       .call = batch_tensor<&Batch::labels>},
      {.name = "Batch:weights",
       .doc = "Returns the factor on each label's loss.",
       .args = {},
       .returns = {{"", "Tensor?", "fp32 [B, S*T]; nil: all labels count once"}},
       .call = batch_tensor<&Batch::weights>},
      {.name = "Batch:documents",
       .doc = "Returns the document of each token: its number in its source, -1 in padding.",
       .args = {},
       .returns = {{"", "Tensor", "int64 [B, S*T]"}},
       .call = batch_tensor<&Batch::documents>},
      {.name = "Batch:positions",
       .doc = "Returns the position of each token in its document, from 0.",
       .args = {},
       .returns = {{"", "Tensor", "int64 [B, S*T]"}},
       .call = batch_tensor<&Batch::positions>},
      {.name = "Batch:valid",
       .doc = "Returns where there is no padding.",
       .args = {},
       .returns = {{"", "Tensor?", "bool [B, S*T]; nil: no padding at all"}},
       .call = batch_tensor<&Batch::valid>},
      {.name = "Batch:resets",
       .doc = "Returns in which segments a document starts.",
       .args = {},
       .returns = {{"", "Tensor", "bool [B, S]"}},
       .call = batch_tensor<&Batch::resets>},
      {.name = "Batch:sources",
       .doc = "Returns the number of the source of each segment, from 0.",
       .args = {},
       .returns = {{"", "Tensor", "int64 [B, S]"}},
       .call = batch_tensor<&Batch::sources>},
  };
}

}  // namespace rmkv::lua
