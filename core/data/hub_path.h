// Names of data sets of the Hugging Face hub, and which files of one a split is made of.
//
//   hub:owner/name[@revision][:config[/split]]      hub:FOLDER[:config[/split]]  (a local snapshot)
#pragma once

#include <string>
#include <vector>

namespace rmkv {

struct HubPath {
  std::string repository;  // "owner/name"; "" where a folder is named
  std::string folder;      // a local snapshot
  std::string revision = "main";
  std::string config;           // "" for the default one
  std::string split = "train";  // "all": every file of the configuration
};

bool is_hub_path(const std::string& path);
// Throws where the name has another form.
HubPath parse_hub_path(const std::string& path);

// Whether `path` fits a pattern with * (within a folder), ** and ?.
bool fits_pattern(const std::string& path, const std::string& pattern);

// The data files of a configuration and split among all files of a repository, sorted.  `card` is
// the text of README.md, whose `configs:` decide when they are there (hub-docs, manual
// configuration); otherwise folders are configurations, and words of file and folder names are
// splits.  Throws with the names that there are.
std::vector<std::string> choose_hub_files(const std::vector<std::string>& files,
                                          const std::string& card, const HubPath& wanted);

// The snapshot folder of a repository in the local caches of the hub's own tools, or "":
// $HF_HUB_CACHE, $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub.
std::string find_hub_snapshot(const HubPath& path);

}  // namespace rmkv
