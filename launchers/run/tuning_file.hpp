// Measured choices of algorithms (core/ops/tuning.hpp) between processes: as JSON text, in a run's tuning.json, and in
// a cache of this user and machine, so that the same machine makes the same choices, and the same bits, every time.
#pragma once

#include <string>

#include "core/device/device.hpp"
#include "core/ops/tuning.hpp"

namespace convoy {

/// {"machine": ..., "choices": {KEY: {"choice": NAME, "seconds": {NAME: S, ...}}}}; used: those that ops asked for.
enum class Choices { used, all };
std::string tuning_json(const Tuning& tuning, const std::string& machine, Choices which);

/// Takes over the choices of a text. Throws Error(data) naming `source` when it is not what tuning_json writes.
void take_choices(const std::string& json, const std::string& source, Tuning& tuning);

/// Takes over the choices of a file; false when there is none.
bool read_tuning(const std::string& path, Tuning& tuning);

/// $XDG_CACHE_HOME/convoy/tuning-MACHINE.json, or in ~/.cache; "" where neither is known.
std::string tuning_cache_path(const std::string& machine);

/// What the cache holds; nothing if there is none or it is damaged, for it is only a cache.
void read_tuning_cache(const std::string& machine, Tuning& tuning);
/// Adds to the cache. That it cannot be written is no error either.
void write_tuning_cache(const std::string& machine, const Tuning& tuning);

/// What choices depend on: processor, instruction set and library versions.
std::string tuning_machine(const Device& device);

}  // namespace convoy
