import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { plotlySource } from "../browser";
import type { LiveState } from "./state";

const loopback = "127.0.0.1";
/** Tried first, so that an address can be kept open or forwarded; any free one where it is taken. */
const usualPort = 6116;
/** How often the page is told what changed, milliseconds. */
const interval = 1000;

/** No connection outlives its answer: the command that serves the page must be able to end. */
const headers = { "cache-control": "no-store", connection: "close" } as const;

const read = (name: string): string => readFileSync(join(__dirname, name), "utf8");

function page(): string {
  return read("page.html").replace("/* style */", () => read("../base.css") + read("style.css"));
}

/** A page elsewhere must not read this one under a name of its own that leads here. */
function isLocal({ headers: { host = "" } }: IncomingMessage, port: number): boolean {
  return [`${loopback}:${port}`, `localhost:${port}`].includes(host);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, loopback, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

export interface LivePage {
  readonly address: string;
  /** Tells the page how it ended, and stops serving. */
  close(): Promise<void>;
}

/**
 * Serves a page of this machine alone that shows `state`, read anew every second while somebody looks. It answers
 * between two steps of the work that runs in this process.
 *
 * @param state called with true for the last update
 */
export async function serveLive(state: (over: boolean) => LiveState): Promise<LivePage> {
  const watchers = new Set<ServerResponse>();
  let last = "";
  const tell = (over = false): void => {
    const text = JSON.stringify(state(over));
    if (text === last) return;
    last = text;
    for (const watcher of watchers) watcher.write(`data: ${text}\n\n`);
  };
  const server = createServer((request, response) => {
    const { port } = server.address() as AddressInfo;
    const send = (status: number, type: string, body: string | Buffer): void => {
      response.writeHead(status, { ...headers, "content-type": type }).end(body);
    };
    if (!isLocal(request, port)) return send(403, "text/plain", "for this machine alone\n");
    if (request.method !== "GET") return send(405, "text/plain", "only GET\n");
    switch (request.url) {
      case "/":
        return send(200, "text/html; charset=utf-8", page());
      case "/plotly.js":
        return send(200, "text/javascript; charset=utf-8", plotlySource());
      case "/live.js":
        return send(200, "text/javascript; charset=utf-8", read("live.js"));
      case "/events":
        response.writeHead(200, { ...headers, "content-type": "text/event-stream" });
        response.on("close", () => watchers.delete(response));
        watchers.add(response);
        last = JSON.stringify(state(false));
        response.write(`data: ${last}\n\n`);
        return;
      default:
        return send(404, "text/plain", "not here\n");
    }
  });
  try {
    await listen(server, usualPort);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    await listen(server, 0);
  }
  const timer = setInterval(() => watchers.size > 0 && tell(), interval);
  return {
    address: `http://${loopback}:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        clearInterval(timer);
        tell(true);
        for (const watcher of watchers) watcher.end();
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}
