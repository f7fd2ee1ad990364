#include "launchers/run/shared_tuning.hpp"

namespace convoy {

void make_with_one_choice(Worker& worker, Tuning& tuning, const Device& device, const std::string& known,
                          const std::function<void()>& make) {
  const std::string machine = tuning_machine(device);
  worker.on_leader([&] {
    if (known.empty() || !read_tuning(known, tuning)) read_tuning_cache(machine, tuning);
    make();
    write_tuning_cache(machine, tuning);
  });
  if (worker.size() == 1) return;
  const std::string choices = worker.control().broadcast_text(tuning_json(tuning, machine, Choices::used), 0);
  worker.together([&] {
    if (worker.leader()) return;
    take_choices(choices, "what the first worker measured", tuning);
    make();
  });
}

}  // namespace convoy
