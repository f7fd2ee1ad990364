// One pass of a convolution on the CPU by one algorithm: what conv_cpu.cpp chooses among.
//
// Like the op they belong to, passes are prepared objects: they own no memory but are given it, don't allocate when
// run, and may be run by several teams at once.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/ops/conv.hpp"
#include "core/ops/layout.hpp"

namespace convoy {

class ConvPass {
 public:
  explicit ConvPass(std::string name) : name_(std::move(name)) {}
  virtual ~ConvPass() = default;
  ConvPass(const ConvPass&) = delete;
  ConvPass& operator=(const ConvPass&) = delete;

  /// The implementation, for people: "winograd 5x5", "jit:avx512_core".
  const std::string& name() const { return name_; }
  virtual size_t scratch_bytes() const = 0;

  /// The pass's own layout of the weights; see Conv.
  virtual size_t packed_bytes() const { return 0; }
  virtual void attach(void* /*packed*/) {}
  virtual void refresh_weights(const float* /*weight*/) {}

 private:
  const std::string name_;
};

class ConvForward : public ConvPass {
 public:
  using ConvPass::ConvPass;
  virtual void run(const OpContext& context, const float* x, const float* bias, float* y) = 0;
};

class ConvBackwardData : public ConvPass {
 public:
  using ConvPass::ConvPass;
  virtual void run(const OpContext& context, const float* dy, float* dx, Write write) = 0;
};

class ConvBackwardWeights : public ConvPass {
 public:
  using ConvPass::ConvPass;
  virtual void run(const OpContext& context, const float* x, const float* dy, float* dweight, float* dbias) = 0;
};

/// What a Tuning calls a pass ("forward", "backward data", "backward weights") of this convolution.
std::string conv_tuning_key(const ConvSpec& spec, const OpOptions& options, std::string_view pass);

}  // namespace convoy
