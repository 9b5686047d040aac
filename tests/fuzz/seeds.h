// Where seeds go: FOLDER/TARGET/NAME.
#pragma once

#include <string>

namespace rmkv::fuzz {

// Keeps one seed of a target.
void put_seed(const std::string& target, const std::string& name, const std::string& bytes);

void put_data_seeds();       // seeds_data.cpp
void put_model_seeds();      // seeds_models.cpp
void put_tokenizer_seeds();  // seeds_tokenizers.cpp

}  // namespace rmkv::fuzz
