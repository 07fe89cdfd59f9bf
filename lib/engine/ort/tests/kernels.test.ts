import { describe, it } from "vitest";
import { expectClose, on, read } from "./compare";
import { evaluate, OP_CASES } from "./op-cases";

// The reference is tfjs' own plain JavaScript backend, run on the same inputs. Gradients that the project
// replaces (gradients.ts) are checked by differences in gradients.test.ts.

for (const [about, cases] of OP_CASES) {
  describe(about, () => {
    for (const c of cases) {
      it(c.name, async () => {
        const want = await on("cpu", () => read(evaluate(c)));
        const got = await on("ort-cpu", () => read(evaluate(c)));
        expectClose(got, want, c.tolerance ?? 1e-6, c.name);
      });
    }
  });
}
