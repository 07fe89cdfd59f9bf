/**
 * Jupyter's messaging protocol, version 5.4: frames on the wire and back. By hand, since no maintained npm package
 * speaks it: the last one is bound to a ZeroMQ binding that no longer builds.
 */
import { createHmac, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { z } from "zod";
import { UserError } from "../core/errors";

const Header = z.looseObject({
  msg_id: z.string(),
  msg_type: z.string(),
  session: z.string(),
  username: z.string(),
  date: z.string().optional(),
  version: z.string().optional(),
});
export type Header = Readonly<z.infer<typeof Header>>;

const Content = z.record(z.string(), z.unknown());

export interface Message {
  /** Routing prefix of a ROUTER socket; the topic on the publishing socket. */
  readonly identities: readonly Buffer[];
  readonly header: Header;
  readonly parent: Partial<Header>;
  readonly content: Record<string, unknown>;
}

const port = z.int().positive();

/** The connection file: where a kernel listens, and the key that signs its messages. */
const Connection = z.object({
  transport: z.enum(["tcp", "ipc"]),
  ip: z.string(),
  shell_port: port,
  iopub_port: port,
  stdin_port: port,
  control_port: port,
  hb_port: port,
  key: z.string(),
  signature_scheme: z.literal("hmac-sha256"),
});
export type Connection = Readonly<z.infer<typeof Connection>>;

/** @throws UserError naming the file and what is wrong in it */
export function readConnection(path: string): Connection {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UserError(`connection file ${path} cannot be read: ${(error as Error).message}`);
  }
  const parsed = Connection.safeParse(value);
  if (!parsed.success) throw new UserError(`connection file ${path}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** Asks the lab's kernel to forget a notebook and begin the next one; no part of Jupyter's protocol. */
export const resetRequest = "s2mllm_reset_request";

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

/** The time to the µs, as jupyter_client gives it: two messages within one ms keep their order. */
function timestamp(): string {
  const us = Math.floor((performance.timeOrigin + performance.now()) * 1000);
  return new Date(us / 1000).toISOString().replace("Z", `${String(us % 1000).padStart(3, "0")}Z`);
}

export function newHeader(type: string, session: string): Header {
  return {
    msg_id: randomUUID(),
    msg_type: type,
    session,
    username: "s2mllm",
    date: timestamp(),
    version: "5.4",
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
    header: Header.parse(json(header)),
    parent: Header.partial().parse(json(parent)),
    content: Content.parse(json(content)),
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

/** Jupyter counts cursor positions in code points, TypeScript in UTF-16 units: an emoji is one or two. */

/** @returns the UTF-16 offset of a position in code points */
export function toUtf16(text: string, codePoints: number): number {
  let offset = 0;
  for (let i = 0; i < codePoints && offset < text.length; i++) offset += text.codePointAt(offset)! > 0xffff ? 2 : 1;
  return offset;
}

/** @returns the position in code points of a UTF-16 offset */
export function fromUtf16(text: string, offset: number): number {
  return [...text.slice(0, offset)].length;
}
