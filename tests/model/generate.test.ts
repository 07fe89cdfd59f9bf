import { beforeAll, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { chooseEngine } from "../../lib/engine/choose";
import { tf } from "../../lib/engine/tf";
import { Generation } from "../../lib/model/generate";
import { disposeParameters, initParameters } from "../../lib/model/initialise";
import { forward } from "../../lib/model/s2mllm";
import { describeModel } from "../../lib/weights/describe";
import { expectTensorClose } from "../setup/tensors";
import { tinyBatch, tinyConfig } from "./tiny";

beforeAll(() => chooseEngine({ engine: "ort-cpu", threads: 1 }));

const config = tinyConfig();
const [B, Q, question, written, P] = [2, 3, 4, 3, 15];

/** Rows of each sentence's token `at`, in a sequence of T tokens a sentence. */
const rowsOf = (at: (b: number, q: number) => number, T: number): tf.Tensor1D =>
  tf.tensor1d(
    Array.from(
      { length: B * Q },
      (_, i) => Math.floor(i / Q) * (P + Q * T) + P + (i % Q) * T + at(Math.floor(i / Q), i % Q),
    ),
    "int32",
  );

test("answers written with the cache are those of whole passes, for questions of several lengths", () => {
  const parameters = initParameters(describeModel(config), new Rng(3));
  const { inputs } = tinyBatch(1);
  const { reconRows: _r, reconImageIds: _i, ...scene } = inputs;
  const lengths = (b: number, q: number): number => question - ((b + q) % 3);
  const generation = new Generation(parameters, config, {
    scenes: B,
    sentences: Q,
    objects: 3,
    prefix: P,
    question,
    written,
  });
  const words = inputs.text.arraySync() as number[][][];
  const texts = words.map((row, b) => row.map((ids, q) => ids.slice(0, lengths(b, q))));
  let said = generation.begin({ ...scene, groundRows: rowsOf((b, q) => lengths(b, q) - 1, question) });
  for (let step = 0; step < written; step++) {
    const next = said.next.dataSync();
    texts.forEach((row, b) => row.forEach((ids, q) => ids.push(next[b * Q + q]!)));
    const room = question + written;
    const kept = texts.map((row, b) =>
      row.map((_, q) =>
        Array.from({ length: room }, (_t, t) => (t < lengths(b, q) || (t >= question && t <= question + step) ? 1 : 0)),
      ),
    );
    said = generation.next({
      ids: tf.tensor2d(next, [B, Q], "int32"),
      place: tf.tensor1d(Array.from({ length: room }, (_, t) => (t === question + step ? 1 : 0))),
      kept: tf.tensor3d(kept),
    });
    const T = question + step + 1;
    const whole = forward(
      parameters,
      {
        ...scene,
        text: tf.tensor3d(
          texts.map((row) => row.map((ids) => [...ids, ...Array(T - ids.length).fill(0)])),
          [B, Q, T],
          "int32",
        ),
        groundRows: rowsOf((b, q) => lengths(b, q) + step, T),
      },
      config,
    );
    expectTensorClose(said.scores, whole.scores, { rtol: 1e-4, atol: 1e-5 });
    const ids = whole.logitsAt(rowsOf((b, q) => lengths(b, q) + step, T)).argMax(-1);
    expect([...said.next.dataSync()]).toEqual([...ids.dataSync()]);
  }
  generation.dispose();
  disposeParameters(parameters);
});

test("a sequence longer than the language model's window is refused", () => {
  const small = tinyConfig({ language: { window: 18 } });
  const parameters = initParameters(describeModel(small), new Rng(3));
  expect(() => forward(parameters, tinyBatch(1).inputs, small)).toThrow(
    "prompt, views and sentence have 19 tokens, the language model's window is 18 (language.window); use fewer views",
  );
});
