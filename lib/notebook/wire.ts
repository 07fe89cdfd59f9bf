import { createHmac, randomUUID } from "node:crypto";

/** Jupyter's messaging protocol, version 5.3: frames on the wire and back. */
export interface Header {
  readonly msg_id: string;
  readonly msg_type: string;
  readonly session: string;
  readonly username: string;
  readonly date: string;
  readonly version: string;
}

export interface Message {
  /** Routing prefix of a ROUTER socket; the topic on the publishing socket. */
  readonly identities: readonly Buffer[];
  readonly header: Header;
  readonly parent: Partial<Header>;
  readonly content: Record<string, unknown>;
}

/** The connection file: where a kernel listens, and the key that signs its messages. */
export interface Connection {
  readonly transport: string;
  readonly ip: string;
  readonly shell_port: number;
  readonly iopub_port: number;
  readonly stdin_port: number;
  readonly control_port: number;
  readonly hb_port: number;
  readonly key: string;
  readonly signature_scheme: string;
}

export type Channel = "shell" | "iopub" | "stdin" | "control" | "hb";

export function addressOf(connection: Connection, channel: Channel): string {
  const port = connection[`${channel}_port`];
  // Jupyter numbers the sockets of the ipc transport with a dash
  return `${connection.transport}://${connection.ip}${connection.transport === "ipc" ? "-" : ":"}${port}`;
}

const delimiter = Buffer.from("<IDS|MSG>");

function sign(key: string, parts: readonly Buffer[]): string {
  if (key === "") return "";
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return mac.digest("hex");
}

export function newHeader(type: string, session: string): Header {
  return {
    msg_id: randomUUID(),
    msg_type: type,
    session,
    username: "s2mllm",
    date: new Date().toISOString(),
    version: "5.3",
  };
}

export function encode(message: Message, key: string): Buffer[] {
  const parts = [message.header, message.parent, {}, message.content].map((p) => Buffer.from(JSON.stringify(p)));
  return [...message.identities, delimiter, Buffer.from(sign(key, parts)), ...parts];
}

/** @throws Error when the frames are no Jupyter message or the signature is wrong */
export function decode(frames: readonly Buffer[], key: string): Message {
  const at = frames.findIndex((f) => f.equals(delimiter));
  const [signature, header, parent, , content] = at < 0 ? [] : frames.slice(at + 1);
  if (signature === undefined || header === undefined || parent === undefined || content === undefined) {
    throw new Error("not a Jupyter message: the delimiter or a part is missing");
  }
  if (signature.toString() !== sign(key, frames.slice(at + 2, at + 6)))
    throw new Error("a Jupyter message has a wrong signature");
  const json = (b: Buffer): unknown => JSON.parse(b.toString("utf8"));
  return {
    identities: frames.slice(0, at),
    header: json(header) as Header,
    parent: json(parent) as Partial<Header>,
    content: json(content) as Record<string, unknown>,
  };
}

interface Sender {
  send(frames: Buffer[]): Promise<void>;
}

/**
 * Sends one message after the other: a ZeroMQ socket refuses a send while another waits (EBUSY), which loses
 * messages silently when the caller does not wait.
 */
export class SendQueue {
  #last: Promise<void> = Promise.resolve();

  constructor(private readonly socket: Sender) {}

  send(frames: Buffer[]): void {
    this.#last = this.#last
      .then(() => this.socket.send(frames))
      .catch((error: unknown) => {
        process.stderr.write(`a Jupyter message could not be sent: ${String(error)}\n`);
      });
  }

  /** Resolves when everything queued so far is sent. */
  drained(): Promise<void> {
    return this.#last;
  }
}
