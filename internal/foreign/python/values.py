"""AMQP values and messages as text, the notation which all foreign clients share.

    value    = "null" | type ":" payload | compound
    compound = "list(" values ")" | "map(" key value ... ")" | "array(" type values ")"
             | "described(" descriptor value ")"

Integers and timestamps are decimal, a char is its code point, everything else that is not text is the hexadecimal form
of its octets. In strings and symbols every octet outside [A-Za-z0-9._/-] is written %XX. Map entries are sorted by
their text. A message is a list of lines "section.field value".
"""

import struct
import uuid

from proton import (UNDESCRIBED, Array, Data, Described, Message, byte, char, decimal32, decimal64, decimal128, float32,
                    int32, short, symbol, timestamp, ubyte, uint, ulong, ushort)

PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-")


def quote(text):
    return "".join(chr(c) if c in PLAIN else "%%%02X" % c for c in text.encode("utf-8"))


def unquote(text):
    out, i = bytearray(), 0
    while i < len(text):
        if text[i] == "%":
            out.append(int(text[i + 1:i + 3], 16))
            i += 3
        else:
            out += text[i].encode()
            i += 1
    return out.decode("utf-8")


# type name, Python class, text to value, value to text, type code of an array's elements
PRIMITIVES = [
    ("boolean", bool, lambda s: s == "true", lambda v: "true" if v else "false", Data.BOOL),
    ("ubyte", ubyte, lambda s: ubyte(int(s)), lambda v: "%d" % v, Data.UBYTE),
    ("ushort", ushort, lambda s: ushort(int(s)), lambda v: "%d" % v, Data.USHORT),
    ("uint", uint, lambda s: uint(int(s)), lambda v: "%d" % v, Data.UINT),
    ("ulong", ulong, lambda s: ulong(int(s)), lambda v: "%d" % v, Data.ULONG),
    ("byte", byte, lambda s: byte(int(s)), lambda v: "%d" % v, Data.BYTE),
    ("short", short, lambda s: short(int(s)), lambda v: "%d" % v, Data.SHORT),
    ("int", int32, lambda s: int32(int(s)), lambda v: "%d" % v, Data.INT),
    ("long", int, int, lambda v: "%d" % v, Data.LONG),
    ("float", float32, lambda s: float32(struct.unpack(">f", bytes.fromhex(s))[0]),
     lambda v: struct.pack(">f", v).hex(), Data.FLOAT),
    ("double", float, lambda s: struct.unpack(">d", bytes.fromhex(s))[0],
     lambda v: struct.pack(">d", v).hex(), Data.DOUBLE),
    ("decimal32", decimal32, lambda s: decimal32(int(s, 16)), lambda v: "%08x" % v, Data.DECIMAL32),
    ("decimal64", decimal64, lambda s: decimal64(int(s, 16)), lambda v: "%016x" % v, Data.DECIMAL64),
    ("decimal128", decimal128, lambda s: decimal128(bytes.fromhex(s)), lambda v: v.hex(), Data.DECIMAL128),
    ("char", char, lambda s: char(chr(int(s))), lambda v: "%d" % ord(v), Data.CHAR),
    ("timestamp", timestamp, lambda s: timestamp(int(s)), lambda v: "%d" % v, Data.TIMESTAMP),
    ("uuid", uuid.UUID, lambda s: uuid.UUID(hex=s), lambda v: v.hex, Data.UUID),
    ("binary", bytes, bytes.fromhex, lambda v: v.hex(), Data.BINARY),
    ("string", str, unquote, quote, Data.STRING),
    ("symbol", symbol, lambda s: symbol(unquote(s)), quote, Data.SYMBOL),
]
BY_NAME = {p[0]: p for p in PRIMITIVES}
BY_CLASS = {p[1]: p for p in PRIMITIVES}
ARRAY_TYPES = {p[0]: p[4] for p in PRIMITIVES}
ARRAY_TYPES.update({"null": Data.NULL, "list": Data.LIST, "map": Data.MAP})
ARRAY_NAMES = {code: name for name, code in ARRAY_TYPES.items()}


class Parser:
    """A recursive-descent parser of one value."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def word(self):
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in "() ":
            self.at += 1
        return self.text[start:self.at]

    def value(self):
        word = self.word()
        if self.text[self.at:self.at + 1] == "(":
            return self.compound(word)
        if word == "null":
            return None
        name, _, payload = word.partition(":")
        return BY_NAME[name][2](payload)

    def compound(self, name):
        self.at += 1
        element = self.word() if name == "array" else None
        items = []
        while self.text[self.at] != ")":
            if self.text[self.at] == " ":
                self.at += 1
            else:
                items.append(self.value())
        self.at += 1
        if name == "list":
            return items
        if name == "map":
            return dict(zip(items[::2], items[1::2]))
        if name == "array":
            return Array(UNDESCRIBED, ARRAY_TYPES[element], *items)
        if name == "described":
            return Described(items[0], items[1])
        raise ValueError("unknown type %r" % name)


def parse(text):
    return Parser(text).value()


def show(value):
    if value is None:
        return "null"
    if isinstance(value, list):
        return "list(%s)" % " ".join(show(v) for v in value)
    if isinstance(value, dict):
        return "map(%s)" % " ".join(sorted("%s %s" % (show(k), show(v)) for k, v in value.items()))
    if isinstance(value, Array):
        return "array(%s)" % " ".join([ARRAY_NAMES[value.type]] + [show(v) for v in value.elements])
    if isinstance(value, Described):
        return "described(%s %s)" % (show(value.descriptor), show(value.value))
    name, _, _, write, _ = BY_CLASS[value.__class__]
    return "%s:%s" % (name, write(value))


def show_id(value):
    """message-id and correlation-id: proton returns a plain int for a ulong."""
    return show(ulong(value)) if type(value) is int else show(value)


# AMQP name of a property, proton's name, value to text
PROPERTIES = [
    ("message-id", "id", show_id),
    ("user-id", "user_id", show),
    ("to", "address", show),
    ("subject", "subject", show),
    ("reply-to", "reply_to", show),
    ("correlation-id", "correlation_id", show_id),
    ("content-type", "content_type", lambda v: "symbol:" + quote(v)),
    ("content-encoding", "content_encoding", lambda v: "symbol:" + quote(v)),
    ("absolute-expiry-time", "expiry_time", lambda v: "timestamp:%d" % round(v * 1000)),
    ("creation-time", "creation_time", lambda v: "timestamp:%d" % round(v * 1000)),
    ("group-id", "group_id", show),
    ("group-sequence", "group_sequence", lambda v: "uint:%d" % v),
    ("reply-to-group-id", "reply_to_group_id", show),
]
PROTON_NAMES = {p[0]: p[1] for p in PROPERTIES}


def build(lines):
    """The message which the lines describe."""
    msg = Message()
    msg.properties, msg.annotations = {}, {}
    for line in lines:
        field, text = line.split(" ", 1)
        section, name = field.split(".", 1)
        value = parse(text)
        if section == "header":
            setattr(msg, name, value / 1000.0 if name == "ttl" else value)
        elif section == "annotation":
            msg.annotations[symbol(name)] = value
        elif section == "properties":
            if isinstance(value, timestamp):
                value = value / 1000.0
            setattr(msg, PROTON_NAMES[name], value)
        elif section == "application":
            msg.properties[name] = value
        else:
            msg.inferred = name != "value"
            msg.body = value
    return msg


def describe(msg):
    """The lines of a received message, sorted."""
    lines = ["header.durable " + show(bool(msg.durable)), "header.priority " + show(ubyte(msg.priority))]
    if msg.ttl:
        lines.append("header.ttl uint:%d" % round(msg.ttl * 1000))
    for name, attribute, text in PROPERTIES:
        value = getattr(msg, attribute)
        if name.startswith("content-") and value == "None":
            continue  # proton turns an absent content-type into the symbol None
        if value not in (None, "", b"", 0):
            lines.append("properties.%s %s" % (name, text(value)))
    for key, value in (msg.annotations or {}).items():
        lines.append("annotation.%s %s" % (key, show(value)))
    for key, value in (msg.properties or {}).items():
        lines.append("application.%s %s" % (key, show(value)))
    kind = "value"
    if msg.inferred:
        kind = "sequence" if isinstance(msg.body, list) else "data"
    if msg.body is not None:
        lines.append("body.%s %s" % (kind, show(msg.body)))
    return "\n".join(sorted(lines))


def read(path):
    """The messages of a file: lists of lines, parted by empty lines."""
    with open(path, encoding="ascii") as f:
        return [block.split("\n") for block in f.read().strip().split("\n\n")]
