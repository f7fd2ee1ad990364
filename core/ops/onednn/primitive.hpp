// The only way the ops reach oneDNN: its one engine, primitives that run from several teams at once without
// allocating, and its exceptions turned into ours. Included by the *_cpu.cpp that need oneDNN and by nothing else.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.hpp"
#include "core/ops/layout.hpp"
#include "core/ops/op.hpp"

namespace convoy::onednn {

const dnnl::engine& engine();

/// Dense fp32, the last dimension contiguous.
dnnl::memory::desc dense(const dnnl::memory::dims& dims);

/// Attributes of every primitive here: scratch comes from the caller.
dnnl::primitive_attr user_scratch();

/// Runs make() and turns what oneDNN throws into an Error that names `what`.
template <typename Make>
auto guarded(std::string_view what, const Make& make) {
  try {
    return make();
  } catch (const dnnl::error& error) {
    const bool memory = error.status == dnnl_out_of_memory;
    fail(memory ? ExitCode::out_of_memory : ExitCode::internal, what, ": oneDNN: ", error.what());
  }
}

/// Returns `implementation`, or throws Error(internal) if it is oneDNN's reference code and a call does more than
/// 2^20 multiply-adds: a pass a few hundred times slower than the rest must not go unnoticed. Below that, it costs
/// some milliseconds for a shape that nobody trains.
std::string checked(std::string_view what, const std::string& implementation, int64_t multiply_adds);

using convoy::Layout;

/// A made primitive and one set of memory objects per team. oneDNN reads the number of threads both when a primitive
/// is made and when it is run, so run() sets the team's.
class Primitive {
 public:
  struct Argument {
    int role;                 // DNNL_ARG_...
    dnnl::memory::desc desc;  // empty (no bias, say): the argument is left out and its pointer ignored
  };

  Primitive() = default;

  /// The scratchpad becomes the last argument.
  template <typename Description>
  Primitive(const Description& description, std::vector<Argument> arguments, const OpOptions& options)
      : Primitive(dnnl::primitive(description.get()), with_scratch(std::move(arguments), description.scratchpad_desc()),
                  options.teams, options.threads) {}

  /// Tells every team where argument `index` will always be. oneDNN writes a padded tensor's padding when it learns of
  /// its memory, so a tensor that teams share must be told here, before any of them runs.
  void bind(size_t index, void* data);

  /// `data`: one pointer per argument, in their order, the scratchpad's last. Calls of different teams may overlap.
  void run(int team, std::initializer_list<const void*> data);

 private:
  struct Team {
    dnnl::stream stream;
    std::vector<dnnl::memory> memories;
    std::vector<dnnl_exec_arg_t> arguments;
  };

  Primitive(dnnl::primitive primitive, const std::vector<Argument>& arguments, int teams, int threads);
  static std::vector<Argument> with_scratch(std::vector<Argument> arguments, const dnnl::memory::desc& scratch);

  dnnl::primitive primitive_;
  std::vector<Team> teams_;
  int threads_ = 1;
};

/// A copy between two layouts or precisions of one tensor: run(team, {from, to, scratch}).
struct Reorder {
  Primitive primitive;
  size_t scratch_bytes = 0;
};
Reorder make_reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to, const OpOptions& options);

}  // namespace convoy::onednn
