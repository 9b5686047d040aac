// The parts of the module rmkv.tokenizer, one for each class.
#pragma once

#include <vector>

#include "bindings/bind.h"
#include "bindings/descriptor.h"
#include "tokenizer/bpe_trainer.h"
#include "tokenizer/stream_decoder.h"

namespace rmkv::lua {

template <>
const Class& class_of<StreamDecoder>();  // lua_stream_decoder.cpp
template <>
const Class& class_of<BpeTrainer>();  // lua_tokenizer_trainer.cpp

std::vector<Function> tokenizer_functions();          // methods of Tokenizer
std::vector<Function> stream_decoder_functions();     // Tokenizer:decoder and methods of Decoder
std::vector<Function> tokenizer_trainer_functions();  // rmkv.tokenizer.trainer and its methods

// The options table of decoding, and what it says.
Field skip_special_field();
bool skip_special(const Call& c, int index);

}  // namespace rmkv::lua
