// See primitive.hpp.
#include "core/ops/onednn/primitive.hpp"

#include "core/base/parallel.hpp"
#include "core/ops/onednn/version.hpp"

namespace convoy::onednn {
namespace {

const char* isa_name(dnnl::cpu_isa isa) {
  switch (isa) {
    case dnnl::cpu_isa::sse41: return "sse41";
    case dnnl::cpu_isa::avx: return "avx";
    case dnnl::cpu_isa::avx2: return "avx2";
    case dnnl::cpu_isa::avx2_vnni: return "avx2_vnni";
    case dnnl::cpu_isa::avx512_mic: return "avx512_mic";
    case dnnl::cpu_isa::avx512_mic_4ops: return "avx512_mic_4ops";
    case dnnl::cpu_isa::avx512_core: return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni: return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16: return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_amx: return "avx512_core_amx";
    default: return "unknown ISA";
  }
}

}  // namespace

std::string describe_library() {
  const dnnl_version_t* version = dnnl::version();
  return concat(isa_name(dnnl::get_effective_cpu_isa()), ", oneDNN ", version->major, ".", version->minor, ".",
                version->patch);
}

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

dnnl::memory::desc dense(const dnnl::memory::dims& dims) {
  dnnl::memory::dims strides(dims.size(), 1);
  for (size_t i = dims.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * dims[i];
  return {dims, dnnl::memory::data_type::f32, strides};
}

dnnl::primitive_attr user_scratch() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

std::string checked(std::string_view what, const std::string& implementation, int64_t multiply_adds) {
  constexpr int64_t negligible = int64_t{1} << 20;
  if (implementation.starts_with("ref") && multiply_adds > negligible) {
    fail(ExitCode::internal, what, ": oneDNN has only its reference code (", implementation, ") for ", multiply_adds,
         " multiply-adds a call, hundreds of times slower than it should be; change this layer's padding or stride");
  }
  return implementation;
}

Primitive::Primitive(dnnl::primitive primitive, const std::vector<Argument>& arguments, int teams, int threads)
    : primitive_(std::move(primitive)), threads_(threads) {
  for (int team = 0; team < teams; ++team) {
    Team& made = teams_.emplace_back();
    made.stream = dnnl::stream(engine());
    for (const Argument& argument : arguments) {
      dnnl::memory& memory = made.memories.emplace_back();
      if (argument.desc.get_size() == 0) continue;
      memory = dnnl::memory(argument.desc, engine(), DNNL_MEMORY_NONE);
      made.arguments.push_back({argument.role, memory.get()});
    }
  }
}

std::vector<Primitive::Argument> Primitive::with_scratch(std::vector<Argument> arguments,
                                                         const dnnl::memory::desc& scratch) {
  arguments.push_back({DNNL_ARG_SCRATCHPAD, scratch});
  return arguments;
}

void Primitive::bind(size_t index, void* data) {
  const TeamThreads threads(threads_);
  for (Team& team : teams_) team.memories[index].set_data_handle(data);
}

void Primitive::run(int team, std::initializer_list<const void*> data) {
  const TeamThreads threads(threads_);
  Team& mine = teams_[static_cast<size_t>(team)];
  size_t i = 0;
  for (const void* pointer : data) {
    dnnl::memory& memory = mine.memories[i++];
    // oneDNN takes sources as void* too; it does not write to them.
    if (memory && memory.get_data_handle() != pointer) memory.set_data_handle(const_cast<void*>(pointer));
  }
  // The C function takes the array as it is; the C++ one copies a map into a new vector on every call.
  const dnnl_status_t status = dnnl_primitive_execute(primitive_.get(), mine.stream.get(),
                                                      static_cast<int>(mine.arguments.size()), mine.arguments.data());
  if (status != dnnl_success) fail(ExitCode::internal, "oneDNN: a prepared primitive failed with status ", status);
}

Reorder make_reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to, const OpOptions& options) {
  const dnnl::reorder::primitive_desc description(engine(), from, engine(), to, user_scratch());
  return {Primitive(description, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}, options),
          description.scratchpad_desc().get_size()};
}

}  // namespace convoy::onednn
