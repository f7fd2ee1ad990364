#include "launchers/run/device_choice.hpp"

#include <map>

#include "core/base/error.hpp"
#include "distributed/sockets.hpp"

namespace convoy {

std::unique_ptr<Device> make_device(const std::string& backend, int local_rank) {
  if (backend == "cpu") return make_cpu_device();
  const int gpus = cuda_device_count();
  if (gpus == 0 && backend == "auto") return make_cpu_device();
  return make_cuda_device(gpus == 0 ? 0 : local_rank % gpus);
}

std::unique_ptr<Device> choose_device(Worker& worker, const std::string& backend, GpuSharing sharing) {
  std::unique_ptr<Device> device;
  worker.together([&] { device = make_device(backend, worker.local_rank()); });
  const std::string mine = device->on_host() ? "" : host_name() + ", " + device->identity();
  const std::vector<std::string> all = worker.control().gather_texts(mine);
  worker.together([&] {
    std::map<std::string, size_t> holders;
    for (size_t rank = 0; rank < all.size() && sharing == GpuSharing::refused; ++rank) {
      if (all[rank].empty()) continue;
      const auto [first, is_new] = holders.emplace(all[rank], rank);
      if (is_new) continue;
      fail(ExitCode::usage, "workers ", first->second, " and ", rank, " have the same GPU (", all[rank],
           "): start as many workers as GPUs, or, to rehearse, --share-gpu on; --backend cpu uses none");
    }
  });
  return device;
}

std::string device_notice(const std::string& backend, const Device& device) {
  if (backend != "auto" || !device.on_host() || !built_with_cuda()) return "";
  return "backend auto: " + cuda_unavailable_reason() + ", so this run is on the CPU";
}

}  // namespace convoy
