// The rules of the quality filters written the slow, obvious way, after the papers' own words.
#pragma once

#include <string>
#include <vector>

namespace rmkv::test {

// Each returns the name of the first rule that drops the text, "" when it is kept.
std::string naive_gopher_quality(const std::string& text);
std::string naive_gopher_repetition(const std::string& text);
std::string naive_fineweb(const std::string& text);
// `left`: the text with lines taken out.
std::string naive_c4(const std::string& text, std::string& left);

// Characters of UTF-8 as strings.
std::vector<std::string> naive_characters(const std::string& text);

}  // namespace rmkv::test
