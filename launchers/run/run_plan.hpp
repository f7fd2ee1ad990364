// What a training run is going to do, found out alike on every worker before anything is made or written.
#pragma once

#include <memory>

#include "core/graph/graph.hpp"
#include "core/optim/schedule.hpp"
#include "io/checkpoint.hpp"
#include "io/pipeline.hpp"
#include "launchers/options/train_options.hpp"
#include "launchers/run/fault.hpp"
#include "launchers/run/lane_choice.hpp"
#include "launchers/run/profile.hpp"

namespace convoy {

struct RunPlan {
  Graph graph;                               // until a model takes it over
  std::string network;                       // its text
  std::unique_ptr<Dataset> data, eval_data;  // the latter may be null
  PixelsSpec pixels;
  MeanImage mean_image;  // with mean=image
  Augmentation augment, eval_augment;
  Shuffle shuffle = Shuffle::on;
  BlockShuffle blocks;
  InputPlan input;
  LaneChoice lanes;
  DType compute = DType::f32;
  int64_t steps = 0;
  std::unique_ptr<Schedule> schedule;
  std::unique_ptr<Optimizer> optimizer;
  Fault fault;
  StepWindow profile;
};

/// The order in which a run with these options takes the samples of `data`.
Shuffle shuffle_of(const TrainOptions& options);
BlockShuffle blocks_of(const TrainOptions& options, const Dataset& data);

/// Pictures to train on, and to evaluate with, as the plan says; the plan must outlive them.
PictureSource training_pictures(const RunPlan& plan, const Shape& input, uint64_t seed);
PictureSource evaluation_pictures(const RunPlan& plan, const Shape& input);

/// Reads network and data and checks that all fits together. Throws Error(usage) or Error(data). `threads` is this
/// worker's number.
RunPlan make_run_plan(const TrainOptions& options, const Device& device, int workers, int threads);

/// The precision that conv and fc multiply in: fp32, tf32, bf16, or auto (bf16 where the device has it). Throws
/// Error(usage) for what the device does not have.
DType compute_type(const std::string& precision, const Device& device);

/// What checkpoints keep of a run besides its weights, and what a resumed run must agree with.
CheckpointState describe_run(const TrainOptions& options, const RunPlan& plan, const Device& device);

/// The lines that a run opens with.
std::vector<std::string> opening_lines(const TrainOptions& options, const RunPlan& plan, const Graph& graph,
                                       const Device& device, const std::string& workers);

}  // namespace convoy
