// NVTX for CUDA on the CPU: ranges go to the file that profiler.cpp names.
#pragma once

int nvtxRangePushA(const char* message);
int nvtxRangePop();
