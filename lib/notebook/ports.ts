import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

/**
 * Below what systems hand out to connections (32,768 and up on Linux, 49,152 elsewhere): a client that tries again
 * until its server is there would else be given the server's own port now and then, and keep it.
 */
const [first, beyond] = [20_000, 32_768] as const;
/** Ports that may be taken before something else must be wrong. */
const tries = 100;

function listen(port: number): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

const anyPort = (): number => randomInt(first, beyond);

/** Different ports of this machine that nobody listens on at this moment. @throws Error when hardly any is free */
export async function freePorts(count: number, draw = anyPort): Promise<number[]> {
  const open = new Map<number, Server>();
  for (let i = 0; open.size < count; i++) {
    if (i === count + tries) throw new Error(`no ${count} free ports between ${first} and ${beyond - 1}`);
    const port = draw();
    const server = open.has(port) ? undefined : await listen(port);
    if (server !== undefined) open.set(port, server);
  }
  await Promise.all([...open.values()].map((server) => new Promise((done) => server.close(done))));
  return [...open.keys()];
}
