import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { inProject } from "../../lib/core/root";
import { kernelCommand } from "../../lib/notebook/kernelspec";
import { type Case, cases } from "./protocol/cases";
import { Client } from "./protocol/client";

/** Runs all cases against a kernel. A case that waits for what never comes fails. */
async function results(command: readonly string[]): Promise<boolean[]> {
  let client = await Client.start(command, inProject());
  const passed: boolean[] = [];
  try {
    for (const one of cases) {
      passed.push(await one.run(client).catch(() => false));
      // a kernel that a case has ended or hung is started anew for the next
      const alive =
        one.section === "Kernel shutdown" || (await client.execute("0", { store_history: false })).reply !== undefined;
      if (alive) continue;
      client.close();
      client = await Client.start(command, inProject());
    }
  } finally {
    client.close();
  }
  return passed;
}

const escape = (text: string): string => text.replaceAll("|", "\\|");

/** The committed table. */
function table(ours: readonly boolean[], tslab: readonly boolean[]): string {
  const mark = (passed: boolean | undefined): string => (passed === true ? "yes" : "no");
  const count = (list: readonly boolean[]): number => list.filter(Boolean).length;
  const row = ({ section, name, testbed, request, expected }: Case, i: number): string => {
    const title = testbed === undefined ? name : `${name} (\`${testbed}\`)`;
    const cells = [String(i + 1), section, title, request, expected, mark(ours[i]), mark(tslab[i])];
    return `| ${cells.map(escape).join(" | ")} |`;
  };
  return [
    "# The kernel and Jupyter's messaging protocol",
    "",
    "Each case sends a request and looks at every message that comes back. *Section* is the one of the protocol's text",
    '("Messaging in Jupyter"); names in code are those of runtimed\'s kernel-testbed, written anew from their',
    "descriptions. `tests/notebook/kernel.protocol.test.ts` runs both kernels and compares with this table;",
    "`S2_WRITE_PROTOCOL=1` writes it.",
    "",
    `Ours: ${count(ours)} of ${cases.length}. Stock tslab 1.0.22: ${count(tslab)} of ${cases.length}.`,
    "",
    "| # | section | case | request | expected | ours | tslab |",
    "|---|---|---|---|---|---|---|",
    ...cases.map(row),
    "",
  ].join("\n");
}

test("the kernel keeps the protocol where stock tslab does not", { timeout: 900_000 }, async () => {
  const file = inProject("lib", "notebook", "protocol.md");
  const tslab = inProject("node_modules", "tslab", "bin", "tslab");
  const ours = await results(kernelCommand("{connection_file}"));
  expect(cases.filter((_, i) => !ours[i]).map(({ name }) => name)).toEqual([]);
  const theirs = await results([process.execPath, tslab, "kernel", "--config-path", "{connection_file}"]);
  const text = table(ours, theirs);
  if (process.env.S2_WRITE_PROTOCOL !== undefined) writeFileSync(file, text);
  expect(cases.length).toBeGreaterThanOrEqual(75);
  expect(readFileSync(file, "utf8")).toBe(text);
});
