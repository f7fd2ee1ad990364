// The keys of one command: declaration, assignment, help. Reading flags and recipes is in option_reading.cpp.
#include "launchers/options/option_set.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <cmath>
#include <sstream>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "launchers/options/values.hpp"

namespace convoy {
namespace {

/// What a number within `bounds` is called: "a whole number, at least 1".
std::string expectation(const std::string& kind, Bounds bounds) {
  const bool floor = std::isfinite(bounds.least), ceiling = std::isfinite(bounds.most);
  if (floor && ceiling) return kind + " from " + number_text(bounds.least) + " to " + number_text(bounds.most);
  if (floor) return kind + ", at least " + number_text(bounds.least);
  if (ceiling) return kind + ", at most " + number_text(bounds.most);
  return kind;
}

template <typename Number>
bool set_number(Number& target, Bounds bounds, std::optional<double> value) {
  if (!value || *value < bounds.least || *value > bounds.most) return false;
  target = static_cast<Number>(*value);
  return true;
}

template <typename Number>
bool set_integer(Number& target, Bounds bounds, const std::string& text) {
  const auto value = parse_integer(text);
  if (!value || static_cast<double>(*value) < bounds.least || static_cast<double>(*value) > bounds.most) return false;
  if (*value > std::numeric_limits<Number>::max() || *value < std::numeric_limits<Number>::min()) return false;
  target = static_cast<Number>(*value);
  return true;
}

bool set_on_off(bool& target, const std::string& text) {
  if (text != "on" && text != "off") return false;
  target = text == "on";
  return true;
}

}  // namespace

std::optional<std::string> Assignments::find(const std::string& key) const {
  for (const Assignment& assignment : values) {
    if (assignment.key == key) return assignment.value;
  }
  return std::nullopt;
}

OptionSet::OptionSet(std::string command, std::string usage, std::string about)
    : command_(std::move(command)), usage_(std::move(usage)), about_(std::move(about)) {}

OptionSet::Option& OptionSet::add(const std::string& key, const std::string& value_name, const std::string& help) {
  Option option;
  option.key = key;
  option.value_name = value_name;
  option.help = help;
  option.group = group_;
  options_.push_back(std::move(option));
  return options_.back();
}

void OptionSet::text(const std::string& key, std::string& target, const std::string& value_name,
                     const std::string& help, Place place) {
  Option& option = add(key, value_name, help);
  option.place = place;
  option.expected = "a text without '#' and line breaks, which recipe.cfg could not hold";
  option.set = [&target](const std::string& value) {
    if (value.find_first_of("#\n\r") != std::string::npos) return false;
    target = value;
    return true;
  };
  option.get = [&target] { return target; };
  option.initial = option.get();
  option.reset = [&target, initial = target] { target = initial; };
}

void OptionSet::choice(const std::string& key, std::string& target, const std::vector<std::string>& choices,
                       const std::string& help, const std::vector<std::string>& later) {
  Option& option = add(key, join(choices, "|"), help);
  option.expected = choices.size() == 1 ? choices.front() : "one of " + join(choices, ", ");
  option.later = later;
  option.set = [&target, choices](const std::string& value) {
    if (std::find(choices.begin(), choices.end(), value) == choices.end()) return false;
    target = value;
    return true;
  };
  option.get = [&target] { return target; };
  option.initial = option.get();
  option.reset = [&target, initial = target] { target = initial; };
}

void OptionSet::integer(const std::string& key, int64_t& target, Bounds bounds, const std::string& help) {
  Option& option = add(key, "N", help);
  option.expected = expectation("a whole number", bounds);
  option.set = [&target, bounds](const std::string& value) { return set_integer(target, bounds, value); };
  option.get = [&target] { return std::to_string(target); };
  option.initial = option.get();
  option.reset = [&target, initial = target] { target = initial; };
}

void OptionSet::integer(const std::string& key, int& target, Bounds bounds, const std::string& help) {
  Option& option = add(key, "N", help);
  option.expected = expectation("a whole number", bounds);
  option.set = [&target, bounds](const std::string& value) { return set_integer(target, bounds, value); };
  option.get = [&target] { return std::to_string(target); };
  option.initial = option.get();
  option.reset = [&target, initial = target] { target = initial; };
}

void OptionSet::number(const std::string& key, double& target, Bounds bounds, const std::string& help) {
  Option& option = add(key, "X", help);
  option.expected = expectation("a number", bounds);
  option.set = [&target, bounds](const std::string& value) { return set_number(target, bounds, parse_number(value)); };
  option.get = [&target] { return number_text(target); };
  option.initial = option.get();
  option.reset = [&target, initial = target] { target = initial; };
}

void OptionSet::number(const std::string& key, float& target, Bounds bounds, const std::string& help) {
  Option& option = add(key, "X", help);
  option.expected = expectation("a number", bounds);
  option.set = [&target, bounds](const std::string& value) { return set_number(target, bounds, parse_number(value)); };
  option.get = [&target] { return number_text(target); };
  option.initial = option.get();
  option.reset = [&target, initial = target] { target = initial; };
}

void OptionSet::on_off(const std::string& key, bool& target, const std::string& help) {
  Option& option = add(key, "on|off", help);
  option.expected = "on or off";
  option.set = [&target](const std::string& value) { return set_on_off(target, value); };
  option.get = [&target] { return std::string(target ? "on" : "off"); };
  option.initial = option.get();
  option.reset = [&target, initial = target] { target = initial; };
}

void OptionSet::flag(const std::string& key, bool& target, const std::string& help, Place place) {
  on_off(key, target, help);
  options_.back().valueless = true;
  options_.back().place = place;
}

bool OptionSet::is_alternative(const std::string& key) const {
  return std::any_of(alternatives_.begin(), alternatives_.end(),
                     [&](const auto& group) { return std::find(group.begin(), group.end(), key) != group.end(); });
}

void OptionSet::alternatives(const std::vector<std::string>& keys) {
  alternatives_.push_back(keys);
}

const OptionSet::Option* OptionSet::find(const std::string& key) const {
  const auto found = std::find_if(options_.begin(), options_.end(), [&](const Option& o) { return o.key == key; });
  return found == options_.end() ? nullptr : &*found;
}

std::vector<std::string> OptionSet::keys(Place place) const {
  std::vector<std::string> out;
  for (const Option& option : options_) {
    if (place == Place::flags_only || option.place != Place::flags_only) out.push_back(option.key);
  }
  return out;
}

void OptionSet::fail_unknown(const std::string& key, const std::string& prefix, Place place) const {
  const std::string dashes = place == Place::flags_only ? "--" : "";
  const std::string nearest = nearest_word(key, keys(place));
  const std::string advice = nearest.empty() ? "" : "did you mean '" + dashes + nearest + "'? ";
  fail(ExitCode::usage, prefix, key, ": unknown ", dashes.empty() ? "key" : "option", "; ", advice, "`", command_,
       " --help` lists them all");
}

void OptionSet::check_once(const Assignments& assignments) const {
  std::vector<std::vector<std::string>> groups = alternatives_;
  for (const Option& option : options_) groups.push_back({option.key});
  for (const auto& group : groups) {
    const Assignment* first = nullptr;
    for (const Assignment& assignment : assignments.values) {
      if (std::find(group.begin(), group.end(), assignment.key) == group.end()) continue;
      if (first && first->key == assignment.key) fail(ExitCode::usage, assignment.where, ": given twice; keep one");
      if (first) {
        fail(ExitCode::usage, assignment.where, ": given beside ", first->key, ", which it replaces; keep one");
      }
      first = &assignment;
    }
  }
}

void OptionSet::apply(const Assignments& assignments) {
  for (const Assignment& assignment : assignments.values) {
    for (const auto& group : alternatives_) {
      if (std::find(group.begin(), group.end(), assignment.key) == group.end()) continue;
      for (const std::string& key : group) find(key)->reset();
    }
  }
  for (const Assignment& assignment : assignments.values) {
    const Option& option = *find(assignment.key);
    const bool from_recipe = assignment.where.front() != '-';
    const std::string given = concat(assignment.where, from_recipe ? " = " : " ", assignment.value);
    if (option.set(assignment.value)) continue;
    const bool later = std::find(option.later.begin(), option.later.end(), assignment.value) != option.later.end();
    fail(ExitCode::usage, given, later ? ": not supported by this version; expected " : ": expected ", option.expected);
  }
}

bool OptionSet::wants_help(const std::vector<std::string>& arguments) {
  return std::find(arguments.begin(), arguments.end(), "--help") != arguments.end();
}

std::string OptionSet::help() const {
  namespace po = boost::program_options;
  std::ostringstream out;
  out << "Usage: " << command_ << " " << usage_ << "\n\n" << about_ << "\n";
  std::vector<std::string> headings;
  for (const Option& option : options_) {
    if (std::find(headings.begin(), headings.end(), option.group) == headings.end()) headings.push_back(option.group);
  }
  for (const std::string& heading : headings) {
    po::options_description group(heading, 120, 60);
    for (const Option& option : options_) {
      if (option.group != heading) continue;
      const std::string present = option.get();
      const bool tell = !present.empty() && !option.valueless && option.help.find("default ") == std::string::npos;
      const std::string text = option.help + (tell ? " (default " + present + ")" : "");
      if (option.valueless) {
        group.add_options()(option.key.c_str(), text.c_str());
      } else {
        group.add_options()(option.key.c_str(), po::value<std::string>()->value_name(option.value_name), text.c_str());
      }
    }
    out << "\n" << group;
  }
  return out.str();
}

std::string OptionSet::recipe() const {
  std::ostringstream out;
  std::string heading;
  for (const Option& option : options_) {
    if (option.place != Place::anywhere || (is_alternative(option.key) && option.get() == option.initial)) continue;
    if (option.group != heading) out << (heading.empty() ? "" : "\n") << "# " << (heading = option.group) << "\n";
    out << option.key << " = " << option.get() << "\n";
  }
  return out.str();
}

}  // namespace convoy
