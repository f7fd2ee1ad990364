// cuBLASLt takes matrices column by column: a row-major C = A B is its C^T = B^T A^T, so A and B change places and n
// comes before m. It chooses an algorithm once, when a product is made; the same algorithm gives the same bits.
#include "core/ops/gemm/cublaslt.hpp"

#include <cublasLt.h>
#include <dlfcn.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "core/base/error.hpp"
#include "core/device/cuda.hpp"

namespace convoy::gemm {
namespace {

/// What is used of cuBLASLt.
struct Library {
  decltype(&cublasLtGetVersion) get_version = nullptr;
  decltype(&cublasLtGetStatusString) get_status_string = nullptr;
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtMatmulDescCreate) matmul_create = nullptr;
  decltype(&cublasLtMatmulDescDestroy) matmul_destroy = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) matmul_set = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) layout_create = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy = nullptr;
  decltype(&cublasLtMatrixLayoutSetAttribute) layout_set = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) get_heuristic = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
};

/// False unless all of it is there, and of the version whose headers these are.
bool load(Library& library) {
  const std::string numbered = concat("libcublasLt.so.", CUBLAS_VER_MAJOR);
  void* opened = dlopen(numbered.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!opened) opened = dlopen("libcublasLt.so", RTLD_NOW | RTLD_LOCAL);
  if (!opened) return false;
  bool complete = true;
  const auto find = [&]<typename Function>(const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(opened, name));
    complete = complete && function;
  };
  find("cublasLtGetVersion", library.get_version);
  find("cublasLtGetStatusString", library.get_status_string);
  find("cublasLtCreate", library.create);
  find("cublasLtMatmulDescCreate", library.matmul_create);
  find("cublasLtMatmulDescDestroy", library.matmul_destroy);
  find("cublasLtMatmulDescSetAttribute", library.matmul_set);
  find("cublasLtMatrixLayoutCreate", library.layout_create);
  find("cublasLtMatrixLayoutDestroy", library.layout_destroy);
  find("cublasLtMatrixLayoutSetAttribute", library.layout_set);
  find("cublasLtMatmulPreferenceCreate", library.preference_create);
  find("cublasLtMatmulPreferenceDestroy", library.preference_destroy);
  find("cublasLtMatmulPreferenceSetAttribute", library.preference_set);
  find("cublasLtMatmulAlgoGetHeuristic", library.get_heuristic);
  find("cublasLtMatmul", library.matmul);
  return complete && library.get_version() / 10000 == CUBLAS_VER_MAJOR;
}

/// Null where there is none. Once loaded it stays until the process ends.
const Library* library() {
  static const Library* const loaded = []() -> const Library* {
    static Library found;
    return load(found) ? &found : nullptr;
  }();
  return loaded;
}

void check(const Library& lib, cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail(ExitCode::internal, "cuBLASLt could not ", what, ": ", lib.get_status_string(status), " (error ",
       static_cast<int>(status), ")");
}

/// One for each GPU that this process uses; they are never given back, since at exit the driver may be gone already.
cublasLtHandle_t handle_of_this_gpu(const Library& lib) {
  static std::mutex mutex;
  static std::map<int, cublasLtHandle_t> handles;
  int gpu = 0;
  cuda::check(cudaGetDevice(&gpu), "ask for the GPU in use");
  const std::lock_guard lock(mutex);
  cublasLtHandle_t& handle = handles[gpu];
  if (!handle) check(lib, lib.create(&handle), "start");
  return handle;
}

/// Owns one of cuBLASLt's descriptions.
template <typename T>
using Owned = std::unique_ptr<std::remove_pointer_t<T>, cublasStatus_t (*)(T)>;

class CublasltGemm final : public Gemm {
 public:
  CublasltGemm(const Device& device, const GemmSpec& given, const Library& lib)
      : lib_(lib),
        handle_(handle_of_this_gpu(lib)),
        stream_(cuda::stream_of(device)),
        spec_(with_leading_dimensions(given)),
        matmul_(make_matmul()),
        a_(make_layout(spec_.transpose_a ? spec_.m : spec_.k, spec_.transpose_a ? spec_.k : spec_.m, spec_.lda,
                       spec_.stride_a)),
        b_(make_layout(spec_.transpose_b ? spec_.k : spec_.n, spec_.transpose_b ? spec_.n : spec_.k, spec_.ldb,
                       spec_.stride_b)),
        c_(make_layout(spec_.n, spec_.m, spec_.ldc, spec_.stride_c)) {}

  /// Asks cuBLASLt for an algorithm; false where it has none.
  bool choose() {
    cublasLtMatmulPreference_t made = nullptr;
    check(lib_, lib_.preference_create(&made), "describe what is wanted");
    const Owned<cublasLtMatmulPreference_t> preference(made, lib_.preference_destroy);
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      check(lib_, lib_.preference_set(made, attribute, &value, sizeof value), "describe what is wanted");
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{gemm_workspace_limit});
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(spec_.stride_b));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(spec_.stride_a));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment(spec_.stride_c));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(spec_.stride_c));
    cublasLtMatmulHeuristicResult_t result{};
    int found = 0;
    const cublasStatus_t status =
        lib_.get_heuristic(handle_, matmul_.get(), b_.get(), a_.get(), c_.get(), c_.get(), made, 1, &result, &found);
    if (status != CUBLAS_STATUS_SUCCESS || found == 0 || result.state != CUBLAS_STATUS_SUCCESS) return false;
    algorithm_ = result.algo;
    workspace_bytes_ = result.workspaceSize;
    return true;
  }

  size_t workspace_bytes() const override { return workspace_bytes_; }
  std::string name() const override { return "cublasLt"; }

  void run(void* workspace, const float* a, const float* b, const float* bias, float* c, Write write) const override {
    if (spec_.bias) set(matmul_.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    const float alpha = 1, beta = write == Write::accumulate ? 1 : 0;
    check(lib_,
          lib_.matmul(handle_, matmul_.get(), &alpha, b, b_.get(), a, a_.get(), &beta, c, c_.get(), c, c_.get(),
                      &algorithm_, workspace, workspace_bytes_, stream_),
          "multiply matrices");
  }

 private:
  /// Of all matrices of a batch that lie so many floats apart.
  uint32_t alignment(int64_t stride) const {
    return static_cast<uint32_t>(spec_.batch > 1 ? std::min(spec_.alignment, gemm_alignment_after(stride))
                                                 : spec_.alignment);
  }

  template <typename Value>
  void set(cublasLtMatmulDesc_t matmul, cublasLtMatmulDescAttributes_t attribute, const Value& value) const {
    check(lib_, lib_.matmul_set(matmul, attribute, &value, sizeof value), "describe a product");
  }

  Owned<cublasLtMatmulDesc_t> make_matmul() const {
    const cublasComputeType_t compute = spec_.compute == GemmCompute::bf16   ? CUBLAS_COMPUTE_32F_FAST_16BF
                                        : spec_.compute == GemmCompute::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                             : CUBLAS_COMPUTE_32F;
    cublasLtMatmulDesc_t made = nullptr;
    check(lib_, lib_.matmul_create(&made, compute, CUDA_R_32F), "describe a product");
    Owned<cublasLtMatmulDesc_t> matmul(made, lib_.matmul_destroy);
    set(made, CUBLASLT_MATMUL_DESC_TRANSA, int32_t{spec_.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N});
    set(made, CUBLASLT_MATMUL_DESC_TRANSB, int32_t{spec_.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N});
    const cublasLtEpilogue_t epilogue = spec_.bias && spec_.relu ? CUBLASLT_EPILOGUE_RELU_BIAS
                                        : spec_.bias             ? CUBLASLT_EPILOGUE_BIAS
                                        : spec_.relu             ? CUBLASLT_EPILOGUE_RELU
                                                                 : CUBLASLT_EPILOGUE_DEFAULT;
    set(made, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    if (spec_.bias) {
      // Any pointer that is aligned as the real ones will be, for the choice of an algorithm.
      const auto* some = reinterpret_cast<const float*>(uintptr_t{alignment(spec_.stride_bias)});
      set(made, CUBLASLT_MATMUL_DESC_BIAS_POINTER, some);
      if (spec_.batch > 1) set(made, CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, spec_.stride_bias);
    }
    return matmul;
  }

  Owned<cublasLtMatrixLayout_t> make_layout(int64_t rows, int64_t columns, int64_t leading, int64_t stride) const {
    cublasLtMatrixLayout_t made = nullptr;
    check(lib_,
          lib_.layout_create(&made, CUDA_R_32F, static_cast<uint64_t>(rows), static_cast<uint64_t>(columns), leading),
          "describe a matrix");
    Owned<cublasLtMatrixLayout_t> layout(made, lib_.layout_destroy);
    if (spec_.batch > 1) {
      const auto count = static_cast<int32_t>(spec_.batch);
      check(lib_, lib_.layout_set(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count), "count matrices");
      check(lib_, lib_.layout_set(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride),
            "place matrices");
    }
    return layout;
  }

  const Library& lib_;
  const cublasLtHandle_t handle_;
  const cudaStream_t stream_;
  const GemmSpec spec_;
  const Owned<cublasLtMatmulDesc_t> matmul_;
  const Owned<cublasLtMatrixLayout_t> a_, b_, c_;
  cublasLtMatmulAlgo_t algorithm_{};
  size_t workspace_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Gemm> make_cublaslt(Device& device, const GemmSpec& spec) {
  const Library* lib = library();
  if (!lib) return nullptr;
  auto made = std::make_unique<CublasltGemm>(device, spec, *lib);
  return made->choose() ? std::move(made) : nullptr;
}

}  // namespace convoy::gemm
