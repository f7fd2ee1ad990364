// Fibers that run until they meet: a fiber takes one thread of the block after another, and only where a thread has to
// wait does the next go on with another fiber, so kernels that never wait cost no switch.
#include "tests/support/cuda_on_cpu/blocks.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__)
#error "CUDA on the CPU changes stacks by x86-64 instructions"
#endif

// Saves what a call must keep (System V ABI), leaves the stack pointer in *from and goes on where `to` was left.
extern "C" void cuda_on_cpu_switch(void** from, void* to);
asm(R"(
.text
.globl cuda_on_cpu_switch
.type cuda_on_cpu_switch, @function
cuda_on_cpu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_on_cpu_switch, .-cuda_on_cpu_switch
)");

constinit thread_local cuda_on_cpu::dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace cuda_on_cpu {
namespace {

constexpr size_t stack_bytes = size_t{256} << 10;
constexpr size_t warp_size = 32;

/// A stack pointer to go back to, and what AddressSanitizer has to know of the stack.
struct Context {
  void* stack_pointer = nullptr;
  void* shadow = nullptr;
  const void* bottom = nullptr;
  size_t size = 0;
};

#if defined(__SANITIZE_ADDRESS__)
thread_local Context* left = nullptr;

/// Only here is it told where the stack lies that was left, which for a thread's own nobody knows otherwise.
void arrive(void* shadow) {
  __sanitizer_finish_switch_fiber(shadow, &left->bottom, &left->size);
}
#endif

void change([[maybe_unused]] Context& from, Context& to) {
#if defined(__SANITIZE_ADDRESS__)
  left = &from;
  __sanitizer_start_switch_fiber(&from.shadow, to.bottom, to.size);
#endif
  cuda_on_cpu_switch(&from.stack_pointer, to.stack_pointer);
#if defined(__SANITIZE_ADDRESS__)
  arrive(from.shadow);
#endif
}

struct Fiber {
  Context context;
  void* stack = nullptr;
  size_t thread = 0;
};

enum class At { block, warp };

class Block;
thread_local Block* running = nullptr;

extern "C" void cuda_on_cpu_enter();

Fiber* make_fiber() {
  void* stack = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stack == MAP_FAILED) std::abort();
  auto* fiber = new Fiber;
  auto* top = reinterpret_cast<void**>(static_cast<std::byte*>(stack) + stack_bytes);
  // As if cuda_on_cpu_enter's caller had been left in a switch: a place to align the stack, where to go, six registers.
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&cuda_on_cpu_enter);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  fiber->stack = stack;
  fiber->context = {.stack_pointer = top, .bottom = stack, .size = stack_bytes};
  return fiber;
}

/// Idle ones; kept as long as the thread lives, since the next grid wants as many.
std::vector<Fiber*>& idle_fibers() {
  struct Idle {
    std::vector<Fiber*> fibers;
    ~Idle() {
      for (Fiber* fiber : fibers) {
        munmap(fiber->stack, stack_bytes);
        delete fiber;
      }
    }
  };
  thread_local Idle idle;
  return idle.fibers;
}

class Block {
 public:
  Block(const dim3& shape, const std::function<void()>& kernel)
      : shape_(shape), kernel_(kernel), threads_(shape.count()), warps_((threads_ + warp_size - 1) / warp_size) {
    for (size_t w = 0; w < warps_.size(); ++w) warps_[w].alive = std::min(warp_size, threads_ - w * warp_size);
  }

  void run() {
    running = this;
    for (;;) {
      if (!ready_.empty()) {
        fiber_ = ready_.back();
        ready_.pop_back();
        set_place(fiber_->thread);
      } else if (started_ < threads_) {
        fiber_ = idle_fiber();
      } else {
        break;
      }
      change(scheduler_, fiber_->context);
    }
    running = nullptr;
    if (ended_ == threads_) return;
    std::fprintf(stderr, "CUDA on the CPU: %zu of a block's %zu threads wait for each other at different places\n",
                 threads_ - ended_, threads_);
    std::abort();
  }

  /// The life of a fiber: to take threads of whatever block is running, until none is left, again and again.
  [[noreturn]] static void live() {
    for (;;) {
      Block& block = *running;
      Fiber* const self = block.fiber_;
      while (block.started_ < block.threads_) {
        self->thread = block.started_++;
        block.set_place(self->thread);
        block.kernel_();
        block.end_thread(self->thread);
      }
      idle_fibers().push_back(self);
      change(self->context, block.scheduler_);
    }
  }

  void wait(At at) {
    Fiber* const self = fiber_;
    if (at == At::block) {
      waiting_.push_back(self);
      release_block();
    } else {
      Warp& warp = warps_[self->thread / warp_size];
      warp.waiting.push_back(self);
      release_warp(warp);
    }
    change(self->context, scheduler_);
  }

  std::byte* slot(size_t lane) { return warps_[fiber_->thread / warp_size].slots[lane].data(); }
  size_t thread() const { return fiber_->thread; }

 private:
  struct Warp {
    size_t alive = 0;
    std::vector<Fiber*> waiting;
    std::array<std::array<std::byte, 16>, warp_size> slots{};
  };

  static Fiber* idle_fiber() {
    auto& idle = idle_fibers();
    if (idle.empty()) return make_fiber();
    Fiber* const fiber = idle.back();
    idle.pop_back();
    return fiber;
  }

  void set_place(size_t thread) const {
    threadIdx = dim3(static_cast<unsigned>(thread % shape_.x), static_cast<unsigned>(thread / shape_.x % shape_.y),
                     static_cast<unsigned>(thread / shape_.x / shape_.y));
  }

  void end_thread(size_t thread) {
    ++ended_;
    Warp& warp = warps_[thread / warp_size];
    --warp.alive;
    release_warp(warp);
    release_block();
  }

  void release_block() {
    if (waiting_.size() == threads_ - ended_) release(waiting_);
  }
  void release_warp(Warp& warp) {
    if (warp.waiting.size() == warp.alive) release(warp.waiting);
  }
  void release(std::vector<Fiber*>& waiting) {
    ready_.insert(ready_.end(), waiting.begin(), waiting.end());
    waiting.clear();
  }

  const dim3 shape_;
  const std::function<void()>& kernel_;
  const size_t threads_;
  size_t started_ = 0, ended_ = 0;
  std::vector<Warp> warps_;
  std::vector<Fiber*> ready_, waiting_;
  Fiber* fiber_ = nullptr;
  Context scheduler_;
};

extern "C" void cuda_on_cpu_enter() {
#if defined(__SANITIZE_ADDRESS__)
  arrive(nullptr);
#endif
  Block::live();
}

}  // namespace

int lane() {
  return static_cast<int>(running->thread() % warp_size);
}

void meet_block() {
  running->wait(At::block);
}

void meet_warp() {
  running->wait(At::warp);
}

std::byte* warp_slot(int lane) {
  return running->slot(static_cast<size_t>(lane));
}

void run_grid(const dim3& grid, const dim3& block, const std::function<void()>& kernel) {
  gridDim = grid, blockDim = block;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = dim3(x, y, z);
        Block(block, kernel).run();
      }
    }
  }
}

}  // namespace cuda_on_cpu
