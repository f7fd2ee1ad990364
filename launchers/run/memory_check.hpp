// Whether there is room for a run, before anything is allocated.
#pragma once

#include "launchers/run/control_group.hpp"
#include "launchers/run/model.hpp"
#include "launchers/run/worker.hpp"

namespace convoy {

/// How many workers, this one included, take from the same memory.
struct MemorySharers {
  int machine = 1, group = 1;
};

/// Throws Error(out_of_memory) if as many such plans exceed what this machine or this process's control group has left.
void check_memory(const MemoryPlan& plan, const FreeMemory& free, const MemorySharers& sharers);

/// Throws Error(out_of_memory) if the plan exceeds what a device with memory of its own has left.
void check_device_memory(const MemoryPlan& plan, const Device& device);

/// Collective: the same for every worker.
void check_memory(Worker& worker, const MemoryPlan& plan);

}  // namespace convoy
