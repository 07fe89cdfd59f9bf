import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { tf } from "../../lib/engine/tf";
import { phi } from "../../lib/model/positions";
import fc from "../setup/fast-check";
import { expectTensorClose } from "../setup/tensors";

beforeAll(() => tf.setBackend("cpu"));

describe("positions", () => {
  test("φ(0) is sin 0, cos 0, … and the spare channels are 0 at width 3584", () => {
    const zero = phi(tf.zeros([1, 3]), 3584).dataSync();
    expect([...zero.slice(0, 4)]).toEqual([0, 1, 0, 1]);
    expect([...zero.slice(3580)]).toEqual([0, 1, 0, 0]);
  });

  test("any width and coordinate follow the formula", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 40 }),
        fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 3, maxLength: 3 }),
        (D, q) => {
          const m = Math.floor(D / 3);
          const wanted = Array.from({ length: D }, (_, c) => {
            if (c >= 3 * m) return 0;
            const k = c % m;
            const angle = q[Math.floor(c / m)]! / 10000 ** ((2 * Math.floor(k / 2)) / m);
            return k % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
          });
          // float32 angles up to 300 carry 2e-5 of rounding
          expectTensorClose(phi(tf.tensor2d([q]), D), wanted, { rtol: 0, atol: 5e-5 });
        },
      ),
      { numRuns: 25 },
    );
  });
});
