// Which kind of exchange, and how large its buckets: measured between the workers of a run before it starts.
#pragma once

#include <string>

#include "distributed/fabric.hpp"

namespace convoy {

struct ExchangeChoice {
  ExchangeKind kind = ExchangeKind::hierarchical;
  size_t bucket_bytes = size_t{4} << 20;

  /// "hierarchical, 4194304", and back; throws Error(data) naming `source` for another text.
  std::string text() const;
  static ExchangeChoice parse(const std::string& text, const std::string& source);
};

struct ExchangeQuestion {
  size_t elements = 0;  // of the arena's gradients
  Wire wire = Wire::fp32;
  AcrossNodes across_nodes = AcrossNodes::copies;
  CommunicatorOptions communicator{};
  /// What is settled already: the choice is only among the rest.
  const ExchangeKind* kind = nullptr;
  size_t bucket_bytes = 0;
};

/// Collective: runs whole exchanges of that size, without backward, and gives the same answer to all. Of bucket sizes
/// that are about as fast, the smallest: it starts earliest. Takes as long as some ten exchanges; where one takes over
/// half a second, only the kinds are compared.
ExchangeChoice choose_exchange(WorkerGroups& groups, const ExchangeQuestion& question);

}  // namespace convoy
