import { departuresOf, switchOf } from "../config/departures";
import { type PresetName, presets } from "../config/presets";
import { unknownName } from "../core/errors";
import { type CommandSpec, parseOptions, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const names = Object.keys(presets);

const spec = {
  name: "departures",
  about: "Lists where a preset does something else than its paper or the authors' release, and what switches it.",
  options: {
    preset: { type: String, value: "NAME", help: `one of ${names.join(", ")} (required)` },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const satisfies CommandSpec;

/** `departures --preset P [--json]` */
export async function run(args: string[]): Promise<number> {
  const { values } = parseOptions(spec, args);
  const { preset } = values;
  if (preset === undefined) throw wrongUsage(spec, "--preset NAME is required");
  if (!names.includes(preset)) throw unknownName("preset", preset, names);
  const found = departuresOf(preset as PresetName);
  if (values.json === true) {
    printJson({ preset, departures: found.map((d) => ({ ...d, config: switchOf(d) })) });
    return 0;
  }
  printLines(
    found.flatMap((d) => [
      `${d.what}  [${switchOf(d)}]`,
      `  paper: ${d.paper}`,
      ...(d.release === undefined ? [] : [`  release: ${d.release}`]),
      `  here: ${d.here} (${d.why})`,
    ]),
  );
  return 0;
}
