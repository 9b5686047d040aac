# The fuzz targets of tests/fuzz, build/tests/fuzz_NAME, built by scripts/fuzz with clang (-DRMKV_FUZZ=ON).  Each links
# only the readers it needs: none wants the models or the kernels, and only those of model files want LibTorch.
file(GLOB data_readers CONFIGURE_DEPENDS core/data/*.cpp)
list(FILTER data_readers EXCLUDE REGEX "/(batch_writer|stream|lane_feeder|lane_feeder_cursor|evaluation_stream|http)\\.cpp$")
add_library(rmkv_fuzz_data STATIC ${data_readers})
# Without the tokenizer, which only files that no target calls need.
target_link_libraries(rmkv_fuzz_data PUBLIC rmkv_base rmkv_simdjson rmkv_zlib rmkv_zstd)

file(GLOB model_readers CONFIGURE_DEPENDS core/checkpoint/*.cpp)
list(FILTER model_readers EXCLUDE REGEX "/model_loader\\.cpp$")
add_library(rmkv_fuzz_config STATIC core/models/rwkv/rwkv_config.cpp core/models/rwkv/rwkv_names.cpp)
target_link_libraries(rmkv_fuzz_config PUBLIC rmkv_base)
add_library(rmkv_fuzz_models STATIC ${model_readers})
target_link_libraries(rmkv_fuzz_models PUBLIC rmkv_tensor rmkv_fuzz_config rmkv_zlib)
target_precompile_headers(rmkv_fuzz_models REUSE_FROM rmkv_tensor)

set(fuzz_targets "")
# rmkv_fuzz(LIBRARY NAME...): targets that link a library.
function(rmkv_fuzz library)
  foreach(name ${ARGN})
    add_executable(fuzz_${name} tests/fuzz/fuzz_${name}.cpp)
    target_link_libraries(fuzz_${name} PRIVATE ${library})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    list(APPEND fuzz_targets fuzz_${name})
  endforeach()
  set(fuzz_targets ${fuzz_targets} PARENT_SCOPE)
endfunction()
rmkv_fuzz(rmkv_fuzz_config json toml)
rmkv_fuzz(rmkv_tokenizer gpt2_files tiktoken token_ids tokenizer_json tokenizer_texts world)
rmkv_fuzz(rmkv_fuzz_data gzip hub jsonl megatron npy restart_index table zstd)
rmkv_fuzz(rmkv_fuzz_models checkpoint ggmf gguf model_folder original pickle pth safetensors)
if(TARGET rmkv_parquet)
  rmkv_fuzz(rmkv_fuzz_data parquet)
  # The glue is instrumented too; what the sanitizers call lies in the program.
  set(sanitizers -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
  target_compile_options(rmkv_parquet PRIVATE ${sanitizers})
  target_link_options(rmkv_parquet PRIVATE -fsanitize=address,undefined)
  set_target_properties(fuzz_parquet PROPERTIES ENABLE_EXPORTS ON)
  add_dependencies(fuzz_parquet rmkv_parquet)
endif()

# Writes what the targets begin with, through the project's own writers.
file(GLOB seed_sources CONFIGURE_DEPENDS tests/fuzz/seeds*.cpp)
add_executable(fuzz_seeds ${seed_sources})
target_link_libraries(fuzz_seeds PRIVATE rmkv_fuzz_models rmkv_fuzz_data rmkv_tokenizer)
set_target_properties(fuzz_seeds PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_custom_target(rmkv_fuzz_all DEPENDS fuzz_seeds ${fuzz_targets})
