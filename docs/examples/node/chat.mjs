// A line client: what is typed is said, what is said is printed.

import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { parseArgs } from "node:util";
import { Client, MechatError, mistake, parseLink } from "./mechat.mjs";

const USAGE = `usage: node chat.mjs LINK register|login NAME [--password-env VAR] [--history N] [--json]

  LINK                mechat://HOST:PORT/CHANNEL?fp=FINGERPRINT
  register            make the account first
  --password-env VAR  take the password from this variable instead of asking
  --history N         begin with the channel's newest N entries (100)
  --json              print every event as a line of JSON`;

/** A text may hold control characters, and marks that turn the writing direction: they must not reach the terminal. */
function harmless(text) {
  return text.replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, "\u{fffd}");
}

function describe({ sender, at_ms, body }) {
  const time = new Date(at_ms).toTimeString().slice(0, 8);
  return `[${time}] @${sender}${describeBody(body)}`;
}

function describeBody({ kind, content }) {
  if (kind === "joined") return " joined";
  if (kind === "left") return " left";
  if (kind === "message" && content.kind === "text") return `: ${content.text}`;
  if (kind === "message" && content.kind === "data") return `: (${content.bytes.length} bytes, ${content.media_type})`;
  return ": (something that only a later version of this client can show)";
}

/** For JSON, which has no bytes. What a Buffer makes of itself comes as `value`; the Buffer is still in its place. */
function bytesToHex(key, value) {
  return this[key] instanceof Uint8Array ? Buffer.from(this[key]).toString("hex") : value;
}

const printers = {
  json(event, fields) {
    console.log(JSON.stringify({ event, ...fields }, bytesToHex));
  },
  text(event, fields) {
    if (event === "entry") console.log(harmless(describe(fields)));
    else if (event === "welcome" && fields.motd) console.error(harmless(fields.motd));
    else if (fields.message) console.error(`${event}: ${fields.message.split("\n").map(harmless).join("\n")}`);
  },
};

function askPassword() {
  if (!process.stdin.isTTY) throw mistake("there is no terminal to ask for the password: use --password-env");
  process.stderr.write("password: ");
  const silent = new Writable({ write: (chunk, encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true });
  return new Promise((resolve, reject) => {
    terminal.once("SIGINT", () => reject(mistake("no password")));
    terminal.once("line", resolve);
  }).finally(() => {
    terminal.close();
    process.stderr.write("\n");
  });
}

function readArguments() {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      "password-env": { type: "string" },
      history: { type: "string", default: "100" },
      json: { type: "boolean", default: false },
    },
  });
  const [link, action, name] = positionals;
  const entries = Number(values.history);
  const complete = positionals.length === 3 && ["register", "login"].includes(action);
  if (!complete || !Number.isInteger(entries) || entries < 1) {
    throw mistake(`what to do is not clear\n${USAGE}`);
  }
  const variable = values["password-env"];
  if (variable && process.env[variable] === undefined) throw mistake(`the variable ${variable} is not set`);
  return {
    link: parseLink(link),
    action,
    name,
    password: variable && process.env[variable],
    entries,
    print: values.json ? printers.json : printers.text,
  };
}

/** Says every line of standard input; returns whether all of them were acknowledged. */
async function talk(client, channel, print) {
  let refused = false;
  const answers = [];
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "") continue; // a text has at least one byte
    const answer = client.send(channel, line).then(
      (ack) => print("ack", ack),
      (error) => {
        refused = true;
        print("refused", { code: error.code, message: error.message });
      },
    );
    answers.push(answer);
  }
  await Promise.all(answers);
  return !refused;
}

async function converse(client, { link, action, name, password, entries, print }) {
  print("welcome", await client.open());
  if (action === "register") print("registered", await client.register(name, password));
  const { account, admin } = await client.login(name, password);
  print("signed_in", { account, admin });
  const channel = await client.follow(link.channel, entries);
  print("following", channel);
  const allSaid = await talk(client, channel.channel, print);
  // The token is kept nowhere, so the session would be an orphan. If it cannot be ended now, it ends by itself one day.
  await client.logout().catch(() => {});
  return allSaid;
}

async function chat(settings) {
  const { link, print } = settings;
  const password = settings.password ?? (await askPassword());
  const client = new Client(link);
  client.on("entry", (entry) => print("entry", entry));
  client.on("reset", (channel) => print("reset", { message: `the log of #${channel} begins anew` }));
  client.on("left", (channel) => print("left", { message: `no longer a member of #${channel}` }));
  client.on("disconnected", ({ code, message }) => print("disconnected", { code, message }));
  client.on("resumed", () => print("resumed", {}));
  const ended = new Promise((_, reject) => client.once("end", reject));
  try {
    return await Promise.race([converse(client, { ...settings, password }), ended]);
  } finally {
    client.close();
  }
}

let print = printers.text;
try {
  const settings = readArguments();
  ({ print } = settings);
  process.exitCode = (await chat(settings)) ? 0 : 1;
} catch (error) {
  if (!(error instanceof MechatError || error.code?.startsWith("ERR_PARSE_ARGS"))) throw error;
  print("error", { code: error.code, message: error.message });
  process.exit(1); // even if standard input is still open
}
