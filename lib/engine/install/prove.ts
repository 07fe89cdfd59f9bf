import { runChild } from "../../core/child";
import { UserError } from "../../core/errors";
import { moduleFile } from "../../core/root";
import type { EngineName } from "../choose";

/** Losses of the first steps of a small training. */
export type Losses = readonly number[];

/** TF32, which TensorFlow uses for products on newer GPUs, keeps ten bits of a number. */
const TOLERANCE = { cpu: 1e-4, cuda: 1e-2 } as const;

/** Lets an engine train a few steps in a process of its own. @throws Error with its message when it cannot */
function train(engine: EngineName): Promise<Losses> {
  return runChild<EngineName, never, Losses>(moduleFile("engine", "install", "prove-worker"), engine, {
    environment: { S2_ENGINE: "", S2_ENGINE_PRECISION: "" },
    patienceMs: 300_000,
  });
}

/**
 * Compares the losses of a small training (convolution, pooling, products, lookup, Adam) with those of ort-cpu.
 *
 * @returns the largest relative difference
 * @throws UserError when the engine does not start or computes something else
 */
export async function prove(engine: EngineName, device: keyof typeof TOLERANCE): Promise<number> {
  const reference = await train("ort-cpu");
  const own = await train(engine);
  const worst = Math.max(...reference.map((loss, i) => Math.abs(own[i]! - loss) / Math.abs(loss)));
  // NaN as well
  if (!(worst <= TOLERANCE[device]))
    throw new UserError(
      `${engine} trains with losses ${own.join(", ")}, ort-cpu with ${reference.join(", ")}: not the same work; ` +
        "update the driver, or install the engine anew",
    );
  return worst;
}
