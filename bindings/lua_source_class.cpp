// Class Source of the module rmkv.data: documents by index.
#include "bindings/lua_data.h"
#include "bindings/lua_value.h"
#include "bindings/objects.h"
#include "core/base/error.h"

namespace rmkv::lua {

template <>
const Class& class_of<const DocumentSource>() {
  static const Class type{"Source", "documents by index: a pure function from a number to text"};
  return type;
}

namespace {

const DocumentSource& source(const Call& c) {
  return c.object<const DocumentSource>(1);
}

int source_name(Call& c) {
  return c.push(source(c).name());
}

int source_count(Call& c) {
  uint64_t count = source(c).document_count();
  return count >= DocumentSource::kUncounted ? c.push_nil() : c.push(count);
}

int source_document(Call& c) {
  auto index = static_cast<uint64_t>(c.integer(2));
  auto id = source(c).nth(index - 1);
  if (!id) fail("index", std::to_string(index), "a document of the source");
  Document document = source(c).document(*id);
  c.push(document.text);
  if (document.dropped_by < 0) return 1;
  return 1 + c.push(source(c).filter_rules().at(static_cast<size_t>(document.dropped_by)));
}

int source_manifest(Call& c) {
  return c.push(Value(source(c).manifest()));
}
int source_fingerprint(Call& c) {
  return c.push(source(c).fingerprint());
}

}  // namespace

std::vector<Function> source_functions() {
  return {
      {.name = "Source:name",
       .doc = "Returns the name.",
       .args = {},
       .returns = {{"", "string", ""}},
       .call = source_name},
      {.name = "Source:count",
       .doc = "Returns the number of documents.",
       .args = {},
       .returns = {{"", "integer?",
                    "nil when there is no end, or only a pass over the data would tell"}},
       .call = source_count},
      {.name = "Source:document",
       .doc = "Returns the text of a document.",
       .args = {{"index", "integer", "", "", 1}},
       .returns = {{"", "string", ""},
                   {"rule", "string?", "by which a filter drops it from streams"}},
       .call = source_document,
       .errors = "beyond the last one, and on a damaged one"},
      {.name = "Source:manifest",
       .doc = "Returns what the documents depend on.",
       .args = {},
       .returns = {{"", "table", ""}},
       .call = source_manifest},
      {.name = "Source:fingerprint",
       .doc = "Returns the hash of the manifest.",
       .args = {},
       .returns = {{"", "string", ""}},
       .call = source_fingerprint},
  };
}

}  // namespace rmkv::lua
