// One training run from its options to its end.
#include "launchers/run/training_run.hpp"
#include "launchers/run/memory_check.hpp"

#include "core/device/profiler.hpp"
#include "core/train/local_sink.hpp"
#include "core/train/staged_sink.hpp"
#include "core/train/trainer.hpp"
#include "distributed/watchdog.hpp"
#include "io/atomic_file.hpp"
#include "io/pipeline.hpp"
#include "launchers/run/device_choice.hpp"
#include "launchers/run/exchange_summary.hpp"
#include "launchers/run/failure_report.hpp"
#include "launchers/run/observers.hpp"
#include "launchers/run/run_folder.hpp"
#include "launchers/run/run_plan.hpp"
#include "launchers/run/shared_tuning.hpp"
#include "launchers/run/worker_exchange.hpp"

namespace convoy {
namespace {

/// Batches from the pipeline; notes that they are waited for, and fails on purpose where it is told to.
class WatchedSource : public BatchSource {
 public:
  WatchedSource(BatchSource& inner, WorkerState& state, const Fault& fault, int rank, int64_t first_step)
      : inner_(inner), state_(state), fault_(fault), rank_(rank), step_(first_step) {}

  const Batch& next() override {
    strike(fault_, rank_, ++step_);
    const PhaseScope phase(state_, "input");
    const ProfilerRange range("input");
    return inner_.next();
  }

 private:
  BatchSource& inner_;
  WorkerState& state_;
  const Fault fault_;
  const int rank_;
  int64_t step_;
};

/// Says which step is under way.
class StepCounter : public Observer {
 public:
  explicit StepCounter(WorkerState& state) : state_(state) {}
  void on_step(const StepReport& report) override {
    if (!report.last) state_.step = report.step + 1;
  }

 private:
  WorkerState& state_;
};

class TrainingRun {
 public:
  TrainingRun(const TrainOptions& options, Worker& worker, Console& console, const std::atomic<bool>& stop)
      : options_(options), worker_(worker), console_(console), stop_(stop) {}

  RunOutcome run() {
    prepare();
    claim();
    if (start_.step == plan_.steps) return already_complete();
    fill_model();
    const std::unique_ptr<Watchdog> watchdog = start_watchdog();
    return train_to_the_end();
  }

 private:
  /// Reads and checks everything; nothing is written yet.
  void prepare() {
    const int threads = worker_.threads(options_.threads);
    device_ = choose_device(worker_, options_.backend, options_.share_gpu ? GpuSharing::allowed : GpuSharing::refused);
    worker_.together([&] {
      plan_ = make_run_plan(options_, *device_, worker_.size(), threads);
      asked_ = describe_run(options_, plan_, *device_);
    });
    if (worker_.size() > 1) exchange_.emplace(worker_, options_);
    make_model();
    // Choosing tries real exchanges, in memory that must be there; afterwards it is known who shares what.
    check_memory(worker_, memory_plan());
    worker_.together([&] { check_device_memory(model_->device_plan(!exchange_), *device_); });
    if (exchange_) exchange_->choose(model_->net().segments().size(), options_.exact ? nullptr : &tuning_);
    check_memory(worker_, memory_plan());
  }

  /// With exact=on nothing is measured, since the choice could depend on the number of threads.
  void make_model() {
    const auto make = [&] {
      model_.emplace(std::move(plan_.graph), *device_,
                     ModelOptions{.pixels = plan_.pixels,
                                  .lanes = plan_.lanes.worker,
                                  .slot_names = plan_.optimizer->slots(),
                                  .seed = asked_.seed,
                                  .compute = plan_.compute,
                                  .tuning = options_.exact ? nullptr : &tuning_});
    };
    if (options_.exact) return worker_.together(make);
    make_with_one_choice(worker_, tuning_, *device_, options_.resume ? tuning_path() : "", make);
  }

  std::string tuning_path() const { return options_.run + "/tuning.json"; }

  MemoryPlan memory_plan() const {
    MemoryPlan memory = model_->plan(exchange_ && exchange_->problem().empty() ? exchange_->sharers() : 1);
    memory.parts.push_back({concat("input (", plan_.input.depth, " batches)"), plan_.input.bytes});
    return memory;
  }

  void claim() {
    worker_.on_leader([&] { start_ = claim_run_folder(options_, asked_, plan_.steps); });
    int64_t step[] = {start_.step};
    worker_.control().broadcast(std::as_writable_bytes(std::span(step)), 0);
    start_.step = step[0];
    worker_.on_leader([&] {
      console_.open_log(options_.run + "/train.log");
      metrics_.emplace(options_.run, start_.step);
      if (!options_.exact) write_file(tuning_path(), tuning_json(tuning_, tuning_machine(*device_), Choices::used));
    });
  }

  RunOutcome already_complete() {
    console_.say(concat(options_.run, ": complete, all ", plan_.steps,
                        " steps are taken; ask for more steps or epochs ", "to go on"));
    return {.finished = true,
            .step = plan_.steps,
            .steps = plan_.steps,
            .samples = plan_.steps * options_.batch,
            .checkpoint = start_.checkpoint};
  }

  void fill_model() {
    for (const std::string& notice : start_.notices) console_.say(notice);
    for (const std::string& notice : worker_.thread_notices()) console_.say(notice);
    if (const std::string notice = device_notice(options_.backend, *device_); !notice.empty()) console_.say(notice);
    const std::string workers = exchange_ ? "MPI, " + exchange_->topology().text() : worker_.control().describe();
    for (const std::string& line : opening_lines(options_, plan_, model_->net().graph(), *device_, workers)) {
      console_.say(line);
    }
    allocate();
    worker_.on_leader([&] {
      if (!start_.checkpoint.empty()) {
        read_checkpoint_parameters(start_.checkpoint, model_->arena(), model_->slot_names());
        return;
      }
      initialise_weights(model_->arena(), asked_.seed);
      if (!options_.init.empty()) read_initial_weights(options_.init, model_->arena());
    });
    if (exchange_) exchange_->share_parameters(model_->arena());
    model_->weights_changed();
    if (start_.step) console_.say(concat("resuming after step ", start_.step, " from ", start_.checkpoint));
    if (!plan_.profile.empty() && plan_.profile.last <= start_.step) {
      console_.say(concat("profile ", options_.profile, ": these steps were taken before, so nothing is profiled"));
    }
  }

  void allocate() {
    console_.say(concat("memory for each worker ", memory_plan().text()));
    if (!device_->on_host()) console_.say(concat("memory of each GPU ", model_->device_plan(!exchange_).text()));
    if (!exchange_) return worker_.together([&] { model_->allocate(); });
    exchange_->allocate(*model_);
    console_.say("exchange: " + exchange_->describe());
    if (exchange_->problem().empty()) return;
    console_.say(exchange_->problem() + "; memory for each worker is now " + memory_plan().text());
  }

  std::unique_ptr<Watchdog> start_watchdog() {
    if (worker_.size() == 1) return nullptr;
    return std::make_unique<Watchdog>(
        worker_.control(),
        WatchdogOptions{.timeout = std::chrono::duration<double>(options_.timeout), .ending = &stop_},
        [this] { return state_.whereabouts(); }, [this](const Failure& seen) { failure_.peer_lost(seen); },
        [this](const Failure& seen) { failure_.peer_silent(seen); });
  }

  std::unique_ptr<GradientSink> make_sink() {
    if (worker_.size() == 1) {
      optimizer_ = make_optimizer(*device_, model_->net().segments(), options_.optimizer);
      return std::make_unique<LocalSink>(*device_, model_->device_arena(), *optimizer_);
    }
    auto sink = exchange_->make_sink(model_->arena(), *plan_.optimizer, state_.progress);
    if (device_->on_host()) return sink;
    return std::make_unique<StagedSink>(*device_, model_->device_arena(), model_->arena(), std::move(sink));
  }

  RunOutcome train_to_the_end() {
    const Timer timer;
    const Sampler sampler(plan_.data->size(), asked_.seed, plan_.shuffle, plan_.blocks);
    const Shape input = model_->net().graph().input();
    Pipeline pipeline(training_pictures(plan_, input, asked_.seed), sampler,
                      {.first_step = start_.step,
                       .last_step = plan_.steps,
                       .global_batch = options_.batch,
                       .worker = worker_.rank(),
                       .workers = worker_.size(),
                       .depth = plan_.input.depth,
                       .threads = plan_.input.threads,
                       .device = &*device_});
    WatchedSource source(pipeline, state_, plan_.fault, worker_.rank(), start_.step);
    const std::unique_ptr<GradientSink> sink = make_sink();

    ProfileObserver profile(plan_.profile, model_->net(), *device_, worker_, console_, options_.run);
    std::vector<Observer*> observers{&profile};  // first: the others' work is no part of a step
    std::optional<ProgressObserver> progress;
    if (metrics_) {
      progress.emplace(*metrics_, console_, plan_.steps, options_.batch, options_.log_every);
      observers.push_back(&*progress);
    }
    ExchangeSummary summary(worker_.size());
    observers.push_back(&summary);
    std::optional<EvaluationObserver> evaluation;
    std::optional<EvaluationReader> evaluation_reader;
    if (plan_.eval_data) {
      evaluation_reader.emplace(evaluation_pictures(plan_, input));
      evaluation.emplace(*model_, *evaluation_reader, worker_, state_, console_, metrics_ ? &*metrics_ : nullptr,
                         options_.eval_every);
      observers.push_back(&*evaluation);
    }
    CheckpointObserver checkpoints(*model_, *sink, worker_, state_,
                                   {.run_folder = options_.run,
                                    .every = options_.checkpoint_every,
                                    .keep = options_.keep_checkpoints,
                                    .state = asked_});
    observers.push_back(&checkpoints);
    state_.step = start_.step + 1;
    StepCounter counter(state_);
    observers.push_back(&counter);  // the last: until then the step is under way

    const TrainerParts parts{.net = model_->net(),
                             .lanes = model_->lanes(),
                             .source = source,
                             .sink = *sink,
                             .schedule = *plan_.schedule,
                             .observers = std::move(observers),
                             .stop = stop_};
    run_steps(parts);
    console_.end_live();
    if (worker_.size() > 1) console_.say(summary.text());

    const int64_t step = state_.step;
    return {.finished = step == plan_.steps,
            .step = step,
            .steps = plan_.steps,
            .samples = step * options_.batch,
            .evaluation = evaluation ? evaluation->latest() : std::nullopt,
            .checkpoint = checkpoints.path(),
            .seconds = timer.seconds()};
  }

  /// Errors are met here, while the exchange still stands: unwinding it would wait for workers that wait for this one.
  void run_steps(const TrainerParts& parts) {
    const TrainerOptions trainer{.first_step = start_.step,
                                 .last_step = plan_.steps,
                                 .global_batch = options_.batch,
                                 .samples_per_epoch = plan_.data->size(),
                                 .recorded = options_.cuda_graphs,
                                 .total_lanes = plan_.lanes.total_lanes,
                                 .first_lane = worker_.rank() * plan_.lanes.worker.lanes,
                                 .workers = worker_.size(),
                                 .worker = worker_.rank()};
    state_.phase = "training";
    try {
      train(parts, trainer);
    } catch (const AgreedError& error) {
      if (worker_.leader()) failure_.write(error);
      throw;
    } catch (...) {
      const Error error = current_error();
      console_.end_live();
      // Everybody sees the same loss, so everybody leaves by itself.
      const bool known_to_all = error.code() == ExitCode::diverged || worker_.size() == 1;
      if (!known_to_all) failure_.end(error);
      if (worker_.leader()) failure_.write(error);
      throw AgreedError(error.code(), error.what());
    }
  }

  const TrainOptions& options_;
  Worker& worker_;
  Console& console_;
  const std::atomic<bool>& stop_;
  WorkerState state_;
  const FailureReport failure_{options_.run, worker_, state_};
  RunPlan plan_;
  std::unique_ptr<Device> device_;
  Tuning tuning_;
  std::optional<WorkerExchange> exchange_;  // of several workers
  std::optional<Model> model_;
  std::unique_ptr<Optimizer> optimizer_;  // of a single worker
  CheckpointState asked_;
  Start start_;
  std::optional<MetricsLog> metrics_;  // rank 0 only
};

}  // namespace

RunOutcome run_training(const TrainOptions& options, Worker& worker, Console& console, const std::atomic<bool>& stop) {
  return TrainingRun(options, worker, console, stop).run();
}

}  // namespace convoy
