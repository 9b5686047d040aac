// Names, pointers, rotation and the search for what can be resumed.
#include "core/checkpoint/run_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <set>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/option_reader.h"

namespace rmkv {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "rmkv_";
constexpr std::string_view kStep = "_step_";
constexpr std::string_view kFinal = "_final";

bool is_mode(std::string_view mode) {
  return !mode.empty() && std::all_of(mode.begin(), mode.end(),
                                      [](unsigned char c) { return std::isalnum(c) || c == '-'; });
}

// Reads mode and step from a folder's name; false when it is none of ours.
bool parse_name(const std::string& name, CheckpointEntry& entry) {
  std::string_view rest = name;
  if (rest.substr(0, kPrefix.size()) != kPrefix) return false;
  rest.remove_prefix(kPrefix.size());
  size_t step = rest.rfind(kStep);
  if (step != std::string_view::npos) {
    std::string_view digits = rest.substr(step + kStep.size());
    bool number =
        !digits.empty() && digits.size() <= 18 &&
        std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!number) return false;
    entry.step = std::stoll(std::string(digits));
    rest = rest.substr(0, step);
  } else if (rest.size() > kFinal.size() && rest.substr(rest.size() - kFinal.size()) == kFinal) {
    entry.is_final = true;
    entry.step = -1;
    rest.remove_suffix(kFinal.size());
  } else {
    return false;
  }
  entry.name = name;
  entry.mode = rest;
  return is_mode(rest);
}

int64_t int_fact(const Table& facts, const std::string& key, int64_t otherwise) {
  const Value* value = find(facts, key);
  return value && value->is_int() ? value->as_int() : otherwise;
}

}  // namespace

RotationOptions read_rotation_options(const Table& table, const std::string& where) {
  RotationOptions options;
  OptionReader reader(table, where);
  reader.read("keep_last", options.keep_last, 1);
  reader.read("keep_every", options.keep_every, 0);
  reader.finish();
  return options;
}

RunFolder::RunFolder(std::string path) : path_(std::move(path)) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
}

std::string RunFolder::checkpoint_name(const std::string& mode, int64_t step, bool is_final) {
  if (!is_mode(mode)) fail("checkpoint", "mode '" + mode + "'", "letters, digits and '-'");
  if (!is_final && step < 0) fail("checkpoint", "step " + std::to_string(step), "0 or more");
  std::string name = std::string(kPrefix) + mode;
  return is_final ? name + std::string(kFinal) : name + std::string(kStep) + std::to_string(step);
}

std::string RunFolder::save(CheckpointContent content, const RotationOptions& rotation,
                            bool is_final, std::optional<double> loss) {
  const Value* mode = find(content.facts, "mode");
  const Value* step = find(content.facts, "step");
  if (!mode || !mode->is_string() || !step || !step->is_int()) {
    fail("checkpoint", "facts without mode or step", "\"mode\" (string) and \"step\" (integer)");
  }
  if (loss) content.facts["loss"] = *loss;
  const std::string name = checkpoint_name(mode->as_string(), step->as_int(), is_final);
  make_folders(path_);
  clean();
  save_checkpoint(path_ + "/" + name, content);
  point("latest", name);
  if (loss && *loss < best_loss()) point("best", name);
  rotate(rotation);
  return path_ + "/" + name;
}

double RunFolder::best_loss() const {
  std::optional<std::string> best = pointer("best");
  if (!best) return std::numeric_limits<double>::infinity();
  try {
    const Table facts = checkpoint_facts(*best);
    const Value* loss = find(facts, "loss");
    if (loss && loss->is_number()) return loss->as_double();
  } catch (const Error&) {
    // A damaged best one is no rival.
  }
  return std::numeric_limits<double>::infinity();
}

std::vector<CheckpointEntry> RunFolder::list(bool deep) const {
  std::vector<CheckpointEntry> entries;
  if (!is_folder(path_)) return entries;
  for (const std::string& name : list_folder(path_)) {
    CheckpointEntry entry;
    entry.path = path_ + "/" + name;
    if (!parse_name(name, entry) || !is_folder(entry.path)) continue;
    entry.damage = checkpoint_damage(entry.path, deep);
    if (entry.damage.empty()) {
      entry.facts = checkpoint_facts(entry.path);
      entry.step = int_fact(entry.facts, "step", entry.step);
    }
    entries.push_back(std::move(entry));
  }
  // A final one whose facts cannot be read ended the run, whatever its step was.
  const auto place = [](const CheckpointEntry& e) { return e.step < 0 ? INT64_MAX : e.step; };
  std::stable_sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
    return place(a) != place(b) ? place(a) < place(b) : a.is_final < b.is_final;
  });
  return entries;
}

ResumeFacts RunFolder::resume_facts() const {
  ResumeFacts facts;
  std::vector<CheckpointEntry> entries = list();
  for (size_t i = entries.size(); i-- > 0;) {
    CheckpointEntry& entry = entries[i];
    if (entry.damage.empty()) entry.damage = checkpoint_damage(entry.path);
    if (entry.damage.empty()) {
      facts.newest = std::move(entry);
      break;
    }
    facts.damaged.push_back(std::move(entry));
  }
  return facts;
}

std::optional<std::string> RunFolder::pointer(const std::string& name) const {
  std::error_code error;
  fs::path target = fs::read_symlink(path_ + "/" + name, error);
  if (error || target.empty()) return std::nullopt;
  std::string path = path_ + "/" + target.filename().string();
  if (!is_folder(path)) return std::nullopt;
  return path;
}

void RunFolder::point(const std::string& name, const std::string& target) const {
  const std::string link = path_ + "/" + name, beside = path_ + "/." + name + ".part";
  ::unlink(beside.c_str());
  if (::symlink(target.c_str(), beside.c_str()) != 0 ||
      ::rename(beside.c_str(), link.c_str()) != 0) {
    fail_because(link, std::string("cannot point at ") + target + ": " + std::strerror(errno));
  }
  sync_path(path_);
}

void RunFolder::rotate(const RotationOptions& rotation) const {
  std::set<std::string> stays;
  for (const char* name : {"latest", "best"}) {
    if (auto path = pointer(name)) stays.insert(*path);
  }
  std::vector<CheckpointEntry> entries = list();
  int64_t whole = 0;
  for (size_t i = entries.size(); i-- > 0;) {
    const CheckpointEntry& entry = entries[i];
    // A damaged one is left for people to look at; it does not count as kept.
    if (!entry.damage.empty() || entry.is_final) continue;
    bool milestone = rotation.keep_every > 0 && entry.step % rotation.keep_every == 0;
    if (++whole <= rotation.keep_last || milestone || stays.count(entry.path)) continue;
    // Renamed first: a removal that is cut short must not leave half a checkpoint under its name.
    const std::string aside = path_ + "/." + entry.name + ".removed";
    if (::rename(entry.path.c_str(), aside.c_str()) != 0) continue;
    std::error_code ignored;
    fs::remove_all(aside, ignored);
  }
}

void RunFolder::clean() const {
  if (!is_folder(path_)) return;
  for (const std::string& name : list_folder(path_)) {
    CheckpointEntry entry;
    if (name.size() < 2 || name[0] != '.') continue;
    const std::string path = path_ + "/" + name;
    const size_t dot = name.rfind(".part");
    const bool removed = name.size() > 8 && name.substr(name.size() - 8) == ".removed";
    if (dot == std::string::npos && !removed) continue;
    const std::string original = name.substr(1, (removed ? name.size() - 8 : dot) - 1);
    if (!parse_name(original, entry)) continue;
    // A save that was cut short while it replaced a checkpoint: the old one goes back.
    const bool old = name.size() > 4 && name.substr(name.size() - 4) == ".old";
    if (old && !path_exists(path_ + "/" + original) && is_checkpoint(path)) {
      if (::rename(path.c_str(), (path_ + "/" + original).c_str()) == 0) continue;
    }
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
}

}  // namespace rmkv
