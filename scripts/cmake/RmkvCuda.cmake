# librmkv_cuda.so: the kernels of core/kernels/cuda, compiled by nvcc without LibTorch and opened at run time.
# RMKV_CUDA=AUTO builds it where nvcc is; OFF never; ON fails without nvcc.
if(NOT RMKV_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "RMKV_CUDA: got ${RMKV_CUDA}, expected AUTO, ON or OFF")
endif()
if(NOT RMKV_CUDA STREQUAL "OFF")
  find_program(RMKV_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
  if(RMKV_CUDA STREQUAL "ON" AND NOT RMKV_NVCC)
    message(FATAL_ERROR "RMKV_CUDA=ON: got no nvcc, expected the CUDA toolkit (set CUDA_HOME)")
  endif()
endif()

if(NOT RMKV_CUDA STREQUAL "OFF" AND RMKV_NVCC)
  # One command line instead of CMake's CUDA language, whose compiler checks add 5 s to every first configuration.
  # Machine code for A100 (80), RTX 40 and L4 (89), H100/H200 (90); PTX of the oldest for what comes later or is
  # in between.  The CUDA runtime is linked statically: nothing but the driver is needed at run time.
  set(RMKV_CUDA_FLAGS -std=c++17 -O3 -Xcompiler=-fPIC,-fvisibility=hidden -I${CMAKE_SOURCE_DIR} --threads 2
      -gencode arch=compute_80,code=[sm_80,compute_80] -gencode arch=compute_89,code=sm_89
      -gencode arch=compute_90,code=[sm_90,compute_90])
  file(GLOB cuda_sources CONFIGURE_DEPENDS core/kernels/cuda/*.cu)
  set(cuda_objects "")
  foreach(source ${cuda_sources})
    get_filename_component(name ${source} NAME_WE)
    set(object ${CMAKE_BINARY_DIR}/cuda/${name}.o)
    add_custom_command(
      OUTPUT ${object} DEPFILE ${object}.d DEPENDS ${source}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/cuda
      COMMAND ${RMKV_NVCC} ${RMKV_CUDA_FLAGS} -MD -MF ${object}.d -MT ${object} -c ${source} -o ${object}
      COMMENT "nvcc ${name}.cu" VERBATIM)
    list(APPEND cuda_objects ${object})
  endforeach()
  set(RMKV_CUDA_LIBRARY ${CMAKE_BINARY_DIR}/lib/rmkv/librmkv_cuda.so)
  add_custom_command(
    OUTPUT ${RMKV_CUDA_LIBRARY} DEPENDS ${cuda_objects}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/lib/rmkv
    COMMAND ${RMKV_NVCC} -shared -cudart static -Xlinker=--exclude-libs,ALL -o ${RMKV_CUDA_LIBRARY} ${cuda_objects}
    COMMENT "linking librmkv_cuda.so" VERBATIM)
  add_custom_target(rmkv_cuda ALL DEPENDS ${RMKV_CUDA_LIBRARY})
  add_dependencies(rmkv rmkv_cuda)
else()
  message(STATUS "CUDA kernels: not built (RMKV_CUDA=${RMKV_CUDA}, nvcc ${RMKV_NVCC})")
endif()
