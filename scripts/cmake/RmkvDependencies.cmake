# Where the libraries come from, one interface target each.  LibTorch is linked by file, not through its own
# CMake package, which would demand the CUDA toolkit; everything else is a Debian package.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

# LibTorch: the folder that holds include/ and lib/ of the PyPI wheel `torch` or of a LibTorch archive.
if(NOT RMKV_TORCH)
  file(GLOB candidates ${CMAKE_SOURCE_DIR}/.deps/torch-*/torch)
  if(candidates)
    list(GET candidates 0 RMKV_TORCH)
  endif()
endif()
if(NOT EXISTS ${RMKV_TORCH}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch not found (RMKV_TORCH='${RMKV_TORCH}'). Run scripts/setup, or pass -DRMKV_TORCH=DIR.")
endif()
# libtorch_cpu.so needs libcudart and libcupti: from the wheels under .deps/, or from the system's CUDA toolkit.
file(GLOB RMKV_TORCH_RUNTIME ${CMAKE_SOURCE_DIR}/.deps/cuda-runtime/nvidia/*/lib)
add_library(rmkv_torch INTERFACE)
target_include_directories(rmkv_torch SYSTEM INTERFACE ${RMKV_TORCH}/include ${RMKV_TORCH}/include/torch/csrc/api/include)
target_link_libraries(rmkv_torch INTERFACE ${RMKV_TORCH}/lib/libtorch_cpu.so ${RMKV_TORCH}/lib/libc10.so)
# The wheel's own dependencies are resolved by its rpath at run time, not by our link.
target_link_options(rmkv_torch INTERFACE -Wl,--allow-shlib-undefined -Wl,--disable-new-dtags)
# LibTorch's own OpenMP runtime (its name carries a hash in some releases); a second one would start a second pool of
# threads.  A LibTorch without one uses the system's.
file(GLOB RMKV_OPENMP ${RMKV_TORCH}/lib/libgomp*.so*)
if(NOT RMKV_OPENMP)
  set(RMKV_OPENMP gomp)
endif()
# The same path for all programs; RmkvInstall.cmake sets the installed one.  CMake's own build path would end with an
# empty entry, which means the current folder.
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
set(CMAKE_INSTALL_RPATH ${RMKV_TORCH}/lib ${RMKV_TORCH_RUNTIME})

# LuaJIT is linked statically: its machine code must stay within 2 GB of its interpreter, which large shared
# libraries would crowd out (LuaJIT issue 285).
pkg_check_modules(LUAJIT REQUIRED luajit)
find_library(RMKV_LUAJIT_ARCHIVE NAMES libluajit-5.1.a REQUIRED)
add_library(rmkv_luajit INTERFACE)
target_include_directories(rmkv_luajit SYSTEM INTERFACE ${LUAJIT_INCLUDE_DIRS})
target_link_libraries(rmkv_luajit INTERFACE ${RMKV_LUAJIT_ARCHIVE} m ${CMAKE_DL_LIBS})

# rmkv_system_library(TARGET HEADER LIBRARY...): a Debian library; header-only when no LIBRARY is named.
function(rmkv_system_library target header)
  find_path(${target}_include ${header} REQUIRED)
  add_library(${target} INTERFACE)
  target_include_directories(${target} SYSTEM INTERFACE ${${target}_include})
  foreach(name ${ARGN})
    find_library(${target}_${name} ${name} REQUIRED)
    target_link_libraries(${target} INTERFACE ${${target}_${name}})
  endforeach()
endfunction()
rmkv_system_library(rmkv_toml toml++/toml.h)
rmkv_system_library(rmkv_json nlohmann/json.hpp)
rmkv_system_library(rmkv_simdjson simdjson.h simdjson)
rmkv_system_library(rmkv_pcre2 pcre2.h pcre2-8)
rmkv_system_library(rmkv_utf8proc utf8proc.h utf8proc)
rmkv_system_library(rmkv_hash xxhash.h xxhash)
rmkv_system_library(rmkv_edit histedit.h edit)
# A library of code, so the header has to be read as it was compiled there.
rmkv_system_library(rmkv_http httplib.h cpp-httplib)
pkg_check_modules(HTTPLIB REQUIRED cpp-httplib)
target_compile_options(rmkv_http INTERFACE ${HTTPLIB_CFLAGS_OTHER})
rmkv_system_library(rmkv_zlib zlib.h z)
rmkv_system_library(rmkv_zstd zstd.h zstd)

# Catch2 is version 2 on Debian 12 and version 3 on newer systems; tests/catch.h picks the header.
add_library(rmkv_catch_headers INTERFACE)
find_package(Catch2 3 QUIET)
if(Catch2_FOUND)
  target_link_libraries(rmkv_catch_headers INTERFACE Catch2::Catch2)
endif()
