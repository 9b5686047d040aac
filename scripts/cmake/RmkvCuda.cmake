# CUDA kernels: see core/kernels/cuda.
