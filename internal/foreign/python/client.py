#!/usr/bin/python3
"""The Proton Python client of the foreign-client tests; its command line is described in internal/foreign/doc.go."""

import argparse
import json
import sys
import threading
import zlib

from proton import Condition, Delivery, Message, symbol, uint, ulong
from proton.handlers import IncomingMessageHandler, MessagingHandler
from proton.reactor import ApplicationEvent, AtLeastOnce, AtMostOnce, Container, EventInjector, LinkOption

import values


def body_of(seq, size):
    """The body of message seq: a pattern with a prime period, so that a misplaced frame shows."""
    period = bytes((i + seq) & 255 for i in range(251))
    return (period * (size // 251 + 1))[:size]


def numbered(seq, size):
    body = body_of(seq, size)
    properties = {"seq": ulong(seq), "crc": uint(zlib.crc32(body))}
    return Message(id=ulong(seq), body=body, inferred=True, properties=properties)


def intact(msg):
    return isinstance(msg.body, bytes) and zlib.crc32(msg.body) == msg.properties["crc"]


def outcome_text(delivery):
    remote = delivery.remote
    if delivery.remote_state == Delivery.ACCEPTED:
        return "accepted"
    if delivery.remote_state == Delivery.RELEASED:
        return "released"
    if delivery.remote_state == Delivery.REJECTED:
        if remote.condition is None:
            return "rejected"
        text = "rejected %s %s" % (remote.condition.name, remote.condition.description)
        return text + fields(remote.condition.info)
    if delivery.remote_state == Delivery.MODIFIED:
        text = "modified failed=%s undeliverable=%s" % (str(remote.failed).lower(), str(remote.undeliverable).lower())
        return text + fields(remote.annotations)
    return "none"


def fields(entries):
    return "".join(" %s=%s" % (key, values.show(value)) for key, value in sorted((entries or {}).items()))


def settle(delivery, outcome, seq):
    """Give one outcome of the command line's --outcome list."""
    local = delivery.local
    if outcome == "accept":
        delivery.update(Delivery.ACCEPTED)
    elif outcome == "release":
        delivery.update(Delivery.RELEASED)
    elif outcome == "reject":
        local.condition = Condition("foreign:refused", "message %d refused" % seq)
        delivery.update(Delivery.REJECTED)
    elif outcome == "reject-info":
        local.condition = Condition("foreign:refused", "see info", {symbol("foreign-seq"): uint(seq)})
        delivery.update(Delivery.REJECTED)
    elif outcome == "modify-failed":
        local.failed = True
        delivery.update(Delivery.MODIFIED)
    elif outcome == "modify-undeliverable":
        local.undeliverable = True
        local.annotations = {symbol("x-opt-foreign"): "message %d" % seq}
        delivery.update(Delivery.MODIFIED)
    elif outcome == "modify-all":
        local.failed = local.undeliverable = True
        local.annotations = {symbol("x-opt-list"): ["a", True], symbol("x-opt-seq"): uint(seq)}
        delivery.update(Delivery.MODIFIED)
    else:
        raise ValueError("unknown outcome %r" % outcome)
    delivery.settle()


class Capability(LinkOption):
    """A capability of the source which a receiver receives from, or of the target which a sender sends to."""

    def __init__(self, name):
        self.name = name

    def apply(self, link):
        if self.name:
            (link.source if link.is_receiver else link.target).capabilities.put_symbol(symbol(self.name))


class Client(MessagingHandler):
    """What the four commands have in common: connection, time-out, lines on stdout."""

    def __init__(self, args, **kwargs):
        super().__init__(auto_accept=False, **kwargs)
        self.args = args
        self.result = {"event": "result", "count": 0, "error": ""}
        self.finished = False
        self.injector = None

    def say(self, **event):
        print(json.dumps(event), flush=True)

    def progress(self, count):
        if self.args.progress and count % self.args.progress == 0:
            self.say(event="progress", count=count)

    def on_start(self, event):
        self.container = event.container
        self.timer = event.container.schedule(self.args.timeout, self)
        if self.args.linger:
            self.injector = EventInjector()
            event.container.selectable(self.injector)
            threading.Thread(target=self.read_lines, daemon=True).start()
        self.connection = event.container.connect(self.args.url, reconnect=False, **self.connect_options())
        self.open()

    def read_lines(self):
        """The words of each line of stdin become an event."""
        for line in sys.stdin:
            self.injector.trigger(ApplicationEvent("told", subject=line.split()))

    def connect_options(self):
        return {"virtual_host": self.args.hostname} if self.args.hostname else {}

    def finish(self, error=""):
        if self.finished:
            return
        self.finished = True
        self.result["error"] = error
        self.timer.cancel()
        if self.injector:
            self.injector.close()
        if error:
            self.container.stop()
        else:
            self.connection.close()

    def on_timer_task(self, event):
        self.finish("no end after %g seconds" % self.args.timeout)

    def on_transport_error(self, event):
        self.finish("transport: %s" % event.transport.condition)

    def on_connection_error(self, event):
        self.finish("connection: %s" % event.connection.remote_condition)

    def on_session_error(self, event):
        self.finish("session: %s" % event.session.remote_condition)

    def on_link_error(self, event):
        self.finish("link: %s" % event.link.remote_condition)

    def on_disconnected(self, event):
        self.finish("disconnected")


class Send(Client):
    def open(self):
        args = self.args
        self.messages = values.read(args.values) if args.values else None
        if self.messages:
            args.count = len(self.messages)
        self.waiting = list(range(args.count - 1, -1, -1))
        self.in_flight = {}
        self.states = [""] * args.count
        self.result.update(outcomes={}, retries=0)
        target = None if args.anonymous else args.address
        mode = AtMostOnce() if args.presettled else AtLeastOnce()
        self.sender = self.container.create_sender(self.connection, target, options=[mode, Capability(args.capability)])

    def message(self, seq):
        if self.messages:
            msg = values.build(self.messages[seq])
        else:
            msg = numbered(seq, self.args.size[seq % len(self.args.size)])
        if self.args.anonymous:
            msg.address = self.args.address
        return msg

    def on_sendable(self, event):
        while self.waiting and self.sender.credit > 0:
            seq = self.waiting.pop()
            delivery = self.sender.send(self.message(seq))
            if self.args.presettled:
                self.done(seq, "presettled")
            else:
                self.in_flight[delivery.tag] = seq

    def on_settled(self, event):
        seq = self.in_flight.pop(event.delivery.tag, None)
        if seq is None:
            return
        text = outcome_text(event.delivery)
        if self.args.retry and text.split(" ")[0] in ("released", "modified"):
            self.result["retries"] += 1
            self.waiting.append(seq)
            self.on_sendable(event)
        else:
            self.done(seq, text)

    def done(self, seq, text):
        result = self.result
        result["count"] += 1
        kind = text.split(" ")[0]
        result["outcomes"][kind] = result["outcomes"].get(kind, 0) + 1
        self.states[seq] = text
        self.progress(result["count"])
        if result["count"] == self.args.count:
            if self.args.count <= 100:
                result["states"] = self.states
            self.finish()


class Receive(Client):
    def __init__(self, args):
        super().__init__(args, prefetch=args.credit)

    def open(self):
        self.seen = set()
        self.highest = -1
        self.limit = float("inf") if self.args.linger else self.args.count
        self.result.update(duplicates=0, corrupt=0, misordered=0, presettled=0, bytes=0, messages=[], numbers=[])
        option = Capability(self.args.capability)
        self.receiver = self.container.create_receiver(self.connection, self.args.address, options=option)

    def on_told(self, event):
        order, number = event.subject[0], int(event.subject[1])
        if order == "credit":
            self.receiver.flow(number)
        elif order == "end":
            self.limit = number
            self.finish_if_done()

    def finish_if_done(self):
        if len(self.seen) >= self.limit:
            self.finish()

    def on_link_opened(self, event):
        if event.link == self.receiver:
            self.say(event="ready", address=self.receiver.remote_source.address or "")

    def on_message(self, event):
        msg, delivery, result = event.message, event.delivery, self.result
        if self.finished:
            return
        if delivery.settled:
            result["presettled"] += 1
        if self.args.show:
            seq = len(self.seen)
            result["messages"].append(values.describe(msg))
        else:
            seq = msg.properties["seq"]
            result["corrupt"] += not intact(msg)
            result["bytes"] += len(msg.body)
        settle(delivery, self.args.outcome[seq % len(self.args.outcome)], seq)
        if seq in self.seen:
            result["duplicates"] += 1
            return
        result["misordered"] += seq < self.highest
        self.highest = max(seq, self.highest)
        self.seen.add(seq)
        if self.args.linger:
            result["numbers"].append(seq)
        result["count"] = len(self.seen)
        self.progress(result["count"])
        self.finish_if_done()


class Request(Client):
    def open(self):
        self.asked = 0
        self.answered = set()
        self.result.update(corrupt=0)
        self.receiver = self.container.create_receiver(self.connection, None, dynamic=True)
        self.sender = None

    def on_link_opened(self, event):
        if event.link == self.receiver:
            self.say(event="ready", address=self.receiver.remote_source.address)
            self.sender = self.container.create_sender(self.connection, self.args.address)

    def on_sendable(self, event):
        while self.asked < self.args.count and self.sender.credit > 0:
            msg = numbered(self.asked, self.args.size[self.asked % len(self.args.size)])
            msg.reply_to = self.receiver.remote_source.address
            msg.correlation_id = ulong(self.asked)
            self.sender.send(msg)
            self.asked += 1

    def on_message(self, event):
        msg = event.message
        settle(event.delivery, "accept", 0)
        self.answered.add(msg.correlation_id)
        if not intact(msg) or msg.properties["seq"] != msg.correlation_id:
            self.result["corrupt"] += 1
        self.result["count"] = len(self.answered)
        if len(self.answered) == self.args.count:
            self.finish()


class Respond(Client):
    def __init__(self, args):
        super().__init__(args, prefetch=args.credit)

    target = None

    def open(self):
        option = Capability(self.args.capability)
        self.receiver = self.container.create_receiver(self.connection, self.args.address, options=option)
        self.sender = self.container.create_sender(self.connection, self.target, options=option)

    def on_link_opened(self, event):
        if event.link == self.receiver:
            self.say(event="ready", address=self.args.address)

    def on_message(self, event):
        request = event.message
        reply = Message(address=request.reply_to, correlation_id=request.correlation_id, body=request.body,
                        inferred=request.inferred, properties=request.properties)
        self.sender.send(reply)
        settle(event.delivery, "accept", 0)

    def on_settled(self, event):
        if event.link != self.sender:
            return
        self.result["count"] += 1
        if self.result["count"] == self.args.count:
            self.finish()


class Relay(Respond):
    """What a broker does: it takes messages, stores them, and sends them to the same address."""

    def open(self):
        self.target = self.args.address
        super().open()


class Hold(Client):
    """Takes the first frames of one delivery, says so, and takes the rest when a line comes on stdin."""

    FRAME = 16384

    def __init__(self, args):
        args.linger = True
        super().__init__(args, prefetch=0)
        # The handler which waits for whole messages would get in the way.
        self.handlers = [h for h in self.handlers if not isinstance(h, IncomingMessageHandler)]
        self.delivery = None
        self.held = True

    def connect_options(self):
        return {"max_frame_size": self.FRAME}

    def open(self):
        self.result.update(outcomes={})
        session = self.connection.session()
        session.incoming_capacity = 4 * self.FRAME
        session.open()
        self.receiver = self.container.create_receiver(session, self.args.address)
        self.receiver.flow(1)

    def on_link_opened(self, event):
        self.say(event="ready", address=self.args.address)

    def on_told(self, event):
        self.held = False
        self.take()

    def on_delivery(self, event):
        if self.delivery is None:
            self.delivery = event.delivery
            self.say(event="progress", count=1)
        self.take()

    def take(self):
        delivery = self.delivery
        if self.held or delivery is None:
            return
        if delivery.aborted:
            self.end("aborted")
            return
        while delivery.pending > 0:
            delivery.link.recv(delivery.pending)
        if not delivery.partial:
            delivery.update(Delivery.ACCEPTED)
            self.end("complete")

    def end(self, how):
        self.delivery.settle()
        self.result["count"] = 1
        self.result["outcomes"][how] = 1
        self.finish()


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["send", "receive", "request", "respond", "relay", "hold"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--size", type=lambda s: [int(n) for n in s.split(",")], default=[64])
    parser.add_argument("--credit", type=int, default=100)
    parser.add_argument("--outcome", type=lambda s: s.split(","), default=["accept"])
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--progress", type=int, default=0)
    parser.add_argument("--values", default="")
    parser.add_argument("--hostname", default="")
    parser.add_argument("--capability", default="")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--presettled", action="store_true")
    parser.add_argument("--anonymous", action="store_true")
    parser.add_argument("--retry", action="store_true")
    parser.add_argument("--linger", action="store_true")
    return parser.parse_args()


def main():
    args = arguments()
    commands = {"send": Send, "receive": Receive, "request": Request, "respond": Respond, "relay": Relay, "hold": Hold}
    client = commands[args.command](args)
    Container(client).run()
    print(json.dumps(client.result), flush=True)
    sys.exit(1 if client.result["error"] else 0)


if __name__ == "__main__":
    main()
