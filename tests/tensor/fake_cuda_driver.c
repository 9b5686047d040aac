/* A stand-in for libcuda.so.1, opened by test_cuda_runtime.cpp: answers what the environment says. */
#include <stdlib.h>

static int from_environment(const char* name) {
  const char* text = getenv(name);
  return text != NULL ? atoi(text) : 0;
}

int cuInit(unsigned flags) {
  (void)flags;
  return from_environment("RMKV_FAKE_CUINIT");
}

int cuDeviceGetCount(int* count) {
  *count = from_environment("RMKV_FAKE_GPUS");
  return 0;
}
