// The keys of one command: declared once, they parse flags and recipes, write recipes and print the help.
//
// Every key fills a variable of a plain struct, whose value before parsing is the default. Errors are Error(usage) of
// one line: where, key, value, what was expected. Boost.Program_options is seen by this folder's sources only.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace convoy {

/// What a number must lie in, both ends included.
struct Bounds {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
};

/// One `--key value` or `key = value`.
struct Assignment {
  std::string key, value;
  std::string where;  // "--batch", or "lenet.cfg:7: batch"
};

struct Assignments {
  std::vector<Assignment> values;
  std::vector<std::string> positional;
  std::optional<std::string> find(const std::string& key) const;
};

class OptionSet {
 public:
  /// Where a key may be given: in recipes and as a flag, or as a flag alone. `not_kept` is as `anywhere`, but belongs
  /// to one call and is not written to the run's own recipe.
  enum class Place { anywhere, not_kept, flags_only };

  /// `command` is what the help and messages call it ("convoy train"), `usage` the words after it.
  OptionSet(std::string command, std::string usage, std::string about);

  /// Keys declared from here on appear under this heading in the help.
  void group(const std::string& heading) { group_ = heading; }

  void text(const std::string& key, std::string& target, const std::string& value_name, const std::string& help,
            Place place = Place::anywhere);
  /// One of `choices`. A value among `later` is known, but not supported by this version.
  void choice(const std::string& key, std::string& target, const std::vector<std::string>& choices,
              const std::string& help, const std::vector<std::string>& later = {});
  void integer(const std::string& key, int64_t& target, Bounds bounds, const std::string& help);
  void integer(const std::string& key, int& target, Bounds bounds, const std::string& help);
  void number(const std::string& key, double& target, Bounds bounds, const std::string& help);
  void number(const std::string& key, float& target, Bounds bounds, const std::string& help);
  void on_off(const std::string& key, bool& target, const std::string& help);
  /// Takes no value as a flag; `key = on` in a recipe unless it is for flags only.
  void flag(const std::string& key, bool& target, const std::string& help, Place place = Place::flags_only);

  /// Of `keys`, at most one may be given in one place; a flag replaces the recipe's whichever it was.
  void alternatives(const std::vector<std::string>& keys);

  /// Splits a command line; nothing is assigned yet. Throws for unknown, repeated or incomplete flags.
  Assignments read_flags(const std::vector<std::string>& arguments) const;
  /// Reads `key = value` lines; `#` starts a comment.
  Assignments read_recipe(const std::string& path) const;
  /// Fills the variables. Later calls beat earlier ones.
  void apply(const Assignments& assignments);

  /// True if --help is among the arguments.
  static bool wants_help(const std::vector<std::string>& arguments);
  std::string help() const;
  /// Every key of the recipe language that is kept, with its present value; read_recipe reads it.
  std::string recipe() const;

 private:
  struct Option {
    std::string key, value_name, help, group;
    bool valueless = false;
    Place place = Place::anywhere;
    std::function<bool(const std::string&)> set;  // false: the value is not what was expected
    std::function<std::string()> get;
    std::function<void()> reset;  // to the default
    std::string expected, initial;
    std::vector<std::string> later;
  };

  Option& add(const std::string& key, const std::string& value_name, const std::string& help);
  const Option* find(const std::string& key) const;
  std::vector<std::string> keys(Place place) const;
  bool is_alternative(const std::string& key) const;
  [[noreturn]] void fail_unknown(const std::string& key, const std::string& prefix, Place place) const;
  void check_once(const Assignments& assignments) const;

  std::string command_, usage_, about_, group_ = "Options";
  std::vector<Option> options_;
  std::vector<std::vector<std::string>> alternatives_;
};

}  // namespace convoy
