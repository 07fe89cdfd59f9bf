/**
 * Prints what of lib the tests ran, from the counts that every process left in NODE_V8_COVERAGE, and ends with 1 where
 * a room lies below its floor:
 *
 *     NODE_V8_COVERAGE=DIR npm test; node tests/setup/coverage-report.cjs DIR
 */
"use strict";
const { Report } = require("c8");

const rooms = ["io", "datasets", "weights", "runs"];
const floor = { lines: 90, branches: 80 };

async function main() {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error("which folder? It is the one that NODE_V8_COVERAGE named");
  const report = new Report({
    include: ["lib/**"],
    exclude: [],
    reporter: ["text"],
    tempDirectory: folder,
    // one file after the other: together they would fill the memory
    mergeAsync: true,
    excludeNodeModules: true,
  });
  await report.run();
  const { data } = await report.getCoverageMapFromAllCoverageFiles();
  const wrong = [];
  for (const room of rooms) {
    const files = Object.values(data).filter(({ path }) => path.includes(`/lib/${room}/`));
    const sums = files.map((file) => file.toSummary());
    const share = (kind) => {
      const [covered, total] = ["covered", "total"].map((key) => sums.reduce((n, sum) => n + sum[kind][key], 0));
      return total === 0 ? 0 : (100 * covered) / total;
    };
    const line = Object.entries(floor).map(([kind, least]) => {
      if (share(kind) < least)
        wrong.push(`lib/${room}: ${share(kind).toFixed(1)} % of ${kind}, at least ${least} % are asked`);
      return `${share(kind).toFixed(1)} % of ${kind}`;
    });
    console.log(`lib/${room}: ${line.join(", ")}`);
  }
  for (const line of wrong) console.error(line);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}

void main();
