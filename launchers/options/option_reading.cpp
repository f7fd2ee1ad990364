// Reading flags and recipes into assignments, with Boost.Program_options as the tokeniser.
#include <algorithm>
#include <boost/program_options.hpp>
#include <fstream>
#include <sstream>

#include "core/base/error.hpp"
#include "launchers/options/option_set.hpp"

namespace convoy {

namespace po = boost::program_options;

Assignments OptionSet::read_flags(const std::vector<std::string>& arguments) const {
  po::options_description known;
  for (const Option& option : options_) {
    if (option.valueless) {
      known.add_options()(option.key.c_str(), "");
    } else {
      known.add_options()(option.key.c_str(), po::value<std::string>(), "");
    }
  }
  namespace style = po::command_line_style;
  std::vector<po::option> parsed;
  try {
    parsed = po::command_line_parser(arguments)
                 .options(known)
                 .style(style::allow_long | style::long_allow_adjacent | style::long_allow_next)
                 .allow_unregistered()
                 .run()
                 .options;
  } catch (const po::invalid_command_line_syntax& error) {
    const bool missing = error.kind() == po::invalid_syntax::missing_parameter;
    fail(ExitCode::usage, error.get_option_name(), missing ? ": a value must follow" : ": takes no value", "; `",
         command_, " --help` shows how it is written");
  }

  Assignments out;
  for (const po::option& option : parsed) {
    if (option.unregistered) fail_unknown(option.string_key, "--", Place::flags_only);
    if (option.position_key >= 0) {
      const std::string& word = option.value.front();
      if (word.size() > 1 && word.front() == '-') fail_unknown(word, "", Place::flags_only);
      out.positional.push_back(word);
    } else {
      out.values.push_back(
          {option.string_key, option.value.empty() ? "on" : option.value.front(), "--" + option.string_key});
    }
  }
  check_once(out);
  return out;
}

Assignments OptionSet::read_recipe(const std::string& path) const {
  std::ifstream file(path);
  if (!file) fail(ExitCode::usage, path, ": cannot be read; give the path of a recipe (a file of `key = value` lines)");
  po::options_description known;
  for (const std::string& key : keys(Place::anywhere)) known.add_options()(key.c_str(), po::value<std::string>(), "");

  Assignments out;
  std::string text;
  // Line by line, because Boost's messages do not tell the line.
  for (int line = 1; std::getline(file, text); ++line) {
    const std::string where = concat(path, ":", line, ": ");
    const size_t first = text.find_first_not_of(" \t\r");
    if (first == std::string::npos || text[first] == '#') continue;
    if (text[first] == '[') fail(ExitCode::usage, where, "sections have no meaning here; write `key = value`");
    std::istringstream one(text);
    std::vector<po::option> parsed;
    try {
      parsed = po::parse_config_file(one, known, /*allow_unregistered=*/true).options;
    } catch (const po::error&) {
      fail(ExitCode::usage, where, "not of the form `key = value`: ", text.substr(first));
    }
    for (const po::option& option : parsed) {
      if (option.unregistered) fail_unknown(option.string_key, where, Place::anywhere);
      out.values.push_back({option.string_key, option.value.front(), where + option.string_key});
    }
  }
  if (file.bad()) fail(ExitCode::usage, path, ": cannot be read to its end; is it a file?");
  check_once(out);
  return out;
}

}  // namespace convoy
