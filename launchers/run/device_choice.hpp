// Which device a worker computes on.
#pragma once

#include <memory>
#include <string>

#include "core/device/device.hpp"
#include "launchers/run/worker.hpp"

namespace convoy {

/// Whether several workers may have one GPU: a rehearsal, not a way to be fast.
enum class GpuSharing { refused, allowed };

/// The device of the key `backend`: auto takes a GPU where there is one. The workers of a machine take the GPUs that
/// they see one after another. Throws Error(usage) where there is no such device.
std::unique_ptr<Device> make_device(const std::string& backend, int local_rank);

/// Collective: the same, and two workers with one GPU are an error unless that is allowed.
std::unique_ptr<Device> choose_device(Worker& worker, const std::string& backend, GpuSharing sharing);

/// What to say when `auto` could not take a GPU although this program could use one, or "".
std::string device_notice(const std::string& backend, const Device& device);

}  // namespace convoy
