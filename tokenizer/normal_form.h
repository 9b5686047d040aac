// Unicode normal forms as Hugging Face's library computes them: with the tables of Unicode 9.0.
//
// The decompositions come from utf8proc; characters that are newer than 9.0 are left alone. Source:
// Unicode Standard Annex 15.  Bytes that are no UTF-8 stay where they are.
#pragma once

#include <string>

namespace rmkv {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// Replaces `text` by its normal form.  Text that is normal already costs one pass without a copy.
void normalize(NormalForm form, std::string& text);

}  // namespace rmkv
