// See attention.h: scores, softmax and weighted sum of one head, a block of query rows at a time.
#include "core/kernels/cpu/attention_head.h"
#include "core/kernels/cpu/parallel.h"

namespace rmkv::kernels::cpu {

template <typename T>
void attention_forward(const AttentionShape& shape, const AttentionInputs<T>& inputs, T* memory_out,
                       T* tokens_out, float* log_sums) {
  constexpr int64_t kElements = kLaneElements<T>;
  const HeadLayout layout(shape);
  const int64_t head = layout.head, width = layout.padded_columns,
                rows = shape.memory + shape.tokens;
  parallel_for(
      shape.batch * shape.heads, grain_of(head_work(shape)), [&](int64_t first, int64_t last) {
        GatheredHead<T> gathered(layout);
        std::vector<float> keys_across(static_cast<size_t>(head / kElements * width));
        std::vector<float> value_pairs(static_cast<size_t>(width / kElements * head));
        std::vector<float> scores(static_cast<size_t>(kBlockRows * width));
        std::vector<T> weights(static_cast<size_t>(kBlockRows * width));
        std::vector<float> mixed(static_cast<size_t>(kBlockRows * head));
        for (int64_t item = first; item < last; ++item) {
          const int64_t lane = item / shape.heads, head_index = item % shape.heads;
          gathered.gather(shape, layout, inputs, lane, head_index);
          transpose_lanes(reinterpret_cast<const float*>(gathered.keys.data()), head / kElements,
                          width, head / kElements, keys_across.data(), width);
          pair_rows(gathered.values.data(), head, width, head, value_pairs.data(), head);
          for (const RowBlock& block : layout.blocks) {
            const int64_t start = block.start(), end = block.end();
            block_scores(layout, gathered, keys_across.data(), block, scores.data());
            float inverse_sums[kBlockRows];
            const bool is_memory = block.first < shape.memory;
            const int64_t row0 =
                is_memory ? block.first : block.first - layout.memory_rows + shape.memory;
            for (int64_t r = 0; r < block.count; ++r) {
              const auto [largest, sum] = exponential_row(scores.data() + r * width,
                                                          weights.data() + r * width, start, end);
              inverse_sums[r] = sum > 0.0f ? 1.0f / sum : 0.0f;
              log_sums[item * rows + row0 + r] =
                  sum > 0.0f ? largest + std::log(sum) : std::numeric_limits<float>::infinity();
            }
            const auto* weight_lanes = reinterpret_cast<const float*>(weights.data());
            small_product<T>(block.count, head / kLanes, (end - start) / kElements,
                             {weight_lanes + start / kElements, width / kElements, 1},
                             {value_pairs.data() + start / kElements * head, head, 1}, mixed.data(),
                             head);
            T* out = is_memory ? memory_out + (lane * shape.memory + row0) * layout.channels
                               : tokens_out +
                                     (lane * shape.tokens + row0 - shape.memory) * layout.channels;
            for (int64_t r = 0; r < block.count; ++r) {
              for (int64_t d = 0; d < head; d += kLanes) {
                store(out + r * layout.channels + head_index * head + d,
                      load(mixed.data() + r * head + d) * inverse_sums[r]);
              }
            }
          }
        }
      });
}

template void attention_forward<float>(const AttentionShape&, const AttentionInputs<float>&, float*,
                                       float*, float*);
template void attention_forward<bf16>(const AttentionShape&, const AttentionInputs<bf16>&, bf16*,
                                      bf16*, float*);

}  // namespace rmkv::kernels::cpu
