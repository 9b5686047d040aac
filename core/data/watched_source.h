// A folder into which files may be put while a stream reads it.
//
// At the end of each pass the folder is looked at; files that came are read next, behind those that
// were there, so that ids stay (document_order.h: what is new comes before anything is repeated).
// Every look is written to a journal before anything of it is read ({"look": 3, "files": [{path,
// size, hash}]}, one line each, also when nothing came): a stream that resumes, from wherever, asks
// the journal first and so reads what the killed one read; cursors name the looks they depend on.
// Files that went away or changed are named and end the stream.  A file joins once it has been left
// alone for two seconds; hidden names do not count.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "core/data/source.h"

namespace rmkv {

struct WatchedFolder {
  std::string path;
  std::string journal;  // file; "": kept in memory only
  // The data files that are there now, as paths below `path`, sorted.
  std::function<std::vector<std::string>()> list;
  // A source of these files, whose documents come file by file in this order.
  std::function<SourcePtr(const std::vector<std::string>& paths)> open;
};

class WatchedSource : public DocumentSource {
 public:
  // Look 0 is what the journal says, or what is there now.
  explicit WatchedSource(WatchedFolder folder);

  std::string name() const override { return first_->name(); }
  uint64_t document_count() const override { return first_->document_count(); }
  std::optional<uint64_t> first_from(uint64_t id) const override { return first_->first_from(id); }
  std::optional<uint64_t> nth(uint64_t n) const override { return first_->nth(n); }
  Document document(uint64_t id) const override { return first_->document(id); }
  uint64_t document_key(uint64_t id) const override { return first_->document_key(id); }
  // That of look 0; the journal tells the rest.
  Table manifest() const override;
  SourcePtr wrapped() const override { return first_; }
  bool grows() const override { return true; }
  SourcePtr at_look(uint64_t look) const override;
  std::string joined_until(uint64_t look) const override;

 private:
  struct Look {
    List files;          // that joined, as describe_file tells
    std::string joined;  // hash of this look and all before
  };
  void read_journal();
  void add_look(List files) const;
  const Look& look(uint64_t number) const;  // with the mutex held; decides where nothing is known
  void check_files(const List& files) const;
  std::vector<std::string> paths_until(uint64_t number) const;

  WatchedFolder folder_;
  mutable std::mutex mutex_;
  mutable std::vector<Look> looks_;
  SourcePtr first_;
};

}  // namespace rmkv
