// fuzz_seeds FOLDER: what the fuzz targets begin with, made by the project's own writers, so that
// no binary files lie in the tree.
#include "tests/fuzz/seeds.h"

#include <cstdio>
#include <exception>

#include "core/base/file.h"

namespace rmkv::fuzz {

namespace {

std::string folder;

}  // namespace

void put_seed(const std::string& target, const std::string& name, const std::string& bytes) {
  make_folders(folder + "/" + target);
  const std::string path = folder + "/" + target + "/" + name;
  // Kept when it is there already: nothing is synced for the hundredth time.
  if (path_exists(path) && read_file(path) == bytes) return;
  write_file_atomic(path, bytes);
}

}  // namespace rmkv::fuzz

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds FOLDER\n");
    return 1;
  }
  rmkv::fuzz::folder = arguments[1];
  try {
    rmkv::fuzz::put_data_seeds();
    rmkv::fuzz::put_model_seeds();
    rmkv::fuzz::put_tokenizer_seeds();
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "fuzz_seeds: %s\n", problem.what());
    return 1;
  }
  return 0;
}
