// The MeChat protocol, version 1, for clients.
//
// `Connection` is one TLS connection: frames, requests and their replies, pings.
// `Client` is what outlives connections: the session, the logs that are followed, the messages not acknowledged yet.

import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { decode, encode } from "@msgpack/msgpack";
import * as opaque from "@serenity-kit/opaque";

const ALPN = "mechat/1";
const VERSION = 1;
const AGENT = "mechat-example 1.0";
const DEFAULT_PORT = 7667;
const DEFAULT_CHANNEL = "lobby";
const FRAME_LEN_MAX = 65_536; // from a relay, always
const FRAME_LEN_MAX_PENDING = 4_096; // from a client, until it is signed in
const PASSWORD_LEN_MAX = 1_024;
const PAGE_ENTRIES = 100;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const SILENCE_MS = 20_000; // both: how long until a ping, and how long to wait for anything after a request
const GOODBYE_MS = 1_000;
const RETRY_MS = 1_000; // where an error says "later" but not when
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;

const REPLIES = {
  hello: "welcome",
  register_start: "register_challenge",
  register_finish: "registered",
  login_start: "login_challenge",
  login_finish: "signed_in",
  resume: "signed_in",
  logout: "logged_out",
  ping: "pong",
  create_channel: "joined",
  join: "joined",
  leave: "left",
  list_channels: "channels",
  list_participants: "participants",
  list_connections: "connections",
  send: "ack",
  read_history: "history",
};
const EVENTS = new Set(["entry", "presence", "lagged", "go_away"]);

/** What every failure has: a `code` and a `retry` class for programs, a `message` for people. */
export class MechatError extends Error {
  constructor({ code, message, retry, retry_after_ms }) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.retry = retry;
    this.retryAfterMs = retry_after_ms;
  }
}

/** A request was refused; the connection goes on. */
export class RelayError extends MechatError {}

/** The connection is gone, or never came to be. */
export class ConnectionError extends MechatError {}

/** What only the user can put right. */
export function mistake(message) {
  return new MechatError({ code: "mistake", message, retry: "never" });
}

/** Reads `mechat://HOST:PORT/CHANNEL?fp=FINGERPRINT`. */
export function parseLink(link) {
  if (!link.startsWith("mechat://") || !URL.canParse(link)) throw mistake("a link is mechat://HOST:PORT/CHANNEL?fp=…");
  const url = new URL(link);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""), // an IPv6 address stands in brackets
    port: Number(url.port || DEFAULT_PORT),
    channel: decodeURIComponent(url.pathname.slice(1)) || DEFAULT_CHANNEL,
    fingerprint: parseFingerprint(url.searchParams.get("fp") ?? ""),
  };
}

function parseFingerprint(text) {
  const digits = text.replace(/^SHA256:/i, "").replace(/[-: ]/g, "").toLowerCase();
  // Without one the user would have to be asked, or a certificate authority: this client does neither.
  if (!/^[0-9a-f]{64}$/.test(digits)) throw mistake("the link must name the relay's fingerprint (fp=…)");
  return digits;
}

/** A UUID of version 7: 48 bits of time, the rest random. */
function newNonce() {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes;
}

/** Prepares a password as the PRECIS profile OpaqueString does, so that every client makes the same of it. */
function preparePassword(password) {
  const prepared = password.replace(/\p{Zs}/gu, " ").normalize("NFC");
  if (prepared === "") throw mistake("the password is empty");
  if (/[\p{Cc}\p{Cn}]/u.test(prepared)) throw mistake("the password has a control or unassigned character");
  if (Buffer.byteLength(prepared) > PASSWORD_LEN_MAX) throw mistake("the password is too long");
  return prepared;
}

/** One TLS connection to a relay. Emits the relay's events by their tags; `ended` resolves to a `ConnectionError`. */
export class Connection extends EventEmitter {
  /** Connects, checks whom it talks to, and says hello. */
  static async open({ host, port, fingerprint }) {
    const socket = tls.connect({
      host,
      port,
      ALPNProtocols: [ALPN],
      minVersion: "TLSv1.3",
      rejectUnauthorized: false, // the certificate is self-signed: its fingerprint is checked instead
    });
    const connection = new Connection(socket);
    await new Promise((resolve, reject) => {
      socket.once("secureConnect", resolve);
      connection.ended.then(reject);
    });
    connection.#check(fingerprint); // where it fails, the connection has ended, and nothing is sent
    connection.welcome = await connection.request("hello", {
      version_min: VERSION,
      version_max: VERSION,
      agent: AGENT,
    });
    return connection;
  }

  #socket;
  #received = Buffer.alloc(0);
  #frameLenMax = FRAME_LEN_MAX_PENDING;
  #pending = new Map(); // by id: the requests that are not answered
  #lastId = 0;
  #sentAt = Date.now();
  #waitingSince = null; // when the first request was sent after which nothing was heard
  #tick;
  #error; // why the connection ended
  #resolveEnded;

  constructor(socket) {
    super();
    this.#socket = socket;
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
    socket.setNoDelay();
    socket.setTimeout(HANDSHAKE_TIMEOUT_MS, () => this.#lost("the relay does not answer"));
    socket.once("secureConnect", () => socket.setTimeout(0));
    socket.on("error", (error) => this.#lost(error.message));
    socket.on("close", () => this.#lost("the connection was lost"));
    socket.on("data", (bytes) => this.#receive(bytes));
    this.#tick = setInterval(() => this.#keepAlive(), 1_000);
  }

  /** Sends a request and returns its reply's fields; rejects with `RelayError` or `ConnectionError`. */
  request(tag, fields = {}) {
    return new Promise((resolve, reject) => {
      if (this.#error) throw this.#error;
      const id = ++this.#lastId;
      const value = encode({ [tag]: { id, ...fields } }, { ignoreUndefined: true });
      // A frame that is too long would be answered without its id, so nobody would know which request it was.
      if (value.length > this.#frameLenMax) {
        throw new RelayError({ code: "too_large", message: "the message is too long", retry: "never" });
      }
      this.#pending.set(id, { reply: REPLIES[tag], resolve, reject });
      const frame = Buffer.alloc(4 + value.length);
      frame.writeUInt32BE(value.length);
      frame.set(value, 4);
      this.#socket.write(frame);
      this.#sentAt = Date.now();
      this.#waitingSince ??= this.#sentAt;
      // From here on the relay may count us as not signed in.
      if (tag === "logout") this.#frameLenMax = FRAME_LEN_MAX_PENDING;
    });
  }

  close() {
    this.#end({ code: "closed", message: "closed by this client", retry: "never" });
  }

  #end(why) {
    if (this.#error) return; // the first reason counts, later ones are its consequences
    this.#error = new ConnectionError(why);
    clearInterval(this.#tick);
    this.#socket.destroySoon(); // says goodbye, if the relay still listens
    setTimeout(() => this.#socket.destroy(), GOODBYE_MS).unref();
    for (const { reject } of this.#pending.values()) reject(this.#error);
    this.#pending.clear();
    this.#resolveEnded(this.#error);
  }

  #lost(message) {
    this.#end({ code: "lost", message, retry: "reconnect" });
  }

  #broken(message) {
    this.#end({ code: "protocol", message, retry: "never" });
  }

  #check(expected) {
    const seen = parseFingerprint(this.#socket.getPeerCertificate().fingerprint256);
    if (seen !== expected) this.#broken(`the relay's fingerprint is ${seen}, but ${expected} was expected`);
    if (this.#socket.alpnProtocol !== ALPN) this.#broken(`the relay does not speak ${ALPN}`);
  }

  #keepAlive() {
    const now = Date.now();
    // A ping that fails has ended the connection, and `ended` tells that.
    if (this.#waitingSince && now - this.#waitingSince > SILENCE_MS) this.#lost("the relay fell silent");
    else if (now - this.#sentAt >= SILENCE_MS) this.request("ping").catch(() => {});
  }

  #receive(bytes) {
    this.#waitingSince = null;
    this.#received = Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= 4 && !this.#error) {
      const length = this.#received.readUInt32BE();
      if (length > FRAME_LEN_MAX) return this.#broken("the relay sent a frame that is too long");
      if (this.#received.length < 4 + length) return;
      const value = this.#received.subarray(4, 4 + length);
      this.#received = this.#received.subarray(4 + length);
      let tag, fields;
      try {
        [[tag, fields]] = Object.entries(decode(value));
        if (fields?.constructor !== Object) throw new TypeError("a message's value is a map");
      } catch {
        return this.#broken("the relay sent something that is no message");
      }
      this.#dispatch(tag, fields);
    }
  }

  #dispatch(tag, fields) {
    if (tag === "close") return this.#end({ ...fields, message: fields.reason });
    if (EVENTS.has(tag)) return this.emit(tag, fields);
    const request = this.#pending.get(fields.id);
    if (tag === "error") {
      // Without an id some request will never be answered, and it is not known which.
      if (!request) return this.#broken(fields.message);
      this.#pending.delete(fields.id);
      request.reject(new RelayError(fields));
    } else if (request?.reply === tag) {
      if (tag === "signed_in") this.#frameLenMax = this.welcome.limits.frame_len_max;
      this.#pending.delete(fields.id);
      request.resolve(fields);
    }
    // Any other tag is something of a later version.
  }
}

/**
 * A signed-in user. Keeps itself connected, and emits
 * `entry` (an Entry, the channel's name), each exactly once and in order;
 * `reset` (the channel's name): the relay was restored to an older state, and the log is told anew;
 * `left` (the channel's name): the account left it elsewhere;
 * `disconnected` (a `ConnectionError`) and `resumed`;
 * `end` (a `MechatError`): it cannot go on.
 */
export class Client extends EventEmitter {
  #link;
  #connection;
  #token;
  #logs = new Map(); // by the channel's number
  #outbox = []; // what is not acknowledged, oldest first
  #sending = false;
  #reconnectAt = 0; // not before this time, as `go_away` asked
  #closed = false;

  constructor(link) {
    super();
    this.#link = link;
  }

  /** Connects for the first time, and returns the relay's `welcome`. */
  async open() {
    await opaque.ready;
    this.#connection = await this.#connect();
    return this.#connection.welcome;
  }

  async register(account, password) {
    password = preparePassword(password);
    const { clientRegistrationState, registrationRequest } = opaque.client.startRegistration({ password });
    const challenge = await this.#ask("register_start", { account, message: toBin(registrationRequest) });
    const { registrationRecord } = opaque.client.finishRegistration({
      clientRegistrationState,
      registrationResponse: toText(challenge.message),
      password,
      keyStretching: "memory-constrained",
    });
    return this.#ask("register_finish", { message: toBin(registrationRecord) });
  }

  /** Signs in; from here on the client reconnects and resumes by itself. */
  async login(account, password) {
    password = preparePassword(password);
    const { clientLoginState, startLoginRequest } = opaque.client.startLogin({ password });
    const challenge = await this.#ask("login_start", {
      account,
      message: toBin(startLoginRequest),
      binding: "none", // the library knows no context
    });
    const finished = opaque.client.finishLogin({
      clientLoginState,
      loginResponse: toText(challenge.message),
      password,
      keyStretching: "memory-constrained",
    });
    // It shows here, not at the relay: there is nothing to send.
    if (!finished) {
      throw new RelayError({
        code: "invalid_credentials",
        message: "the name or the password is wrong",
        retry: "never",
      });
    }
    const signedIn = await this.#ask("login_finish", { message: toBin(finished.finishLoginRequest) });
    this.#token = signedIn.token;
    this.#stayConnected();
    return signedIn;
  }

  /** Joins a channel if need be, tells its newest `entries`, then whatever comes. Returns its ChannelInfo. */
  async follow(name, entries = PAGE_ENTRIES) {
    const { channel } = await this.#ask("join", { name });
    const log = { channel: channel.channel, name: channel.name, entries, reading: false };
    forget(log, channel);
    this.#logs.set(log.channel, log);
    await this.#catchUp(log);
    return channel;
  }

  /** Says something; resolves to the `ack` once it is in the log for good, over as many connections as that takes. */
  send(channel, text) {
    return new Promise((resolve, reject) => {
      const request = { channel, nonce: newNonce(), content: { kind: "text", text } };
      this.#outbox.push({ request, resolve, reject });
      this.#flush();
    });
  }

  /** Ends the session: its token is worth nothing any more. */
  async logout() {
    this.#closed = true; // there is nothing left to resume
    await this.#ask("logout");
  }

  close() {
    this.#closed = true;
    this.#connection?.close();
  }

  async #connect() {
    const connection = await Connection.open(this.#link);
    connection.on("entry", (entry) => this.#onEntry(entry));
    connection.on("lagged", ({ channel, head }) => this.#onHead(this.#logs.get(channel), head));
    connection.on("go_away", ({ delay_ms }) => (this.#reconnectAt = Date.now() + delay_ms));
    return connection;
  }

  /** A request that is repeated for as long as the relay asks for patience. */
  async #ask(tag, fields) {
    const connection = this.#connection; // the next one is another conversation
    for (;;) {
      try {
        return await connection.request(tag, fields);
      } catch (error) {
        if (!(error instanceof RelayError) || error.retry !== "later") throw error;
        await sleep(error.retryAfterMs ?? RETRY_MS);
      }
    }
  }

  async #stayConnected() {
    for (;;) {
      const lost = await this.#connection.ended;
      if (this.#closed) return;
      this.emit("disconnected", lost);
      const error = isFinal(lost) ? lost : await this.#reconnect();
      if (error) return this.#giveUp(error);
      if (this.#closed) return this.#connection.close();
      this.emit("resumed");
      this.#catchUpAll();
      this.#flush();
    }
  }

  /** Tries until the session is resumed; returns an error if that will never be. */
  async #reconnect() {
    for (let bound = BACKOFF_FIRST_MS; ; bound = Math.min(2 * bound, BACKOFF_MAX_MS)) {
      // A random time, so that a relay that restarts is not met by all its clients at once.
      await sleep(Math.max(Math.random() * bound, this.#reconnectAt - Date.now()));
      if (this.#closed) return;
      let connection;
      try {
        connection = await this.#connect();
        // If the reply gets lost, the same token is good once more.
        ({ token: this.#token } = await connection.request("resume", { token: this.#token }));
        this.#connection = connection; // not before: until here it would refuse everything else
        return;
      } catch (error) {
        connection?.close();
        if (isFinal(error)) return error;
      }
    }
  }

  /** What nobody waits for has failed. A lost connection is no matter: the next one begins there again. */
  #failed(error) {
    if (error instanceof RelayError) this.#giveUp(error);
    else if (!(error instanceof ConnectionError)) throw error;
  }

  #giveUp(error) {
    this.close();
    for (const { reject } of this.#outbox.splice(0)) reject(error);
    this.emit("end", error);
  }

  /** Sends what waits, one after another: a refused message cannot be overtaken, so the order stays the user's. */
  async #flush() {
    if (this.#sending) return;
    this.#sending = true;
    while (this.#outbox.length > 0) {
      const { request, resolve, reject } = this.#outbox[0];
      try {
        resolve(await this.#ask("send", request));
      } catch (error) {
        if (error instanceof ConnectionError) break; // it may be in the log or not; the nonce makes a resend harmless
        reject(error);
      }
      this.#outbox.shift();
    }
    this.#sending = false;
  }

  async #catchUpAll() {
    try {
      let page;
      do {
        page = await this.#ask("list_channels", { after: page?.channels.at(-1).name });
        for (const channel of page.channels) {
          const log = this.#logs.get(channel.channel);
          if (!log) continue;
          if (!channel.joined) {
            this.#logs.delete(channel.channel);
            this.emit("left", log.name);
          } else if (channel.epoch !== log.epoch) this.#restart(log, channel);
          else this.#onHead(log, channel.head);
        }
      } while (page.more);
    } catch (error) {
      this.#failed(error);
    }
  }

  #onEntry(entry) {
    const log = this.#logs.get(entry.channel);
    if (!log) return;
    if (entry.epoch !== log.epoch) return this.#restart(log, { epoch: entry.epoch, head: entry.seq });
    // While pages are read they bring this entry too: then it only counts as something to read.
    if (!log.reading) this.#apply(log, entry);
    this.#onHead(log, entry.seq);
  }

  #onHead(log, head) {
    if (!log) return;
    log.head = Math.max(log.head, head);
    this.#catchUp(log);
  }

  #restart(log, { epoch, head }) {
    forget(log, { epoch, head });
    this.emit("reset", log.name);
    this.#catchUp(log);
  }

  #apply(log, entry) {
    if (entry.seq !== log.last + 1) return;
    log.last = entry.seq;
    this.emit("entry", entry, log.name);
  }

  /** Reads until nothing is missing that was heard of. */
  async #catchUp(log) {
    if (log.reading) return;
    log.reading = true;
    try {
      while (log.last === null || log.last < log.head) {
        const entries = log.last === null ? await this.#newest(log) : await this.#next(log);
        log.last ??= (entries[0]?.seq ?? 1) - 1;
        for (const entry of entries) this.#apply(log, entry);
        if (entries.length === 0) log.head = log.last;
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      log.reading = false;
    }
  }

  /** The newest entries, as many as are wanted, in pages from the end backwards. */
  async #newest(log) {
    let page = await this.#page(log, "latest");
    let entries = page.entries;
    while (page.more && entries.length < log.entries) {
      page = await this.#page(log, "before", entries[0].seq);
      entries = [...page.entries, ...entries];
    }
    return entries.slice(-log.entries);
  }

  async #next(log) {
    const page = await this.#page(log, "after", log.last);
    return page.entries;
  }

  async #page(log, kind, seq) {
    const page = await this.#ask("read_history", { channel: log.channel, range: { kind, seq }, limit: PAGE_ENTRIES });
    log.head = Math.max(log.head, page.head);
    return page;
  }
}

/** Nothing is known of the log but its life and its newest entry. */
function forget(log, { epoch, head }) {
  log.epoch = epoch;
  log.head = head;
  log.last = null;
}

function isFinal(error) {
  return error.retry !== "reconnect" && error.retry !== "later";
}

// The OPAQUE library speaks base64url, the protocol bytes.
const toBin = (text) => Buffer.from(text, "base64url");
const toText = (bytes) => Buffer.from(bytes).toString("base64url");
