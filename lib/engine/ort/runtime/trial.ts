// first: libraries that are taken in place of onnxruntime-node's
import "./libraries";

import { Tensor as OrtTensor } from "onnxruntime-node";
import { GraphBuilder, Nodes } from "../lower/graph";
import { encodeModel } from "../lower/onnx";
import { withPrecision } from "../lower/rules/common";
import { prepareVulkan } from "./adapter";
import { PROBE, type Trial, type TrialAnswer } from "./probe";
import { PROVIDERS } from "./provider";
import { execute, load } from "./session";
import { defaultSettings } from "./settings";

/** The program of `PROBE` on a provider: what `probe` runs in a process of its own. */
function compute({ engine, precision }: Trial): number[] {
  const provider = PROVIDERS[engine];
  if (provider.name === "webgpu") prepareVulkan();
  const graph = new GraphBuilder({
    rules: withPrecision(provider.rules, precision),
    scatterAdds: true,
    pretransposes: false,
  });
  const f = new Nodes(graph);
  const x = { name: "x", type: "float32", dims: [2, 2] } as const;
  graph.input(x.name, x.type);
  const y = f.node("Add", [f.matmul(x.name, x.name), f.scalar(1)]);
  const model = encodeModel(graph.finish([x], [{ ...x, name: y }]));
  const compiled = load(
    { model, inputs: [x.name], outputs: [y], bytes: 0 },
    provider,
    { ...defaultSettings(), strict: true, precision },
    "host",
  );
  const tensor = (numbers: Float32Array): OrtTensor => new OrtTensor("float32", numbers, x.dims);
  const [result] = execute(
    compiled,
    [tensor(Float32Array.from(PROBE.input))],
    [tensor(new Float32Array(PROBE.result.length))],
  );
  return Array.from(result!.data as Float32Array);
}

function answer(trial: Trial): TrialAnswer {
  try {
    return { numbers: compute(trial) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

process.once("message", (trial: Trial) =>
  process.send!(answer(trial), undefined, undefined, () => process.disconnect()),
);
