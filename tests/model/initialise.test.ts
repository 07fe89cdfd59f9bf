import "@tensorflow/tfjs-backend-cpu";
import { expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { initialValues } from "../../lib/model/initialise";

test("starting values depend on seed and name only", () => {
  const spec = (name: string) => ({ name, shape: [3, 3], init: { kind: "normal", std: 2 } as const });
  expect(initialValues(spec("a"), new Rng(1))).toEqual(initialValues(spec("a"), new Rng(1)));
  expect(initialValues(spec("a"), new Rng(1))).not.toEqual(initialValues(spec("b"), new Rng(1)));
  expect([...initialValues({ name: "i", shape: [2, 2], init: { kind: "identity" } }, new Rng(1))]).toEqual([
    1, 0, 0, 1,
  ]);
});
