import { ablations } from "../config/ablations";
import { presets } from "../config/presets";
import { resolveConfig } from "../config/resolve";
import type { S2Config } from "../config/schema";
import { planTraining, sizeOf } from "../core/parameters";
import { describeModel, trainRules } from "../model/describe";
import { parseOptions, wrongUsage, type CommandSpec } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "params",
  about: "Counts the model's parameters by what trains them; allocates nothing.",
  options: {
    preset: { type: "string", value: "NAME", help: `one of ${Object.keys(presets).join(", ")} (required)` },
    ablation: { type: "string", value: "NAME", help: `one of ${Object.keys(ablations).join(", ")}` },
    set: { type: "string", multiple: true, value: "PATH=VALUE", help: "another value in the config, such as lora.rank=8" },
    json: { type: "boolean", help: "print one JSON document" },
  },
} as const satisfies CommandSpec;

export interface ParameterTable {
  readonly preset: string;
  readonly total: number;
  readonly trainable: number;
  readonly items: readonly { readonly name: string; readonly parameters: number; readonly trainable: boolean; readonly rule: string }[];
}

/** Parameters of a config, one row for each training rule. */
export function parameterTable(config: S2Config): ParameterTable {
  const specs = describeModel(config);
  const rules = trainRules(config);
  const plan = planTraining(specs.map(({ name }) => name), rules);
  const counts = new Map(rules.map(({ label }) => [label, 0]));
  for (const { name, shape } of specs) {
    const { label } = plan.get(name)!;
    counts.set(label, counts.get(label)! + sizeOf(shape));
  }
  const items = rules.map(({ label, training, pattern }) => ({
    name: label, parameters: counts.get(label)!, trainable: training === "train", rule: pattern.source,
  }));
  const sum = (list: readonly { parameters: number }[]): number => list.reduce((n, { parameters }) => n + parameters, 0);
  return { preset: config.preset, total: sum(items), trainable: sum(items.filter(({ trainable }) => trainable)), items };
}

/** `params --preset P [--ablation A] [--json]` */
export async function run(args: string[]): Promise<number> {
  const { values } = parseOptions(spec, args);
  if (values.preset === undefined) throw wrongUsage(spec, "--preset NAME is required");
  const config = resolveConfig({
    preset: values.preset,
    ...(values.ablation === undefined ? {} : { ablation: values.ablation }),
    ...(values.set === undefined ? {} : { set: values.set }),
  });
  const table = parameterTable(config);
  if (values.json === true) {
    printJson(table);
    return 0;
  }
  const number = (n: number): string => n.toLocaleString("en-US");
  const width = Math.max(...table.items.map(({ name }) => name.length));
  printLines([
    ...table.items.map(({ name, parameters, trainable }) => `${name.padEnd(width)}  ${number(parameters).padStart(15)}  ${trainable ? "trains" : "frozen"}`),
    `${"total".padEnd(width)}  ${number(table.total).padStart(15)}`,
    `${"trainable".padEnd(width)}  ${number(table.trainable).padStart(15)}`,
  ]);
  return 0;
}
