// Quality filters against their naive forms, dedup against a map, and what streams make of both.
#include "core/data/filter.h"

#include <filesystem>
#include <map>
#include <set>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/random.h"
#include "core/data/duplicate_filter.h"
#include "core/data/evaluation_stream.h"
#include "core/data/filtered_source.h"
#include "core/data/open_source.h"
#include "tests/catch.h"
#include "tests/data/naive_filters.h"
#include "tests/data/support.h"

using namespace rmkv;
using namespace rmkv::test;

namespace {

// What a chain makes of a text: the rule that drops it, "" when none does.
std::string verdict(const FilterChain& chain, Document& document) {
  chain.apply(0, document);
  return document.dropped_by < 0 ? "" : chain.rules().at(static_cast<size_t>(document.dropped_by));
}

std::string verdict(const FilterChain& chain, const std::string& text) {
  Document document;
  document.text = text;
  return verdict(chain, document);
}

FilterChain chain_of(const List& filters) {
  return FilterChain(filters, list("none", {"x"}), "");
}

// Texts near every threshold: ordinary sentences, and any of what the rules look for in doses that
// differ from text to text.
std::string random_page(RandomStream& random) {
  static const char* const kWords[] = {"the",
                                       "river",
                                       "be",
                                       "to",
                                       "of",
                                       "and",
                                       "little",
                                       "that",
                                       "have",
                                       "with",
                                       "went",
                                       "home",
                                       "quickly",
                                       "I",
                                       "a",
                                       "42",
                                       "7",
                                       "caf\xC3\xA9",
                                       "中",
                                       "internationalisation",
                                       "counterrevolutionary"};
  static const char* const kOdd[] = {"#",
                                     "...",
                                     "…",
                                     "***",
                                     "[1]",
                                     "[edit]",
                                     "[citation needed]",
                                     "{",
                                     "Lorem ipsum",
                                     "JavaScript",
                                     "cookie policy",
                                     "Terms of Use",
                                     "\"quoted.\"",
                                     "(so!)"};
  const size_t words = 20 + random.below(11), first = random.below(random.below(3) ? 3 : 18);
  const double odd = random.below(3) ? 0.01 : random.uniform() * 0.3,
               hash = random.below(6) ? 0 : 0.2;
  const double repeat = random.below(2) ? 0 : random.uniform() * 0.7;
  const double bullet = random.below(4) ? 0.05 : 0.97, stop = random.uniform(),
               dots = random.below(4) ? 0.02 : 0.5, line = 0.02 + random.uniform() * 0.3;
  std::string text;
  std::vector<std::string> lines;
  const size_t rows = 1 + random.below(30);
  for (size_t row = 0; row < rows; ++row) {
    std::string one;
    if (!lines.empty() && random.uniform() < repeat) {
      one = lines[random.below(lines.size())];
    } else {
      if (random.uniform() < bullet) one += random.below(2) ? "\xE2\x80\xA2 " : "- ";
      for (size_t i = 0; i < words && random.uniform() > line; ++i) {
        size_t range = std::size(kWords) - first;
        if (random.uniform() < hash)
          one += "#tag";
        else if (random.uniform() < odd)
          one += kOdd[random.below(std::size(kOdd))];
        else
          one += kWords[first + random.below(std::min(range, words / 2))];
        one += random.below(60) == 0 ? "\xC2\xA0" : " ";
      }
      if (random.uniform() < dots)
        one += random.below(2) ? "..." : "…";
      else if (random.uniform() < stop)
        one += random.below(2) ? "went. It is so!" : "end.\"";
      lines.push_back(one);
    }
    text += one;
    const uint64_t gap = random.below(8);
    text += gap == 0 ? "\n\n" : gap == 1 ? "\r\n" : gap == 2 ? " \n" : "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("every quality rule decides as its naive form does, and every rule decides something") {
  const uint64_t seed = 20261121;
  INFO("seed " << seed);
  RandomStream random(seed, "pages");
  FilterChain quality = chain_of({"gopher_quality"}), repetition = chain_of({"gopher_repetition"}),
              c4 = chain_of({"c4"}), fineweb = chain_of({"fineweb"});
  std::map<std::string, int> fired;
  for (int i = 0; i < 6000; ++i) {
    const std::string text = random_page(random);
    INFO("page " << i << ":\n" << text);
    auto named = [](const char* family, const std::string& rule) {
      return rule.empty() ? rule : family + rule;
    };
    std::string rule = verdict(quality, text);
    REQUIRE(rule == named("gopher.", naive_gopher_quality(text)));
    ++fired[rule];
    rule = verdict(repetition, text);
    REQUIRE(rule == named("gopher.", naive_gopher_repetition(text)));
    ++fired[rule];
    rule = verdict(fineweb, text);
    REQUIRE(rule == named("fineweb.", naive_fineweb(text)));
    ++fired[rule];
    Document document;
    document.text = text;
    std::string left;
    rule = verdict(c4, document);
    REQUIRE(rule == named("c4.", naive_c4(text, left)));
    if (rule.empty()) REQUIRE(document.text == left);
    ++fired[rule];
  }
  // Too many words, and empty pages, are tried below.
  for (const FilterChain* chain : {&quality, &repetition, &c4, &fineweb}) {
    for (const std::string& name : chain->rules()) {
      if (name == "gopher.many_words" || name == "fineweb.empty") continue;
      INFO(name);
      CHECK(fired[name] > 0);
    }
  }
  CHECK(fired[""] > 1000);
}

TEST_CASE("the ends of the rules: empty pages, very long ones, words without blanks") {
  FilterChain all = chain_of({"gopher", "fineweb"});
  CHECK(verdict(all, "") == "gopher.few_words");
  CHECK(verdict(chain_of({"gopher_repetition"}), "").empty());
  CHECK(verdict(chain_of({"fineweb"}), " \n\n") == "fineweb.empty");
  std::string text;
  for (int i = 0; i < 100001; ++i)
    text += i % 9 == 0 ? "the of word" + std::to_string(i) + ".\n" : "other ";
  CHECK(verdict(all, text) == "gopher.many_words");
  CHECK(naive_gopher_quality(text) == "many_words");
  // Bytes that are no UTF-8 are characters of no kind.
  CHECK(verdict(chain_of({Table{{"name", "gopher_quality"}, {"min_words", 1}}}),
                std::string(200, '\xFF')) == "gopher.few_words");
}

TEST_CASE("C4 takes lines out, but not of documents with loss spans") {
  FilterChain c4 = chain_of({"c4"});
  Document document;
  document.text =
      "Menu\nOne two three. And so on! Is it? Yes it is. This is [12] the end.\nNo end\n";
  CHECK(verdict(c4, document).empty());
  CHECK(document.text == "One two three. And so on! Is it? Yes it is. This is  the end.");
  document = {};
  document.text = "Menu\nOne two three. And so on! Is it? Yes it is. This is the end.\n";
  document.loss_spans = {{0, 4, 0}};
  std::string before = document.text;
  CHECK(verdict(c4, document).empty());
  CHECK(document.text == before);
  // What comes behind sees the text that is left.
  FilterChain chain = chain_of({"c4", Table{{"name", "length"}, {"max", 70}}});
  document = {};
  document.text = "Menu " + std::string(100, 'x') + "\nOne two three. A b c. D e f. G h i. J k l.";
  CHECK(verdict(chain, document).empty());
}

TEST_CASE("lengths in bytes and tokens are inclusive; thresholds are closed") {
  FilterChain bytes = chain_of({Table{{"name", "length"}, {"min", 3}, {"max", 5}}});
  CHECK(verdict(bytes, "ab") == "length.short");
  CHECK(verdict(bytes, "abc").empty());
  CHECK(verdict(bytes, "abcde").empty());
  CHECK(verdict(bytes, "abcdef") == "length.long");
  CHECK_THROWS_WITH(chain_of({"gophr"}), Catch::Contains("gopher"));
  CHECK_THROWS_WITH(chain_of({Table{{"name", "gopher"}, {"min_word", 3}}}),
                    Catch::Contains("min_words"));
  CHECK_THROWS_AS(chain_of({Table{{"name", "length"}, {"min", 9}, {"max", 5}}}), Error);
  CHECK_THROWS_AS(chain_of({Table{{"name", "gopher_repetition"}, {"max_top", List{0.5}}}}), Error);
  FilterChain loose = chain_of({Table{{"name", "gopher"}, {"min_words", 1}, {"max_lines", 1.0}}});
  CHECK(find(loose.to_list()[0].as_table(), "min_words")->as_int() == 1);
  CHECK(find(loose.to_list()[1].as_table(), "max_lines")->as_double() == 1.0);
}

TEST_CASE("dedup keeps the first of equal texts, in memory and through files") {
  const uint64_t seed = 12;
  INFO("seed " << seed);
  RandomStream random(seed, "hashes");
  TemporaryFolder folder;
  for (size_t most : {size_t{1} << 20, size_t{64}, size_t{1}}) {
    DuplicateFinder finder(folder.path(), most);
    std::set<std::pair<uint64_t, uint64_t>> seen;
    std::vector<uint64_t> expected;
    for (uint64_t id = 0; id < (most == 1 ? 60u : 3000u); ++id) {
      DuplicateFinder::Hash hash{mix64(random.below(900), 1), random.below(2)};
      if (!seen.insert({hash.high, hash.low}).second) expected.push_back(id);
      finder.add(hash, id);
    }
    CHECK(finder.finish() == expected);
  }
  CHECK(list_folder(folder.path()).empty());  // nothing is left behind

  std::vector<std::string> texts = {"a b", "c", "a b", "d", "c", "a b", "e"};
  auto source = std::make_shared<FilteredSource>(list("x", texts), List{"dedup"}, folder.path());
  std::vector<int> dropped;
  for (uint64_t id = 0; id < texts.size(); ++id) dropped.push_back(source->document(id).dropped_by);
  CHECK(dropped == std::vector<int>{-1, -1, 0, -1, 0, 0, -1});
  CHECK(list_folder(folder.path() + "/dedup").size() == 1);
  // The kept scan says the same, and a damaged one is made anew.
  std::string kept = folder.path() + "/dedup/" + list_folder(folder.path() + "/dedup")[0];
  auto again = std::make_shared<FilteredSource>(list("x", texts), List{"dedup"}, folder.path());
  CHECK((again->manifest() == source->manifest()));
  std::string content = read_file(kept);
  write_file_atomic(kept, content.substr(0, content.size() - 3));
  again = std::make_shared<FilteredSource>(list("x", texts), List{"dedup"}, folder.path());
  CHECK(again->document(4).dropped_by == 0);
  CHECK(read_file(kept) == content);
  const Table manifest = source->manifest();
  const Table& entry = find(manifest, "filters")->as_list()[0].as_table();
  CHECK(find(entry, "documents")->as_int() == 7);
  CHECK(find(entry, "duplicates")->as_int() == 3);
}

namespace {

// JSON lines over several blocks, with short rows and duplicates.
std::string write_mixed_rows(const TemporaryFolder& folder, int rows) {
  std::string text;
  for (int i = 0; i < rows; ++i) {
    std::string body =
        i % 7 == 3 ? "same text again, and again it is the same" : "row " + std::to_string(i);
    body += std::string(i % 5 == 0 ? 10 : 1500 + static_cast<size_t>(i % 1000), 'x');
    if (i % 7 == 3) body = "same text again, and again it is the same";
    text += "{\"text\":\"" + body + "\"}\n";
  }
  return write(folder, "rows.jsonl", text);
}

Table facts_of(const TokenStream& stream) {
  return find(stream.report(), "sources")->as_list()[0].as_table();
}

}  // namespace

TEST_CASE("a filtered stream counts what each rule drops, and goes on exactly from a cursor") {
  TemporaryFolder folder;
  std::string path = write_mixed_rows(folder, 2500);
  List filters = {"dedup", Table{{"name", "length"}, {"min", 30}, {"unit", "tokens"}},
                  Table{{"name", "length"}, {"max", 2400}}};
  auto make = [&](int64_t threads) {
    StreamOptions options;
    options.lanes = 3;
    options.pack_tokens = 4000;
    options.threads = threads;
    options.validation_share = 0.1;
    Table opened{{"filters", filters}, {"cache", folder.path() + "/cache"}};
    return std::make_unique<TokenStream>(std::vector<StreamSource>{{open_source(path, opened), 1}},
                                         make_byte_tokenizer(), options);
  };
  auto straight = make(0), other = make(3);
  RandomStream random(5, "steps");
  for (int step = 0; step < 260; ++step) {
    if (random.below(9) == 0) {
      Table cursor = parse_json(write_json(other->cursor()), "cursor").as_table();
      for (int64_t threads : {0, 2}) {
        other = make(threads);
        other->seek(cursor);
        REQUIRE((parse_json(write_json(other->cursor()), "cursor").as_table() == cursor));
      }
    }
    REQUIRE(dump(straight->next(2, 4096)) == dump(other->next(2, 4096)));
  }
  REQUIRE(find(facts_of(*straight), "epoch")->as_int() >= 1);
  CHECK(write_json(facts_of(*straight)) == write_json(facts_of(*other)));

  // Every document of an epoch by hand.
  StreamOptions options;
  options.lanes = 1;
  options.pack_tokens = 0;
  options.exhaustion = "stop";
  Table opened{{"filters", filters}, {"cache", folder.path() + "/cache"}};
  TokenStream whole({{open_source(path, opened), 1}}, make_byte_tokenizer(), options);
  while (whole.next(4, 4096).lanes > 0) {
  }
  SourcePtr plain = open_source(path);
  std::set<std::string> seen;
  int64_t duplicates = 0, brief = 0, lengthy = 0, kept = 0, bytes = 0;
  for (auto id = plain->first_from(0); id; id = plain->first_from(*id + 1)) {
    std::string text = plain->document(*id).text;
    // The rule on tokens is tried when the document is encoded, after those on bytes.
    if (!seen.insert(text).second) {
      ++duplicates;
      bytes += static_cast<int64_t>(text.size());
    } else if (text.size() > 2400) {
      ++lengthy;
    } else if (text.size() < 30) {
      ++brief;
    } else {
      ++kept;
    }
  }
  Table facts = facts_of(whole);
  auto dropped = [&](const char* rule, const char* what) {
    return find(find(find(facts, "dropped")->as_table(), rule)->as_table(), what)->as_int();
  };
  CHECK(find(facts, "documents")->as_int() == kept);
  CHECK(dropped("dedup.duplicate", "documents") == duplicates);
  CHECK(dropped("dedup.duplicate", "bytes") == bytes);
  CHECK(dropped("length.short", "documents") == brief);
  CHECK(dropped("length.long", "documents") == lengthy);
  CHECK(find(facts, "dropped_documents")->as_int() == duplicates + brief + lengthy);
  CHECK(brief > 0);
  CHECK(lengthy > 0);

  // A cursor of other filters is refused.
  StreamOptions three;
  three.lanes = 3;
  three.pack_tokens = 4000;
  TokenStream unfiltered({{open_source(path), 1}}, make_byte_tokenizer(), three);
  CHECK_THROWS_WITH(unfiltered.seek(straight->cursor()), Catch::Contains("dropped"));
}

TEST_CASE("filters that drop everything end with a message, not in a search for ever") {
  auto source = std::make_shared<FilteredSource>(list("x", {"a b c", "d e f"}),
                                                 List{Table{{"name", "length"}, {"min", 100}}}, "");
  StreamOptions options;
  TokenStream stream({{source, 1}}, make_byte_tokenizer(), options);
  CHECK_THROWS_WITH(stream.next(1, 8), Catch::Contains("no usable document"));
  class Endless : public DocumentSource {
   public:
    std::string name() const override { return "endless"; }
    uint64_t document_count() const override { return kUnlimited; }
    Document document(uint64_t) const override { return {}; }
    Table manifest() const override { return {{"kind", "endless"}}; }
  };
  CHECK_THROWS_WITH(FilteredSource(std::make_shared<Endless>(), List{"dedup"}, ""),
                    Catch::Contains("no end"));
}
