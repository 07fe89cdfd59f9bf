import type { S2Config } from "../config/schema";
import type { Init } from "../core/parameters";

export type InitStyle = S2Config["language"]["init"];

/** How a weight of fan `inputs` → `outputs` starts; `gain` scales Xavier's limit. */
export function weightInit(style: InitStyle, inputs: number, outputs: number, gain = 1): Init {
  if (style === "huggingface") return { kind: "normal", std: 0.02 };
  return { kind: "uniform", limit: gain * Math.sqrt(6 / (inputs + outputs)) };
}
