import { createServer } from "node:net";
import { expect, test } from "vitest";
import { freePorts } from "../../lib/notebook/ports";

test("ports are different, free, and none that a connection is given", async () => {
  const ports = await freePorts(20);
  expect(new Set(ports).size).toBe(20);
  for (const port of ports) {
    expect(port).toBeGreaterThanOrEqual(1024);
    expect(port).toBeLessThan(32_768);
  }
  const server = createServer();
  await new Promise<void>((done) => server.listen(ports[0], "127.0.0.1", done));
  await new Promise((done) => server.close(done));
});

test("a port that is taken, or was drawn already, is left alone", async () => {
  const [taken, free, other] = (await freePorts(3)) as [number, number, number];
  const server = createServer();
  await new Promise<void>((done) => server.listen(taken, "127.0.0.1", done));
  const draws = [taken, free, free, other];
  expect(await freePorts(2, () => draws.shift()!)).toEqual([free, other]);
  await expect(freePorts(1, () => taken)).rejects.toThrow("no 1 free ports between 20000 and 32767");
  await new Promise((done) => server.close(done));
});
