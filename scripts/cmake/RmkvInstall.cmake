# `cmake --install build --prefix X` makes a tree that runs from wherever it is moved to:
#   bin/rmkv               the program, which looks for its libraries in ../lib/rmkv
#   lib/rmkv/*.so*         LibTorch, its runtime libraries, and librmkv_cuda.so where it was built
#   share/rmkv/recipes     the recipes;  share/rmkv/meta  their types for editors
# RMKV_INSTALL_TORCH: COPY (default) puts LibTorch's files into the tree, about 470 MB, and 530 MB more of its CUDA
# libraries where there are any; LINK leaves absolute symbolic links to them, for a tree that stays on this machine.
set(RMKV_INSTALL_TORCH "COPY" CACHE STRING "LibTorch in the installed tree: COPY or LINK")
if(NOT RMKV_INSTALL_TORCH MATCHES "^(COPY|LINK)$")
  message(FATAL_ERROR "RMKV_INSTALL_TORCH: got ${RMKV_INSTALL_TORCH}, expected COPY or LINK")
endif()

install(PROGRAMS $<TARGET_FILE:rmkv> DESTINATION bin)
install(CODE [[file(RPATH_SET FILE "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/bin/rmkv" NEW_RPATH "$ORIGIN/../lib/rmkv")]])
install(DIRECTORY recipes DESTINATION share/rmkv)
install(DIRECTORY scripts/meta DESTINATION share/rmkv OPTIONAL)
if(RMKV_CUDA_LIBRARY)
  install(PROGRAMS ${RMKV_CUDA_LIBRARY} DESTINATION lib/rmkv)
endif()
install(CODE "set(program \"$<TARGET_FILE:rmkv>\")
  set(torch \"${RMKV_TORCH}\")
  set(mode \"${RMKV_INSTALL_TORCH}\")")
install(CODE [[
  # -DRMKV_INSTALL_TORCH=LINK can also be given to cmake_install.cmake itself.
  if(DEFINED RMKV_INSTALL_TORCH)
    set(mode ${RMKV_INSTALL_TORCH})
  endif()
]])
install(CODE [[
  # What the loader really uses: LibTorch, its libgomp, and libcudart and libcupti from wherever they are.
  execute_process(COMMAND ldd ${program} OUTPUT_VARIABLE loaded)
  string(REGEX MATCHALL "lib(torch|c10|gomp|cudart|cupti)[^ \n]* => [^ \n]+" lines "${loaded}")
  file(GLOB cuda ${torch}/lib/libtorch_cuda*.so ${torch}/lib/libc10_cuda.so ${torch}/lib/libtorch_nvshmem.so
       ${torch}/lib/libcaffe2_nvrtc.so)
  foreach(path ${cuda})
    get_filename_component(name ${path} NAME)
    list(APPEND lines "${name} => ${path}")
  endforeach()
  set(folder "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/lib/rmkv")
  file(MAKE_DIRECTORY ${folder})
  foreach(line ${lines})
    string(REGEX MATCH "^([^ ]+) => (.+)$" found "${line}")
    set(name ${CMAKE_MATCH_1})
    file(REAL_PATH ${CMAKE_MATCH_2} path)
    message(STATUS "Installing: ${folder}/${name}")
    file(REMOVE ${folder}/${name})
    if(mode STREQUAL "LINK")
      file(CREATE_LINK ${path} ${folder}/${name} SYMBOLIC)
    else()
      file(COPY_FILE ${path} ${folder}/${name} ONLY_IF_DIFFERENT)
    endif()
  endforeach()
]])
