// AMQP values and messages as text; the notation is described in ../python/values.py.
#ifndef FOREIGN_VALUES_HPP
#define FOREIGN_VALUES_HPP

#include <proton/message.hpp>
#include <proton/value.hpp>

#include <string>
#include <vector>

namespace values {

std::string quote(const std::string& text);

// The AMQP value of a text; throws std::runtime_error on a text that is none.
proton::value parse(const std::string& text);

// The text of an AMQP value.
std::string show(const proton::value& value);

// The message which the lines describe.
proton::message build(const std::vector<std::string>& lines);

// The lines of a received message, sorted.
std::string describe(const proton::message& msg);

// The messages of a file: lists of lines, parted by empty lines.
std::vector<std::vector<std::string>> read(const std::string& path);

}  // namespace values

#endif
