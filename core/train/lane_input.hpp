// Images and labels where the ops of a pass read them.
//
// On the host that is where they are. A device has a place for one pass, the same for every pass, and beside it room
// for a worker's whole share of a step, which is copied there while the step before is computed.
#pragma once

#include <memory>
#include <vector>

#include "core/device/device.hpp"
#include "core/graph/net.hpp"
#include "core/train/seams.hpp"

namespace convoy {

class LaneInput {
 public:
  /// For steps of `passes` passes, of `images` each.
  LaneInput(Device& device, const Net& net, int64_t images, int passes);
  /// What it allocates on a device.
  static size_t bytes(const Net& net, int64_t images, int passes);

  /// Begins to copy the share of a step, when all passes of the one before have been taken. It must stay as it is:
  /// on the host until its passes have been computed, else until wait() returns.
  void feed(const Batch& batch);
  void wait();
  /// Brings a pass of what was fed to its place. On a device all are taken, in turn; its ops that read the one before
  /// must have been queued.
  NetBatch pass(int pass);
  /// The same for images that were not fed, `images` at most.
  NetBatch take(const NetBatch& batch);
  /// Where ops read every pass, on a device.
  NetBatch place() const;

 private:
  Device& device_;
  const size_t pixel_bytes_, number_bytes_;  // of a pass
  const int64_t images_;
  const int passes_;
  const std::byte* fed_ = nullptr;         // of the host: the images
  std::vector<std::byte> numbers_;         // of each pass its position, and labels behind it
  DeviceBuffer pixels_, device_numbers_;   // of one pass
  DeviceBuffer fed_pixels_, fed_numbers_;  // of all
  std::unique_ptr<Feeder> feeder_;
};

}  // namespace convoy
