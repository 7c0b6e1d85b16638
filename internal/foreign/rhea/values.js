'use strict';
// AMQP values and messages as text; the notation is described in ../python/values.py.

const rhea = require('rhea');
const types = rhea.types;

const PLAIN = /^[A-Za-z0-9._/-]$/;

function quote(text) {
    let out = '';
    for (const octet of Buffer.from(text, 'utf8')) {
        const c = String.fromCharCode(octet);
        out += PLAIN.test(c) ? c : '%' + octet.toString(16).toUpperCase().padStart(2, '0');
    }
    return out;
}

function unquote(text) {
    return decodeURIComponent(text);
}

function octets(signed, text) {
    const b = Buffer.alloc(8);
    if (signed) b.writeBigInt64BE(BigInt(text));
    else b.writeBigUInt64BE(BigInt(text));
    return b;
}

function float(width, text) {
    const b = Buffer.from(text, 'hex');
    return width === 4 ? b.readFloatBE(0) : b.readDoubleBE(0);
}

// Text to rhea's typed value.
const READ = {
    boolean: (s) => types.wrap_boolean(s === 'true'),
    ubyte: (s) => types.wrap_ubyte(Number(s)),
    ushort: (s) => types.wrap_ushort(Number(s)),
    uint: (s) => types.wrap_uint(Number(s)),
    ulong: (s) => types.wrap_ulong(octets(false, s)),
    byte: (s) => types.wrap_byte(Number(s)),
    short: (s) => types.wrap_short(Number(s)),
    int: (s) => types.wrap_int(Number(s)),
    long: (s) => types.wrap_long(octets(true, s)),
    float: (s) => types.wrap_float(float(4, s)),
    double: (s) => types.wrap_double(float(8, s)),
    decimal32: (s) => types.Decimal32(Buffer.from(s, 'hex')),
    decimal64: (s) => types.Decimal64(Buffer.from(s, 'hex')),
    decimal128: (s) => types.Decimal128(Buffer.from(s, 'hex')),
    char: (s) => types.wrap_char(Number(s)),
    timestamp: (s) => types.wrap_timestamp(Number(s)),
    uuid: (s) => types.wrap_uuid(Buffer.from(s, 'hex')),
    binary: (s) => types.wrap_binary(Buffer.from(s, 'hex')),
    string: (s) => types.wrap_string(unquote(s)),
    symbol: (s) => types.wrap_symbol(unquote(s)),
};

// The encoding which an array's elements take.
const ELEMENT = {
    boolean: types.Boolean, ubyte: types.Ubyte, ushort: types.Ushort, uint: types.Uint, ulong: types.Ulong,
    byte: types.Byte, short: types.Short, int: types.Int, long: types.Long, float: types.Float, double: types.Double,
    decimal32: types.Decimal32, decimal64: types.Decimal64, decimal128: types.Decimal128, char: types.CharUTF32,
    timestamp: types.Timestamp, uuid: types.Uuid, binary: types.Vbin32, string: types.Str32, symbol: types.Sym32,
    list: types.List32, map: types.Map32,
};

// A recursive-descent parser of one value.
class Parser {
    constructor(text) {
        this.text = text;
        this.at = 0;
    }

    word() {
        const start = this.at;
        while (this.at < this.text.length && !'() '.includes(this.text[this.at])) this.at++;
        return this.text.slice(start, this.at);
    }

    value() {
        const word = this.word();
        if (this.text[this.at] === '(') return this.compound(word);
        if (word === 'null') return types.Null();
        const colon = word.indexOf(':');
        return READ[word.slice(0, colon)](word.slice(colon + 1));
    }

    compound(name) {
        this.at++;
        const element = name === 'array' ? this.word() : undefined;
        const items = [];
        while (this.text[this.at] !== ')') {
            if (this.text[this.at] === ' ') this.at++;
            else items.push(this.value());
        }
        this.at++;
        switch (name) {
        case 'list': return types.wrap_list(items);
        case 'map': return types.Map32(items);
        case 'array': return types.wrap_array(items.map((i) => raw(element, i)), ELEMENT[element].typecode);
        case 'described': return types.described(items[0], items[1]);
        default: throw new Error('unknown type ' + name);
        }
    }
}

// What rhea's writer wants as an element of an array: the bare value.
function raw(element, typed) {
    return element === 'boolean' ? Number(typed.value) : typed.value;
}

function parse(text) {
    return new Parser(text).value();
}

// The AMQP type of each of rhea's encodings.
const NAMES = {
    Null: 'null', Boolean: 'boolean', True: 'boolean', False: 'boolean', Ubyte: 'ubyte', Ushort: 'ushort',
    Uint: 'uint', SmallUint: 'uint', Uint0: 'uint', Ulong: 'ulong', SmallUlong: 'ulong', Ulong0: 'ulong',
    Byte: 'byte', Short: 'short', Int: 'int', SmallInt: 'int', Long: 'long', SmallLong: 'long',
    Float: 'float', Double: 'double', Decimal32: 'decimal32', Decimal64: 'decimal64', Decimal128: 'decimal128',
    CharUTF32: 'char', Timestamp: 'timestamp', Uuid: 'uuid', Vbin8: 'binary', Vbin32: 'binary',
    Str8: 'string', Str32: 'string', Sym8: 'symbol', Sym32: 'symbol', List0: 'list', List8: 'list', List32: 'list',
    Map8: 'map', Map32: 'map', Array8: 'array', Array32: 'array',
};

function pairs(elements) {
    const out = [];
    for (let i = 0; i + 1 < elements.length; i += 2) out.push(show(elements[i]) + ' ' + show(elements[i + 1]));
    return out.sort();
}

function scalar(name, v) {
    const b = Buffer.alloc(name === 'float' ? 4 : 8);
    switch (name) {
    case 'null': return 'null';
    case 'boolean': return 'boolean:' + (v ? 'true' : 'false');
    case 'ulong': return 'ulong:' + (Buffer.isBuffer(v) ? v.readBigUInt64BE(0) : v);
    case 'long': return 'long:' + (Buffer.isBuffer(v) ? v.readBigInt64BE(0) : v);
    case 'float': b.writeFloatBE(v, 0); return 'float:' + b.toString('hex');
    case 'double': b.writeDoubleBE(v, 0); return 'double:' + b.toString('hex');
    case 'timestamp': return 'timestamp:' + v.getTime();
    case 'string': case 'symbol': return name + ':' + quote(v);
    default: return name + ':' + (Buffer.isBuffer(v) ? v.toString('hex') : v);
    }
}

// A typed value, as rhea's reader gives it, to text.
function show(o, described) {
    if (o.descriptor && !described) return 'described(' + show(o.descriptor) + ' ' + show(o, true) + ')';
    const name = NAMES[o.type.name];
    switch (name) {
    case 'list': return 'list(' + o.value.map((v) => show(v)).join(' ') + ')';
    case 'map': return 'map(' + pairs(o.value).join(' ') + ')';
    case 'array': {
        const element = NAMES[types.by_code[o.array_constructor.typecode].name];
        return 'array(' + [element].concat(o.value.map((v) => show(v))).join(' ') + ')';
    }
    default: return scalar(name, o.value);
    }
}

const PROPERTIES = ['message_id', 'user_id', 'to', 'subject', 'reply_to', 'correlation_id', 'content_type',
    'content_encoding', 'absolute_expiry_time', 'creation_time', 'group_id', 'group_sequence', 'reply_to_group_id'];

// The message which the lines describe.
function build(lines) {
    const msg = {body: types.Null()};
    for (const line of lines) {
        const space = line.indexOf(' ');
        const dot = line.indexOf('.');
        const section = line.slice(0, dot);
        const name = line.slice(dot + 1, space);
        const value = parse(line.slice(space + 1));
        switch (section) {
        case 'header': msg[name] = value.value; break;
        case 'annotation': (msg.message_annotations = msg.message_annotations || {})[name] = value; break;
        case 'application': (msg.application_properties = msg.application_properties || {})[name] = value; break;
        case 'properties': {
            const property = name.replace(/-/g, '_');
            msg[property] = property.endsWith('_id') && !property.includes('group') && property !== 'user_id' ?
                value : value.value;
            break;
        }
        default:
            if (name === 'data') msg.body = rhea.message.data_section(value.value);
            else if (name === 'sequence') msg.body = rhea.message.sequence_section(value);
            else msg.body = value;
        }
    }
    return msg;
}

// The lines of an encoded message, sorted; it is parsed with rhea's reader, because rhea's messages forget the types.
function describe(data) {
    const lines = {};
    const reader = new types.Reader(data);
    lines['header.durable'] = 'boolean:false';
    lines['header.priority'] = 'ubyte:4';
    while (reader.remaining()) {
        reader.skip(1); // the constructor's 0x00: rhea's reader keeps only one of two descriptors in a row
        const descriptor = reader.read();
        const section = reader.read();
        switch (Number(descriptor.value)) {
        case 0x70:
            ['durable', 'priority', 'ttl'].forEach((name, i) => {
                const v = section.value[i];
                if (v && NAMES[v.type.name] !== 'null') lines['header.' + name] = show(v);
            });
            break;
        case 0x72: fields(lines, 'annotation.', section.value); break;
        case 0x73:
            section.value.forEach((v, i) => {
                if (NAMES[v.type.name] !== 'null') lines['properties.' + PROPERTIES[i].replace(/_/g, '-')] = show(v);
            });
            break;
        case 0x74: fields(lines, 'application.', section.value); break;
        case 0x75: lines['body.data'] = show(section); break;
        case 0x76: lines['body.sequence'] = show(section); break;
        case 0x77: if (NAMES[section.type.name] !== 'null') lines['body.value'] = show(section); break;
        }
    }
    return Object.keys(lines).map((k) => k + ' ' + lines[k]).sort().join('\n');
}

function fields(lines, prefix, elements) {
    for (let i = 0; i + 1 < elements.length; i += 2) lines[prefix + elements[i].value] = show(elements[i + 1]);
}

module.exports = {parse, show, build, describe};
