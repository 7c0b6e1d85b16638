#include "values.hpp"

#include <proton/codec/decoder.hpp>
#include <proton/codec/map.hpp>
#include <proton/codec/encoder.hpp>
#include <proton/decimal.hpp>
#include <proton/annotation_key.hpp>
#include <proton/map.hpp>
#include <proton/message_id.hpp>
#include <proton/scalar.hpp>
#include <proton/symbol.hpp>
#include <proton/timestamp.hpp>
#include <proton/uuid.hpp>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <stdexcept>

namespace values {
namespace {

using proton::codec::decoder;
using proton::codec::encoder;
using proton::codec::finish;
using proton::codec::start;

template <class T> std::string hex(const T& octets) {
    static const char digits[] = "0123456789abcdef";
    std::string out;
    for (auto o : octets) {
        out += digits[(static_cast<unsigned char>(o)) >> 4];
        out += digits[(static_cast<unsigned char>(o)) & 15];
    }
    return out;
}

std::string unhex(const std::string& text) {
    std::string out;
    for (size_t i = 0; i + 1 < text.size(); i += 2) out += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
    return out;
}

std::string unquote(const std::string& text) {
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '%') {
            out += unhex(text.substr(i + 1, 2));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

// Octets in network order to and from a fixed-width C++ type.
template <class T> T fixed(const std::string& text) {
    std::string octets = unhex(text);
    std::reverse(octets.begin(), octets.end());
    T out;
    std::memcpy(&out, octets.data(), sizeof(T));
    return out;
}

template <class T> std::string unfixed(const T& v) {
    std::string octets(reinterpret_cast<const char*>(&v), sizeof(T));
    std::reverse(octets.begin(), octets.end());
    return hex(octets);
}

// proton keeps the small decimals in the order of the machine, decimal128 and uuid in network order.
template <class T> T host_order(const std::string& text) {
    std::string octets = unhex(text);
    std::reverse(octets.begin(), octets.end());
    T out;
    std::copy(octets.begin(), octets.end(), out.begin());
    return out;
}

template <class T> std::string host_order(const T& v) {
    std::string octets(v.begin(), v.end());
    std::reverse(octets.begin(), octets.end());
    return hex(octets);
}

template <class T> T array_of_bytes(const std::string& text) {
    std::string octets = unhex(text);
    T out;
    std::copy(octets.begin(), octets.end(), out.begin());
    return out;
}

const std::map<std::string, proton::type_id> TYPE_IDS = {
    {"null", proton::NULL_TYPE}, {"boolean", proton::BOOLEAN}, {"ubyte", proton::UBYTE}, {"ushort", proton::USHORT},
    {"uint", proton::UINT}, {"ulong", proton::ULONG}, {"byte", proton::BYTE}, {"short", proton::SHORT},
    {"int", proton::INT}, {"long", proton::LONG}, {"float", proton::FLOAT}, {"double", proton::DOUBLE},
    {"decimal32", proton::DECIMAL32}, {"decimal64", proton::DECIMAL64}, {"decimal128", proton::DECIMAL128},
    {"char", proton::CHAR}, {"timestamp", proton::TIMESTAMP}, {"uuid", proton::UUID}, {"binary", proton::BINARY},
    {"string", proton::STRING}, {"symbol", proton::SYMBOL}, {"list", proton::LIST}, {"map", proton::MAP},
};

std::string name_of(proton::type_id id) {
    for (auto& entry : TYPE_IDS)
        if (entry.second == id) return entry.first;
    return "unexpected";
}

// A recursive-descent parser of one value, which it writes to an encoder.
class parser {
  public:
    parser(const std::string& text, encoder& out) : text_(text), out_(out) {}

    void value() {
        std::string w = word();
        if (at_ < text_.size() && text_[at_] == '(') {
            compound(w);
        } else if (w == "null") {
            out_ << nullptr;
        } else {
            size_t colon = w.find(':');
            scalar(w.substr(0, colon), w.substr(colon + 1));
        }
    }

  private:
    std::string word() {
        size_t end = text_.find_first_of("() ", at_);
        if (end == std::string::npos) end = text_.size();
        std::string w = text_.substr(at_, end - at_);
        at_ = end;
        return w;
    }

    void compound(const std::string& name) {
        at_++;
        if (name == "list") out_ << start::list();
        else if (name == "map") out_ << start::map();
        else if (name == "described") out_ << start::described();
        else if (name == "array") out_ << start::array(TYPE_IDS.at(word()));
        else throw std::runtime_error("unknown type " + name);
        while (text_.at(at_) != ')') {
            if (text_[at_] == ' ') at_++;
            else value();
        }
        at_++;
        out_ << finish();
    }

    void scalar(const std::string& name, const std::string& s) {
        if (name == "boolean") out_ << (s == "true");
        else if (name == "ubyte") out_ << static_cast<uint8_t>(std::stoul(s));
        else if (name == "ushort") out_ << static_cast<uint16_t>(std::stoul(s));
        else if (name == "uint") out_ << static_cast<uint32_t>(std::stoul(s));
        else if (name == "ulong") out_ << static_cast<uint64_t>(std::stoull(s));
        else if (name == "byte") out_ << static_cast<int8_t>(std::stol(s));
        else if (name == "short") out_ << static_cast<int16_t>(std::stol(s));
        else if (name == "int") out_ << static_cast<int32_t>(std::stol(s));
        else if (name == "long") out_ << static_cast<int64_t>(std::stoll(s));
        else if (name == "float") out_ << fixed<float>(s);
        else if (name == "double") out_ << fixed<double>(s);
        else if (name == "decimal32") out_ << host_order<proton::decimal32>(s);
        else if (name == "decimal64") out_ << host_order<proton::decimal64>(s);
        else if (name == "decimal128") out_ << array_of_bytes<proton::decimal128>(s);
        else if (name == "char") out_ << static_cast<wchar_t>(std::stol(s));
        else if (name == "timestamp") out_ << proton::timestamp(std::stoll(s));
        else if (name == "uuid") out_ << array_of_bytes<proton::uuid>(s);
        else if (name == "binary") out_ << proton::binary(unhex(s));
        else if (name == "string") out_ << unquote(s);
        else if (name == "symbol") out_ << proton::symbol(unquote(s));
        else throw std::runtime_error("unknown type " + name);
    }

    const std::string& text_;
    encoder& out_;
    size_t at_ = 0;
};

template <class T> T take(decoder& d) {
    T v;
    d >> v;
    return v;
}

std::string next(decoder& d);

std::string container(decoder& d) {
    start s;
    d >> s;
    std::vector<std::string> parts;
    if (s.type == proton::MAP) {
        for (size_t i = 0; i + 1 < s.size; i += 2) {
            std::string key = next(d);
            parts.push_back(key + " " + next(d));
        }
        std::sort(parts.begin(), parts.end());
    } else {
        size_t n = s.type == proton::DESCRIBED ? 2 : s.size;
        for (size_t i = 0; i < n; i++) parts.push_back(next(d));
    }
    d >> finish();
    std::string out = s.type == proton::LIST ? "list(" : s.type == proton::MAP ? "map(" : "described(";
    if (s.type == proton::ARRAY) {
        out = "array(";
        parts.insert(parts.begin(), name_of(s.element));
    }
    for (size_t i = 0; i < parts.size(); i++) out += (i ? " " : "") + parts[i];
    return out + ")";
}

std::string next(decoder& d) {
    proton::type_id type = d.next_type();
    std::string name = name_of(type) + ":";
    switch (type) {
    case proton::NULL_TYPE: take<proton::value>(d); return "null";
    case proton::BOOLEAN: return name + (take<bool>(d) ? "true" : "false");
    case proton::UBYTE: return name + std::to_string(take<uint8_t>(d));
    case proton::USHORT: return name + std::to_string(take<uint16_t>(d));
    case proton::UINT: return name + std::to_string(take<uint32_t>(d));
    case proton::ULONG: return name + std::to_string(take<uint64_t>(d));
    case proton::BYTE: return name + std::to_string(take<int8_t>(d));
    case proton::SHORT: return name + std::to_string(take<int16_t>(d));
    case proton::INT: return name + std::to_string(take<int32_t>(d));
    case proton::LONG: return name + std::to_string(take<int64_t>(d));
    case proton::FLOAT: return name + unfixed(take<float>(d));
    case proton::DOUBLE: return name + unfixed(take<double>(d));
    case proton::DECIMAL32: return name + host_order(take<proton::decimal32>(d));
    case proton::DECIMAL64: return name + host_order(take<proton::decimal64>(d));
    case proton::DECIMAL128: return name + hex(take<proton::decimal128>(d));
    case proton::CHAR: return name + std::to_string(static_cast<long>(take<wchar_t>(d)));
    case proton::TIMESTAMP: return name + std::to_string(take<proton::timestamp>(d).milliseconds());
    case proton::UUID: return name + hex(take<proton::uuid>(d));
    case proton::BINARY: return name + hex(take<proton::binary>(d));
    case proton::STRING: return name + quote(take<std::string>(d));
    case proton::SYMBOL: return name + quote(take<proton::symbol>(d));
    default: return container(d);
    }
}

void set_property(proton::message& msg, const std::string& name, const proton::value& v) {
    if (name == "message-id") msg.id(proton::get<proton::message_id>(v));
    else if (name == "correlation-id") msg.correlation_id(proton::get<proton::message_id>(v));
    else if (name == "user-id") msg.user(std::string(proton::get<proton::binary>(v)));
    else if (name == "to") msg.to(proton::get<std::string>(v));
    else if (name == "subject") msg.subject(proton::get<std::string>(v));
    else if (name == "reply-to") msg.reply_to(proton::get<std::string>(v));
    else if (name == "content-type") msg.content_type(proton::get<proton::symbol>(v));
    else if (name == "content-encoding") msg.content_encoding(proton::get<proton::symbol>(v));
    else if (name == "absolute-expiry-time") msg.expiry_time(proton::get<proton::timestamp>(v));
    else if (name == "creation-time") msg.creation_time(proton::get<proton::timestamp>(v));
    else if (name == "group-id") msg.group_id(proton::get<std::string>(v));
    else if (name == "group-sequence") msg.group_sequence(static_cast<int32_t>(proton::get<uint32_t>(v)));
    else if (name == "reply-to-group-id") msg.reply_to_group_id(proton::get<std::string>(v));
    else throw std::runtime_error("unknown property " + name);
}

}  // namespace

std::string quote(const std::string& text) {
    static const char digits[] = "0123456789ABCDEF";
    std::string out;
    for (unsigned char c : text) {
        if (c < 128 && (std::isalnum(c) || std::strchr("._/-", c))) {
            out += static_cast<char>(c);
        } else {
            out += '%';
            out += digits[c >> 4];
            out += digits[c & 15];
        }
    }
    return out;
}

proton::value parse(const std::string& text) {
    proton::value v;
    encoder out(v);
    parser(text, out).value();
    return v;
}

std::string show(const proton::value& value) {
    if (value.empty()) return "null";
    decoder d(value);
    return next(d);
}

proton::message build(const std::vector<std::string>& lines) {
    proton::message msg;
    for (auto& line : lines) {
        size_t space = line.find(' '), dot = line.find('.');
        std::string section = line.substr(0, dot), name = line.substr(dot + 1, space - dot - 1);
        proton::value v = parse(line.substr(space + 1));
        if (section == "header") {
            if (name == "durable") msg.durable(proton::get<bool>(v));
            else if (name == "ttl") msg.ttl(proton::duration(proton::get<uint32_t>(v)));
            else msg.priority(proton::get<uint8_t>(v));
        } else if (section == "annotation") {
            msg.message_annotations().put(proton::symbol(name), v);
        } else if (section == "application") {
            msg.properties().put(name, v.empty() ? proton::scalar() : proton::get<proton::scalar>(v));
        } else if (section == "properties") {
            set_property(msg, name, v);
        } else {
            msg.inferred(name != "value");
            msg.body(v);
        }
    }
    return msg;
}

std::string describe(const proton::message& msg) {
    std::vector<std::string> lines;
    auto text = [&](const std::string& name, const std::string& v, const char* type) {
        if (!v.empty()) lines.push_back("properties." + name + " " + type + ":" + quote(v));
    };
    auto id = [&](const std::string& name, const proton::message_id& v) {
        if (!v.empty()) lines.push_back("properties." + name + " " + show(v));
    };
    auto instant = [&](const std::string& name, proton::timestamp v) {
        if (v.milliseconds()) lines.push_back("properties." + name + " " + show(v));
    };
    lines.push_back(std::string("header.durable boolean:") + (msg.durable() ? "true" : "false"));
    lines.push_back("header.priority ubyte:" + std::to_string(msg.priority()));
    if (msg.ttl().milliseconds()) lines.push_back("header.ttl uint:" + std::to_string(msg.ttl().milliseconds()));
    id("message-id", msg.id());
    id("correlation-id", msg.correlation_id());
    if (!msg.user().empty()) lines.push_back("properties.user-id binary:" + hex(msg.user()));
    text("to", msg.to(), "string");
    text("subject", msg.subject(), "string");
    text("reply-to", msg.reply_to(), "string");
    text("content-type", msg.content_type(), "symbol");
    text("content-encoding", msg.content_encoding(), "symbol");
    instant("absolute-expiry-time", msg.expiry_time());
    instant("creation-time", msg.creation_time());
    text("group-id", msg.group_id(), "string");
    if (uint32_t n = static_cast<uint32_t>(msg.group_sequence()))
        lines.push_back("properties.group-sequence uint:" + std::to_string(n));
    text("reply-to-group-id", msg.reply_to_group_id(), "string");

    typedef std::map<proton::annotation_key, proton::value> annotation_map;
    annotation_map annotations;
    proton::get(msg.message_annotations().value(), annotations);
    for (auto& entry : annotations)
        lines.push_back("annotation." + proton::get<proton::symbol>(entry.first) + " " + show(entry.second));
    std::map<std::string, proton::value> properties;
    proton::get(msg.properties().value(), properties);
    for (auto& entry : properties) lines.push_back("application." + entry.first + " " + show(entry.second));

    if (!msg.body().empty()) {
        std::string kind = "value";
        if (msg.inferred()) kind = msg.body().type() == proton::LIST ? "sequence" : "data";
        lines.push_back("body." + kind + " " + show(msg.body()));
    }
    std::sort(lines.begin(), lines.end());
    std::string out;
    for (size_t i = 0; i < lines.size(); i++) out += (i ? "\n" : "") + lines[i];
    return out;
}

std::vector<std::vector<std::string>> read(const std::string& path) {
    std::ifstream in(path);
    if (!in) throw std::runtime_error("cannot read " + path);
    std::vector<std::vector<std::string>> messages(1);
    for (std::string line; std::getline(in, line);) {
        if (!line.empty()) messages.back().push_back(line);
        else if (!messages.back().empty()) messages.emplace_back();
    }
    if (messages.back().empty()) messages.pop_back();
    return messages;
}

}  // namespace values
