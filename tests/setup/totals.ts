import { stripVTControlCharacters } from "node:util";
import type { Reporter, TestModule } from "vitest/node";

export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

/** Counts tests; a file or suite that broke outside a test, and each stray error, counts as one failure. */
export function countTests(modules: readonly TestModule[], strayErrors: number): Totals {
  const totals: Totals = { passed: 0, failed: strayErrors, skipped: 0 };
  for (const module of modules) {
    if (module.errors().length > 0) totals.failed++;
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) totals.failed++;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      // "pending" is what an interrupted run leaves behind
      totals[state === "pending" ? "skipped" : state]++;
    }
  }
  return totals;
}

/** A line for each test that failed and for each file or suite that broke: where, and the error's first line. */
export function failures(modules: readonly TestModule[]): string[] {
  const line = (where: string, errors: readonly { readonly message: string }[] = []): string =>
    `failed: ${where}: ${stripVTControlCharacters(errors[0]?.message ?? "no error was kept").split("\n")[0]}`;
  return modules.flatMap((module) => {
    const file = module.relativeModuleId;
    const suites = [...module.children.allSuites()].filter((suite) => suite.errors().length > 0);
    return [
      ...(module.errors().length > 0 ? [line(file, module.errors())] : []),
      ...suites.map((suite) => line(`${file} > ${suite.fullName}`, suite.errors())),
      ...[...module.children.allTests("failed")].map((test) =>
        line(`${file} > ${test.fullName}`, test.result().errors),
      ),
    ];
  });
}

/**
 * Ends the output with what failed and the line "N passed, N failed, N skipped"; under CI a skipped test fails the run.
 */
export default class TotalsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], strayErrors: readonly unknown[]): void {
    const totals = countTests(modules, strayErrors.length);
    const failed = failures(modules);
    const refused = totals.skipped > 0 && Boolean(process.env.CI);
    if (refused) process.exitCode = 1;
    // at exit, so that nothing of vitest comes after it
    process.once("exit", () => {
      for (const line of failed) process.stdout.write(`${line}\n`);
      if (refused) process.stdout.write("Under CI no test may be skipped: install what it needs, see .ci/run.\n");
      process.stdout.write(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
    });
  }
}
