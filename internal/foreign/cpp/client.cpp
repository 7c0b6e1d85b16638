// The Proton C++ client of the foreign-client tests; its command line is described in internal/foreign/doc.go.

#include "values.hpp"

#include <proton/codec/map.hpp>
#include <proton/connection.hpp>
#include <proton/connection_options.hpp>
#include <proton/container.hpp>
#include <proton/delivery.hpp>
#include <proton/error_condition.hpp>
#include <proton/message_id.hpp>
#include <proton/messaging_handler.hpp>
#include <proton/receiver.hpp>
#include <proton/receiver_options.hpp>
#include <proton/sender.hpp>
#include <proton/sender_options.hpp>
#include <proton/session.hpp>
#include <proton/source.hpp>
#include <proton/source_options.hpp>
#include <proton/target_options.hpp>
#include <proton/tracker.hpp>
#include <proton/transport.hpp>
#include <proton/work_queue.hpp>

#include <proton/codec.h>
#include <proton/condition.h>
#include <proton/delivery.h>
#include <proton/disposition.h>

#include <cstdlib>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

namespace {

struct arguments {
    std::string command, url, address, values, hostname, capability;
    int count = 1, credit = 100, progress = 0;
    double timeout = 60;
    std::vector<size_t> sizes = {64};
    std::vector<std::string> outcomes = {"accept"};
    bool show = false, presettled = false, anonymous = false, retry = false, linger = false;
};

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, ',');) out.push_back(part);
    return out;
}

arguments parse(int argc, char** argv) {
    arguments a;
    if (argc < 2) throw std::runtime_error("usage: client COMMAND --url URL --address ADDRESS");
    a.command = argv[1];
    for (int i = 2; i < argc; i++) {
        std::string option = argv[i];
        auto next = [&]() -> std::string {
            if (i + 1 >= argc) throw std::runtime_error(option + " wants a value");
            return argv[++i];
        };
        if (option == "--url") a.url = next();
        else if (option == "--address") a.address = next();
        else if (option == "--values") a.values = next();
        else if (option == "--hostname") a.hostname = next();
        else if (option == "--capability") a.capability = next();
        else if (option == "--count") a.count = std::stoi(next());
        else if (option == "--credit") a.credit = std::stoi(next());
        else if (option == "--progress") a.progress = std::stoi(next());
        else if (option == "--timeout") a.timeout = std::stod(next());
        else if (option == "--outcome") a.outcomes = split(next());
        else if (option == "--show") a.show = true;
        else if (option == "--presettled") a.presettled = true;
        else if (option == "--anonymous") a.anonymous = true;
        else if (option == "--retry") a.retry = true;
        else if (option == "--linger") a.linger = true;
        else if (option == "--size") {
            a.sizes.clear();
            for (auto& s : split(next())) a.sizes.push_back(std::stoul(s));
        } else throw std::runtime_error("unknown option " + option);
    }
    return a;
}

uint32_t crc32(const proton::binary& data) {
    static uint32_t table[256];
    if (!table[1])
        for (uint32_t n = 0; n < 256; n++) {
            uint32_t c = n;
            for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >> 1) : c >> 1;
            table[n] = c;
        }
    uint32_t crc = 0xffffffff;
    for (uint8_t b : data) crc = table[(crc ^ b) & 255] ^ (crc >> 8);
    return ~crc;
}

// The body of message seq: a pattern with a prime period, so that a misplaced frame shows.
proton::binary body_of(uint64_t seq, size_t size) {
    proton::binary body;
    body.resize(size);
    for (size_t i = 0, p = 0; i < size; i++, p = p == 250 ? 0 : p + 1) body[i] = static_cast<uint8_t>(p + seq);
    return body;
}

proton::message numbered(uint64_t seq, size_t size) {
    proton::binary body = body_of(seq, size);
    proton::message msg;
    msg.id(seq);
    msg.properties().put("seq", seq);
    msg.properties().put("crc", crc32(body));
    msg.inferred(true);
    msg.body(body);
    return msg;
}

uint64_t sequence(const proton::message& msg) {
    return proton::coerce<uint64_t>(msg.properties().get("seq"));
}

bool intact(const proton::message& msg) {
    if (msg.body().type() != proton::BINARY) return false;
    return crc32(proton::get<proton::binary>(msg.body())) == proton::coerce<uint32_t>(msg.properties().get("crc"));
}

std::string json(const std::string& text) {
    std::string out = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (c == '\n') out += "\\n";
        else out += c;
    }
    return out + "\"";
}

std::string json(const std::vector<std::string>& list) {
    std::string out = "[";
    for (size_t i = 0; i < list.size(); i++) out += (i ? "," : "") + json(list[i]);
    return out + "]";
}

// The C++ binding shows neither the condition of a rejection nor the fields of a modification, and cannot give them;
// the C library below it can.
struct c_tracker : proton::tracker {
    explicit c_tracker(const proton::tracker& t) : proton::tracker(t) {}
    pn_delivery_t* c() const { return pn_object(); }
};

struct c_delivery : proton::delivery {
    explicit c_delivery(const proton::delivery& d) : proton::delivery(d) {}
    pn_delivery_t* c() const { return pn_object(); }
};

std::string text_of(const char* s) { return s ? s : ""; }

// The entries of a map that belongs to an outcome. An AMQP value of the C library becomes one of the C++ binding as the
// body of a message: the octets of an amqp-value section are a message.
std::string fields(pn_data_t* data) {
    ssize_t size = pn_data_encoded_size(data);
    if (size <= 0) return "";
    std::vector<char> octets(3 + size);
    octets[1] = 0x53;
    octets[2] = 0x77;
    pn_data_encode(data, octets.data() + 3, size);
    proton::message msg;
    msg.decode(octets);
    std::map<proton::scalar, proton::value> entries;
    proton::get(msg.body(), entries);
    std::string out;
    for (auto& e : entries) out += " " + proton::coerce<std::string>(e.first) + "=" + values::show(e.second);
    return out;
}

std::string outcome_text(const proton::tracker& t) {
    pn_delivery_t* d = c_tracker(t).c();
    pn_disposition_t* remote = pn_delivery_remote(d);
    switch (pn_delivery_remote_state(d)) {
    case PN_ACCEPTED: return "accepted";
    case PN_RELEASED: return "released";
    case PN_REJECTED: {
        pn_condition_t* condition = pn_disposition_condition(remote);
        if (!pn_condition_is_set(condition)) return "rejected";
        return "rejected " + text_of(pn_condition_get_name(condition)) + " " +
               text_of(pn_condition_get_description(condition)) + fields(pn_condition_info(condition));
    }
    case PN_MODIFIED: {
        auto flag = [](bool b) { return b ? "true" : "false"; };
        return std::string("modified failed=") + flag(pn_disposition_is_failed(remote)) +
               " undeliverable=" + flag(pn_disposition_is_undeliverable(remote)) +
               fields(pn_disposition_annotations(remote));
    }
    default: return "none";
    }
}

void put_symbol(pn_data_t* data, const std::string& text) {
    pn_data_put_symbol(data, pn_bytes(text.size(), text.data()));
}

void put_string(pn_data_t* data, const std::string& text) {
    pn_data_put_string(data, pn_bytes(text.size(), text.data()));
}

// Give one outcome of the command line's --outcome list.
void settle(proton::delivery& delivery, const std::string& outcome, uint64_t seq) {
    pn_delivery_t* d = c_delivery(delivery).c();
    pn_disposition_t* local = pn_delivery_local(d);
    std::string text = "message " + std::to_string(seq);
    uint64_t state = PN_MODIFIED;
    if (outcome == "accept") {
        state = PN_ACCEPTED;
    } else if (outcome == "release") {
        state = PN_RELEASED;
    } else if (outcome == "reject") {
        state = PN_REJECTED;
        pn_condition_set_name(pn_disposition_condition(local), "foreign:refused");
        pn_condition_set_description(pn_disposition_condition(local), (text + " refused").c_str());
    } else if (outcome == "reject-info") {
        state = PN_REJECTED;
        pn_condition_set_name(pn_disposition_condition(local), "foreign:refused");
        pn_condition_set_description(pn_disposition_condition(local), "see info");
        pn_data_t* data = pn_condition_info(pn_disposition_condition(local));
        pn_data_put_map(data);
        pn_data_enter(data);
        put_symbol(data, "foreign-seq");
        pn_data_put_uint(data, static_cast<uint32_t>(seq));
        pn_data_exit(data);
    } else if (outcome == "modify-all") {
        pn_disposition_set_failed(local, true);
        pn_disposition_set_undeliverable(local, true);
        pn_data_t* data = pn_disposition_annotations(local);
        pn_data_put_map(data);
        pn_data_enter(data);
        put_symbol(data, "x-opt-list");
        pn_data_put_list(data);
        pn_data_enter(data);
        put_string(data, "a");
        pn_data_put_bool(data, true);
        pn_data_exit(data);
        put_symbol(data, "x-opt-seq");
        pn_data_put_uint(data, static_cast<uint32_t>(seq));
        pn_data_exit(data);
    } else if (outcome == "modify-failed") {
        pn_disposition_set_failed(local, true);
    } else if (outcome == "modify-undeliverable") {
        pn_disposition_set_undeliverable(local, true);
        pn_data_t* data = pn_disposition_annotations(local);
        pn_data_put_map(data);
        pn_data_enter(data);
        put_symbol(data, "x-opt-foreign");
        put_string(data, text);
        pn_data_exit(data);
    } else {
        throw std::runtime_error("unknown outcome " + outcome);
    }
    pn_delivery_update(d, state);
    pn_delivery_settle(d);
}

// What the four commands have in common: connection, time-out, lines on stdout.
class client : public proton::messaging_handler {
  public:
    explicit client(const arguments& a) : args(a) {}

    // Print the result and leave. Not by returning from the container: that waits for the time-out's timer, which
    // proton cannot take back.
    [[noreturn]] void leave() {
        if (!finished) error = "disconnected";
        std::cout << "{\"event\":\"result\",\"count\":" << count << ",\"error\":" << json(error) << result() << "}"
                  << std::endl;
        std::_Exit(error.empty() ? 0 : 1);
    }

  protected:
    virtual void open() = 0;
    virtual std::string result() { return ""; }

    void ready(const std::string& address) {
        std::cout << "{\"event\":\"ready\",\"address\":" << json(address) << "}" << std::endl;
    }

    void progress() {
        if (args.progress && count % args.progress == 0)
            std::cout << "{\"event\":\"progress\",\"count\":" << count << "}" << std::endl;
    }

    void finish(const std::string& why = "") {
        if (finished) return;
        finished = true;
        error = why;
        if (why.empty()) connection.close();
        else leave();
    }

    void on_container_start(proton::container& c) override {
        auto milliseconds = static_cast<proton::duration::numeric_type>(args.timeout * 1000);
        c.schedule(proton::duration(milliseconds), [this] {
            error = "no end after " + std::to_string(args.timeout) + " seconds";
            finished = true;
            leave();
        });
        auto options = proton::connection_options().sasl_allowed_mechs("ANONYMOUS");
        if (!args.hostname.empty()) options.virtual_host(args.hostname);
        connection = c.connect(args.url, options);
        open();
    }

    void on_transport_close(proton::transport&) override { leave(); }
    void on_transport_error(proton::transport& t) override { finish("transport: " + t.error().what()); }
    void on_connection_error(proton::connection& c) override { finish("connection: " + c.error().what()); }
    void on_session_error(proton::session& s) override { finish("session: " + s.error().what()); }
    void on_sender_error(proton::sender& s) override { finish("sender: " + s.error().what()); }
    void on_receiver_error(proton::receiver& r) override { finish("receiver: " + r.error().what()); }
    void on_error(const proton::error_condition& e) override { finish(e.what()); }

    proton::receiver_options receiving() {
        proton::source_options source;
        if (!args.capability.empty()) source.capabilities({args.capability});
        return proton::receiver_options().credit_window(args.credit).auto_accept(false).source(source);
    }

    proton::target_options target() {
        proton::target_options target;
        if (!args.capability.empty()) target.capabilities({args.capability});
        return target;
    }

    arguments args;
    proton::connection connection;
    bool finished = false;
    int count = 0;
    std::string error;
};

class send_client : public client {
  public:
    using client::client;

  private:
    void open() override {
        if (!args.values.empty()) {
            messages = values::read(args.values);
            args.count = static_cast<int>(messages.size());
        }
        for (int seq = args.count - 1; seq >= 0; seq--) waiting.push_back(seq);
        states.resize(args.count);
        proton::sender_options options;
        options.delivery_mode(args.presettled ? proton::delivery_mode::AT_MOST_ONCE
                                              : proton::delivery_mode::AT_LEAST_ONCE);
        options.target(target().anonymous(args.anonymous));
        sender = connection.open_sender(args.anonymous ? "" : args.address, options);
    }

    proton::message message(int seq) {
        proton::message msg = messages.empty() ? numbered(seq, args.sizes[seq % args.sizes.size()])
                                               : values::build(messages[seq]);
        if (args.anonymous) msg.to(args.address);
        return msg;
    }

    void on_sendable(proton::sender&) override { send(); }

    void send() {
        while (!waiting.empty() && sender.credit() > 0) {
            int seq = waiting.back();
            waiting.pop_back();
            proton::tracker t = sender.send(message(seq));
            if (args.presettled) done(seq, "presettled");
            else in_flight[c_tracker(t).c()] = seq;
        }
    }

    void on_tracker_settle(proton::tracker& t) override {
        auto found = in_flight.find(c_tracker(t).c());
        if (found == in_flight.end()) return;
        int seq = found->second;
        in_flight.erase(found);
        std::string text = outcome_text(t), kind = text.substr(0, text.find(' '));
        if (args.retry && (kind == "released" || kind == "modified")) {
            retries++;
            waiting.push_back(seq);
            send();
        } else {
            done(seq, text);
        }
    }

    void done(int seq, const std::string& text) {
        count++;
        outcomes[text.substr(0, text.find(' '))]++;
        states[seq] = text;
        progress();
        if (count == args.count) finish();
    }

    std::string result() override {
        std::string list;
        for (auto& o : outcomes) list += (list.empty() ? "" : ",") + json(o.first) + ":" + std::to_string(o.second);
        std::string out = ",\"outcomes\":{" + list + "},\"retries\":" + std::to_string(retries);
        if (args.count <= 100) out += ",\"states\":" + json(states);
        return out;
    }

    proton::sender sender;
    std::vector<std::vector<std::string>> messages;
    std::vector<int> waiting;
    std::map<pn_delivery_t*, int> in_flight;
    std::map<std::string, int> outcomes;
    std::vector<std::string> states;
    int retries = 0;
};

class receive_client : public client {
  public:
    using client::client;

  private:
    void open() override {
        limit = args.linger ? std::numeric_limits<size_t>::max() : args.count;
        receiver = connection.open_receiver(args.address, receiving());
    }

    void on_receiver_open(proton::receiver& r) override {
        ready(r.source().address());
        if (args.linger) std::thread(&receive_client::read_lines, this, &r.work_queue()).detach();
    }

    void read_lines(proton::work_queue* queue) {
        std::string order;
        for (size_t number; std::cin >> order >> number;) queue->add([=] { obey(order, number); });
    }

    void obey(const std::string& order, size_t number) {
        if (order == "credit") receiver.add_credit(number);
        else limit = number;
        finish_if_done();
    }

    void finish_if_done() {
        if (seen.size() >= limit) finish();
    }

    void on_message(proton::delivery& delivery, proton::message& msg) override {
        if (finished) return;
        uint64_t seq = seen.size();
        presettled += delivery.settled();
        if (args.show) {
            shown.push_back(values::describe(msg));
        } else {
            seq = sequence(msg);
            corrupt += !intact(msg);
            bytes += proton::get<proton::binary>(msg.body()).size();
        }
        settle(delivery, args.outcomes[seq % args.outcomes.size()], seq);
        if (!seen.insert(seq).second) {
            duplicates++;
            return;
        }
        misordered += static_cast<int64_t>(seq) < highest;
        highest = std::max(highest, static_cast<int64_t>(seq));
        count = static_cast<int>(seen.size());
        progress();
        finish_if_done();
    }

    std::string result() override {
        std::ostringstream out;
        out << ",\"duplicates\":" << duplicates << ",\"corrupt\":" << corrupt << ",\"misordered\":" << misordered
            << ",\"presettled\":" << presettled << ",\"bytes\":" << bytes << ",\"messages\":" << json(shown)
            << ",\"numbers\":[";
        if (args.linger)
            for (auto i = seen.begin(); i != seen.end(); i++) out << (i == seen.begin() ? "" : ",") << *i;
        out << "]";
        return out.str();
    }

    proton::receiver receiver;
    size_t limit = 0;
    std::set<uint64_t> seen;
    int64_t highest = -1;
    int duplicates = 0, corrupt = 0, misordered = 0, presettled = 0;
    size_t bytes = 0;
    std::vector<std::string> shown;
};

class request_client : public client {
  public:
    using client::client;

  private:
    void open() override {
        auto options = receiving().source(proton::source_options().dynamic(true));
        receiver = connection.open_receiver("", options);
    }

    void on_receiver_open(proton::receiver& r) override {
        reply_to = r.source().address();
        ready(reply_to);
        sender = connection.open_sender(args.address);
    }

    void on_sendable(proton::sender&) override {
        while (asked < args.count && sender.credit() > 0) {
            proton::message msg = numbered(asked, args.sizes[asked % args.sizes.size()]);
            msg.reply_to(reply_to);
            msg.correlation_id(static_cast<uint64_t>(asked));
            sender.send(msg);
            asked++;
        }
    }

    void on_message(proton::delivery& delivery, proton::message& msg) override {
        settle(delivery, "accept", 0);
        uint64_t id = proton::coerce<uint64_t>(msg.correlation_id());
        corrupt += !intact(msg) || sequence(msg) != id;
        answered.insert(id);
        count = static_cast<int>(answered.size());
        if (count == args.count) finish();
    }

    std::string result() override { return ",\"corrupt\":" + std::to_string(corrupt); }

    proton::receiver receiver;
    proton::sender sender;
    std::string reply_to;
    int asked = 0, corrupt = 0;
    std::set<uint64_t> answered;
};

class respond_client : public client {
  public:
    using client::client;

  protected:
    void open() override {
        receiver = connection.open_receiver(args.address, receiving());
        sender = connection.open_sender("", proton::sender_options().target(target().anonymous(true)));
    }

    proton::receiver receiver;
    proton::sender sender;

  private:

    void on_receiver_open(proton::receiver&) override { ready(args.address); }

    void on_message(proton::delivery& delivery, proton::message& request) override {
        proton::message reply;
        reply.to(request.reply_to());
        reply.correlation_id(request.correlation_id());
        reply.inferred(request.inferred());
        reply.body(request.body());
        reply.properties() = request.properties();
        sender.send(reply);
        settle(delivery, "accept", 0);
    }

    void on_tracker_settle(proton::tracker&) override {
        count++;
        if (count == args.count) finish();
    }
};

// What a broker does: it takes messages, stores them, and sends them to the same address.
class relay_client : public respond_client {
  public:
    using respond_client::respond_client;

  private:
    void open() override {
        receiver = connection.open_receiver(args.address, receiving());
        sender = connection.open_sender(args.address, proton::sender_options().target(target()));
    }
};

std::unique_ptr<client> make(const arguments& args) {
    if (args.command == "send") return std::unique_ptr<client>(new send_client(args));
    if (args.command == "receive") return std::unique_ptr<client>(new receive_client(args));
    if (args.command == "request") return std::unique_ptr<client>(new request_client(args));
    if (args.command == "respond") return std::unique_ptr<client>(new respond_client(args));
    if (args.command == "relay") return std::unique_ptr<client>(new relay_client(args));
    throw std::runtime_error("unknown command " + args.command);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        std::unique_ptr<client> c = make(parse(argc, argv));
        proton::container(*c).run();
        c->leave();
    } catch (const std::exception& e) {
        std::cerr << e.what() << std::endl;
        return 2;
    }
}
