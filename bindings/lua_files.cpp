// The functions of rmkv.system that read, write and look at files.
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "bindings/bind.h"
#include "bindings/modules.h"
#include "core/base/error.h"
#include "core/base/file.h"

namespace rmkv::lua {

namespace fs = std::filesystem;

namespace {

const Field kPath{"path", "string", ""};

int exists(Call& c) {
  return c.push(path_exists(c.string(1)));
}
int folder_exists(Call& c) {
  return c.push(is_folder(c.string(1)));
}

int list(Call& c) {
  std::string path = c.string(1);
  if (!is_folder(path)) return c.absent(path + ": no such folder");
  return c.push(list_folder(path));
}

int make_folder(Call& c) {
  make_folders(c.string(1));
  return 0;
}

int read(Call& c) {
  std::string path = c.string(1);
  if (!path_exists(path)) return c.absent(path + ": no such file");
  return c.push(read_file(path));
}

int write_whole(Call& c) {
  write_file_atomic(c.string(1), c.text(2));
  return 0;
}

int append(Call& c) {
  append_file(c.string(1), c.text(2));
  return 0;
}

int remove_path(Call& c) {
  std::error_code error;
  std::string path = c.string(1);
  bool removed = c.boolean(2) ? fs::remove_all(path, error) > 0 : fs::remove(path, error);
  if (error) return c.absent(path + ": " + error.message());
  if (!removed) return c.absent(path + ": no such file");
  return c.push(true);
}

int rename_path(Call& c) {
  if (std::rename(c.string(1).c_str(), c.string(2).c_str()) != 0) {
    fail_because(c.string(1),
                 std::string("cannot be renamed to ") + c.string(2) + ": " + std::strerror(errno));
  }
  return 0;
}

// Made beside and renamed, so that the name always points somewhere.
int link_path(Call& c) {
  std::string path = c.string(2), beside = path + ".new";
  unlink(beside.c_str());
  if (symlink(c.string(1).c_str(), beside.c_str()) != 0 ||
      std::rename(beside.c_str(), path.c_str()) != 0) {
    fail_because(path, std::string("cannot be linked: ") + std::strerror(errno));
  }
  return 0;
}

int absolute(Call& c) {
  // A path that does not exist stays relative otherwise.
  return c.push(fs::weakly_canonical(fs::absolute(c.string(1))).string());
}
int hash_path(Call& c) {
  return c.push(file_hash(c.string(1)));
}
int hash_text(Call& c) {
  return c.push(content_hash(c.text(1)));
}
int size_of_file(Call& c) {
  return c.push(file_size_bytes(c.string(1)));
}

int modified(Call& c) {
  struct stat facts;
  std::string path = c.string(1);
  if (stat(path.c_str(), &facts) != 0) return c.absent(path + ": " + std::strerror(errno));
  return c.push(static_cast<double>(facts.st_mtim.tv_sec) +
                1e-9 * static_cast<double>(facts.st_mtim.tv_nsec));
}

int disk_free(Call& c) {
  struct statvfs facts;
  std::string path = c.string(1, ".");
  if (statvfs(path.c_str(), &facts) != 0) return c.absent(path + ": " + std::strerror(errno));
  return c.push(static_cast<uint64_t>(facts.f_bavail) * facts.f_frsize);
}

}  // namespace

void add_file_functions(std::vector<Function>& functions) {
  functions.insert(
      functions.end(),
      {{.name = "rmkv.system.exists",
        .doc = "Tells whether a file or folder exists.",
        .args = {kPath},
        .returns = {{"", "boolean", ""}},
        .call = exists},
       {.name = "rmkv.system.is_folder",
        .doc = "Tells whether a folder exists.",
        .args = {kPath},
        .returns = {{"", "boolean", ""}},
        .call = folder_exists},
       {.name = "rmkv.system.list",
        .doc = "Lists the names in a folder, sorted.",
        .args = {kPath},
        .returns = {{"names", "list?", "nil when there is no such folder"},
                    {"message", "string?", ""}},
        .call = list},
       {.name = "rmkv.system.make_folders",
        .doc = "Creates a folder and its parents.",
        .args = {kPath},
        .returns = {},
        .call = make_folder,
        .errors = "when the system refuses"},
       {.name = "rmkv.system.read_file",
        .doc = "Reads a whole file.",
        .args = {kPath},
        .returns = {{"content", "string?", "nil when there is no such file"},
                    {"message", "string?", ""}},
        .call = read,
        .errors = "when it cannot be read"},
       {.name = "rmkv.system.write_file",
        .doc = "Writes a whole file atomically: readers see the old one or the new one.",
        .args = {kPath, {"content", "string", ""}},
        .returns = {},
        .call = write_whole,
        .errors = "when it cannot be written"},
       {.name = "rmkv.system.append_file",
        .doc = "Appends to a file.",
        .args = {kPath, {"content", "string", ""}},
        .returns = {},
        .call = append,
        .errors = "when it cannot be written"},
       {.name = "rmkv.system.remove",
        .doc = "Removes a file, an empty folder, or a whole folder.",
        .args = {kPath, {"whole", "boolean?", "also a folder with what is in it", "false"}},
        .returns = {{"removed", "boolean?", ""}, {"message", "string?", ""}},
        .call = remove_path},
       {.name = "rmkv.system.rename",
        .doc = "Renames a file or folder, replacing a file.",
        .args = {{"from", "string", ""}, {"to", "string", ""}},
        .returns = {},
        .call = rename_path,
        .errors = "when the system refuses"},
       {.name = "rmkv.system.link",
        .doc = "Points a symbolic link at a target, replacing it atomically.",
        .args = {{"target", "string", ""}, kPath},
        .returns = {},
        .call = link_path,
        .errors = "when the system refuses"},
       {.name = "rmkv.system.absolute",
        .doc = "Returns the absolute path without links.",
        .args = {kPath},
        .returns = {{"", "string", ""}},
        .call = absolute},
       {.name = "rmkv.system.hash_file",
        .doc = "Returns the XXH3-128 of a file, against damage, not malice.",
        .args = {kPath},
        .returns = {{"", "string", "32 hexadecimal digits"}},
        .call = hash_path,
        .errors = "when it cannot be read"},
       {.name = "rmkv.system.hash",
        .doc = "Returns the XXH3-128 of a text.",
        .args = {{"content", "string", ""}},
        .returns = {{"", "string", "32 hexadecimal digits"}},
        .call = hash_text},
       {.name = "rmkv.system.file_size",
        .doc = "Returns the size of a file.",
        .args = {kPath},
        .returns = {{"", "integer", "", "", -HUGE_VAL, HUGE_VAL, "bytes"}},
        .call = size_of_file,
        .errors = "when there is none"},
       {.name = "rmkv.system.modified",
        .doc = "Returns when a file was changed, in seconds since 1970.",
        .args = {kPath},
        .returns = {{"time", "number?", ""}, {"message", "string?", ""}},
        .call = modified},
       {.name = "rmkv.system.disk_free",
        .doc = "Returns the free space where a path lies.",
        .args = {{"path", "string?", "", "\".\""}},
        .returns = {{"bytes", "integer?", ""}, {"message", "string?", ""}},
        .call = disk_free}});
}

}  // namespace rmkv::lua
