// Recordings are CUDA graphs: what a stream was given is put on it again by one launch.
#include "core/base/error.hpp"
#include "core/device/cuda.hpp"

namespace convoy::cuda {
namespace {

class Graph final : public Recording {
 public:
  /// Takes `graph` over.
  Graph(cudaStream_t stream, cudaGraph_t graph) : stream_(stream) {
    size_t nodes = 0;
    cudaError_t status = cudaGraphGetNodes(graph, nullptr, &nodes);
    // What queued nothing has nothing to launch.
    if (status == cudaSuccess && nodes > 0) status = cudaGraphInstantiate(&launched_, graph, 0);
    cudaGraphDestroy(graph);
    check(status, "make a graph of a step");
  }
  Graph(const Graph&) = delete;
  ~Graph() override {
    if (launched_) cudaGraphExecDestroy(launched_);
  }

  void replay() override {
    if (launched_) check(cudaGraphLaunch(launched_, stream_), "launch a graph");
  }

 private:
  cudaStream_t stream_;
  cudaGraphExec_t launched_ = nullptr;
};

class CudaRecorder final : public Recorder {
 public:
  explicit CudaRecorder(cudaStream_t stream) : stream_(stream) {}
  CudaRecorder(const CudaRecorder&) = delete;
  ~CudaRecorder() override {
    cudaGraph_t graph = nullptr;
    if (!begun_) return;
    if (cudaStreamEndCapture(stream_, &graph) == cudaSuccess && graph) cudaGraphDestroy(graph);
    cudaGetLastError();  // or the next check would meet it
  }

  void begin() override {
    // Other threads may wait for copies meanwhile.
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "record a step");
    begun_ = true;
  }

  std::unique_ptr<Recording> end() override {
    begun_ = false;
    cudaGraph_t graph = nullptr;
    const cudaError_t status = cudaStreamEndCapture(stream_, &graph);
    if (status != cudaSuccess) cudaGetLastError();
    check(status, "record a step");
    return std::make_unique<Graph>(stream_, graph);
  }

 private:
  cudaStream_t stream_;
  bool begun_ = false;
};

}  // namespace

std::unique_ptr<Recorder> make_recorder(cudaStream_t stream) {
  return std::make_unique<CudaRecorder>(stream);
}

}  // namespace convoy::cuda
