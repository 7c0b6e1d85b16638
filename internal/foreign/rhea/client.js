#!/usr/bin/env node
'use strict';
// The rhea client of the foreign-client tests; its command line is described in internal/foreign/doc.go.

const fs = require('fs');
const readline = require('readline');
const {parseArgs} = require('util');
const rhea = require('rhea');
const values = require('./values.js');

const CRC_TABLE = new Uint32Array(256).map((_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n >>> 0;
});

function crc32(data) {
    let crc = 0xffffffff;
    for (let i = 0; i < data.length; i++) crc = CRC_TABLE[(crc ^ data[i]) & 255] ^ (crc >>> 8);
    return (crc ^ 0xffffffff) >>> 0;
}

// The body of message seq: a pattern with a prime period, so that a misplaced frame shows.
function bodyOf(seq, size) {
    const period = Buffer.alloc(251);
    for (let i = 0; i < 251; i++) period[i] = (i + seq) & 255;
    return size === 0 ? Buffer.alloc(0) : Buffer.alloc(size, period);
}

function numbered(seq, size) {
    const body = bodyOf(seq, size);
    return {
        message_id: seq,
        application_properties: {seq: rhea.types.wrap_ulong(seq), crc: rhea.types.wrap_uint(crc32(body))},
        body: rhea.message.data_section(body),
    };
}

function content(msg) {
    return msg.body && Buffer.isBuffer(msg.body.content) ? msg.body.content : undefined;
}

function intact(msg) {
    const body = content(msg);
    return body !== undefined && crc32(body) === msg.application_properties.crc;
}

function outcomeText(delivery) {
    const state = delivery.remote_state;
    const kind = state ? state.constructor.composite_type : 'none';
    // The accessors of maps forget the types; the typed map is in the list of fields.
    if (kind === 'rejected' && state.error) {
        return `rejected ${state.error.condition} ${state.error.description}` + fields(state.value[0].value[2]);
    }
    if (kind !== 'modified') return kind;
    return `modified failed=${Boolean(state.delivery_failed)} undeliverable=${Boolean(state.undeliverable_here)}` +
        fields(state.value[2]);
}

function fields(map) {
    const entries = map && map.value ? map.value : [];
    const out = [];
    for (let i = 0; i + 1 < entries.length; i += 2) out.push(` ${entries[i].value}=${values.show(entries[i + 1])}`);
    return out.sort().join('');
}

// Give one outcome of the command line's --outcome list.
function settle(delivery, outcome, seq) {
    switch (outcome) {
    case 'accept': delivery.accept(); break;
    case 'release': delivery.release(); break;
    case 'reject': delivery.reject({condition: 'foreign:refused', description: `message ${seq} refused`}); break;
    case 'reject-info':
        delivery.reject({
            condition: 'foreign:refused', description: 'see info', info: {'foreign-seq': rhea.types.wrap_uint(seq)},
        });
        break;
    case 'modify-failed': delivery.modified({delivery_failed: true}); break;
    case 'modify-undeliverable':
        delivery.modified({undeliverable_here: true, message_annotations: {'x-opt-foreign': `message ${seq}`}});
        break;
    case 'modify-all':
        delivery.modified({
            delivery_failed: true, undeliverable_here: true,
            message_annotations: {'x-opt-list': ['a', true], 'x-opt-seq': rhea.types.wrap_uint(seq)},
        });
        break;
    default: throw new Error('unknown outcome ' + outcome);
    }
}

class Client {
    constructor(args) {
        this.args = args;
        this.result = {event: 'result', count: 0, error: ''};
        this.finished = false;
    }

    say(event) {
        fs.writeSync(1, JSON.stringify(event) + '\n');
    }

    progress(count) {
        if (this.args.progress && count % this.args.progress === 0) this.say({event: 'progress', count});
    }

    run() {
        const url = new URL(this.args.url);
        const seconds = this.args.timeout;
        this.timer = setTimeout(() => this.finish(`no end after ${seconds} seconds`), seconds * 1000);
        const container = rhea.create_container();
        for (const event of ['connection_error', 'session_error', 'sender_error', 'receiver_error', 'error']) {
            container.on(event, (e) => {
                const where = e.sender || e.receiver || e.session || e.connection || {};
                const error = e.error || where.error || e;
                this.finish(`${event}: ${error.condition ? error.condition + ' ' + error.description : error}`);
            });
        }
        for (const event of ['disconnected', 'sender_close', 'receiver_close', 'session_close']) {
            container.on(event, (e) => this.finish(`${event}: ${(e && e.error) || ''}`));
        }
        container.on('connection_close', () => this.leave());
        this.connection = container.connect({
            host: url.hostname, port: Number(url.port), reconnect: false, username: 'anonymous',
            hostname: this.args.hostname || url.hostname,
        });
        this.open();
    }

    finish(error) {
        if (this.finished) return;
        this.finished = true;
        this.result.error = error || '';
        clearTimeout(this.timer);
        if (error) this.leave();
        else this.connection.close();
    }

    leave() {
        if (!this.finished) this.result.error = 'connection closed by the router';
        this.say(this.result);
        process.exit(this.result.error ? 1 : 0);
    }
}

class Send extends Client {
    open() {
        const args = this.args;
        if (args.values) {
            this.messages = fs.readFileSync(args.values, 'ascii').trim().split('\n\n').map((m) => m.split('\n'));
            args.count = this.messages.length;
        }
        this.waiting = Array.from({length: args.count}, (_, i) => args.count - 1 - i);
        this.inFlight = new Map();
        this.states = new Array(args.count).fill('');
        Object.assign(this.result, {outcomes: {}, retries: 0});
        this.sender = this.connection.open_sender({
            target: args.anonymous ? {} : {address: args.address, capabilities: args.capability},
            snd_settle_mode: args.presettled ? 1 : 0,
            treat_modified_as_released: false,
        });
        this.sender.on('sendable', () => this.send());
        this.sender.on('settled', (context) => this.settled(context.delivery));
    }

    message(seq) {
        const args = this.args;
        const msg = this.messages ? values.build(this.messages[seq]) : numbered(seq, args.size[seq % args.size.length]);
        if (args.anonymous) msg.to = args.address;
        return msg;
    }

    // A pre-settled delivery leaves rhea's buffer only after it was written, so it may not be closed in the same turn.
    send() {
        while (this.waiting.length && this.sender.sendable() && this.sent() < this.sender.credit) {
            const seq = this.waiting.pop();
            const delivery = this.sender.send(this.message(seq));
            this.inFlight.set(delivery.id, seq);
        }
        if (this.args.presettled) setImmediate(() => this.written());
    }

    // The deliveries handed to rhea which it has not yet written; it takes them off the credit when it does.
    sent() {
        const outgoing = this.sender.session.outgoing;
        return outgoing.next_delivery_id - outgoing.next_pending_delivery;
    }

    written() {
        const outgoing = this.sender.session.outgoing;
        for (const [id, seq] of [...this.inFlight]) {
            if (id >= outgoing.next_pending_delivery) break;
            this.inFlight.delete(id);
            this.done(seq, 'presettled');
        }
        if (this.inFlight.size && !this.finished) setTimeout(() => this.written(), 5);
        else if (this.waiting.length && this.sender.sendable()) this.send();
    }

    settled(delivery) {
        const seq = this.inFlight.get(delivery.id);
        if (seq === undefined || this.args.presettled) return;
        this.inFlight.delete(delivery.id);
        const text = outcomeText(delivery);
        if (this.args.retry && /^(released|modified)/.test(text)) {
            this.result.retries++;
            this.waiting.push(seq);
            this.send();
        } else {
            this.done(seq, text);
        }
    }

    done(seq, text) {
        const result = this.result;
        const kind = text.split(' ')[0];
        result.count++;
        result.outcomes[kind] = (result.outcomes[kind] || 0) + 1;
        this.states[seq] = text;
        this.progress(result.count);
        if (result.count === this.args.count) {
            if (this.args.count <= 100) result.states = this.states;
            this.finish();
        }
    }
}

class Receive extends Client {
    open() {
        this.seen = new Set();
        this.unsettled = [];
        this.highest = -1;
        this.limit = this.args.linger ? Infinity : this.args.count;
        Object.assign(this.result, {
            duplicates: 0, corrupt: 0, misordered: 0, presettled: 0, bytes: 0, messages: [], numbers: [],
        });
        this.receiver = this.connection.open_receiver({
            source: {address: this.args.address, capabilities: this.args.capability},
            credit_window: this.args.credit, autoaccept: false,
        });
        this.receiver.on('receiver_open', () => {
            this.say({event: 'ready', address: this.receiver.source.address || ''});
        });
        this.receiver.on('message', (context) => this.message(context));
        if (!this.args.linger) return;
        readline.createInterface({input: process.stdin}).on('line', (line) => {
            const [order, number] = line.split(' ');
            if (order === 'credit') {
                this.receiver.add_credit(Number(number));
            } else {
                this.limit = Number(number);
                this.finishIfDone();
            }
        });
    }

    message({message, delivery}) {
        const result = this.result;
        if (this.finished) return;
        let seq = this.seen.size;
        if (delivery.remote_settled) result.presettled++;
        if (this.args.show) {
            result.messages.push(values.describe(message.encoded));
        } else {
            seq = message.application_properties.seq;
            if (!intact(message)) result.corrupt++;
            result.bytes += (content(message) || '').length;
        }
        this.settleAlone(delivery, seq);
        if (this.seen.has(seq)) {
            result.duplicates++;
            return;
        }
        if (seq < this.highest) result.misordered++;
        this.highest = Math.max(seq, this.highest);
        this.seen.add(seq);
        if (this.args.linger) result.numbers.push(seq);
        result.count = this.seen.size;
        this.progress(result.count);
        this.finishIfDone();
    }

    // Where outcomes differ, each one gets a turn of its own: rhea puts the first two outcomes of a turn, whatever they
    // are, into one disposition with the state of the first.
    settleAlone(delivery, seq) {
        const outcomes = this.args.outcome;
        if (outcomes.length === 1) {
            settle(delivery, outcomes[0], seq);
            return;
        }
        this.unsettled.push(() => settle(delivery, outcomes[seq % outcomes.length], seq));
        if (this.unsettled.length === 1) setImmediate(() => this.settleNext());
    }

    settleNext() {
        this.unsettled[0]();
        setImmediate(() => {
            this.unsettled.shift();
            if (this.unsettled.length) this.settleNext();
            else this.finishIfDone();
        });
    }

    finishIfDone() {
        if (this.seen.size >= this.limit && this.unsettled.length === 0) this.finish();
    }
}

class Request extends Client {
    open() {
        this.asked = 0;
        this.answered = new Set();
        Object.assign(this.result, {corrupt: 0});
        this.receiver = this.connection.open_receiver({source: {dynamic: true}, autoaccept: false});
        this.receiver.on('receiver_open', () => {
            this.replyTo = this.receiver.source.address;
            this.say({event: 'ready', address: this.replyTo});
            this.sender = this.connection.open_sender(this.args.address);
            this.sender.on('sendable', () => this.ask());
        });
        this.receiver.on('message', (context) => this.answer(context));
    }

    ask() {
        const args = this.args;
        for (let n = this.sender.credit; n > 0 && this.asked < args.count; n--, this.asked++) {
            const msg = numbered(this.asked, args.size[this.asked % args.size.length]);
            msg.reply_to = this.replyTo;
            msg.correlation_id = this.asked;
            this.sender.send(msg);
        }
    }

    answer({message, delivery}) {
        delivery.accept();
        this.answered.add(message.correlation_id);
        if (!intact(message) || message.application_properties.seq !== message.correlation_id) this.result.corrupt++;
        this.result.count = this.answered.size;
        if (this.answered.size === this.args.count) this.finish();
    }
}

class Respond extends Client {
    target() {
        return {};
    }

    open() {
        this.sender = this.connection.open_sender({target: this.target()});
        this.sender.on('settled', () => {
            this.result.count++;
            if (this.result.count === this.args.count) this.finish();
        });
        this.receiver = this.connection.open_receiver({
            source: {address: this.args.address, capabilities: this.args.capability},
            credit_window: this.args.credit, autoaccept: false,
        });
        this.receiver.on('receiver_open', () => this.say({event: 'ready', address: this.args.address}));
        this.receiver.on('message', ({message, delivery}) => {
            const properties = message.application_properties;
            this.sender.send({
                to: message.reply_to, correlation_id: message.correlation_id, body: message.body,
                application_properties: {
                    seq: rhea.types.wrap_ulong(properties.seq), crc: rhea.types.wrap_uint(properties.crc),
                },
            });
            delivery.accept();
        });
    }
}

// What a broker does: it takes messages, stores them, and sends them to the same address.
class Relay extends Respond {
    target() {
        return {address: this.args.address, capabilities: this.args.capability};
    }
}

function numberList(text) {
    return text.split(',').map(Number);
}

function main() {
    const text = {type: 'string'};
    const flag = {type: 'boolean'};
    const {values: given, positionals} = parseArgs({allowPositionals: true, options: {
        url: text, address: text, count: text, size: text, credit: text, outcome: text, timeout: text, progress: text,
        values: text, hostname: text, capability: text, show: flag, presettled: flag, anonymous: flag, retry: flag,
        linger: flag,
    }});
    const args = Object.assign(given, {
        count: Number(given.count || 1), size: numberList(given.size || '64'), credit: Number(given.credit ?? 100),
        outcome: (given.outcome || 'accept').split(','), timeout: Number(given.timeout || 60),
        progress: Number(given.progress || 0),
    });
    // rhea decodes a message without keeping its bytes; --show needs them.
    const decode = rhea.message.decode;
    rhea.message.decode = (buffer) => {
        const msg = decode(buffer);
        if (args.show) Object.defineProperty(msg, 'encoded', {value: buffer});
        return msg;
    };
    const command = {
        send: Send, receive: Receive, request: Request, respond: Respond, relay: Relay,
    }[positionals[0]];
    if (!command) throw new Error('usage: client.js COMMAND --url URL --address ADDRESS …');
    new command(args).run();
}

main();
