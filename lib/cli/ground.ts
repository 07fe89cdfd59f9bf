import { resolve } from "node:path";
import { writeFileAtomic } from "../core/files";
import { stderrProgress } from "../core/progress";
import { chooseEngine } from "../engine/choose";
import { ask, findsNothing } from "../eval/ask";
import { groundingPage, groundingTable, openAnswerer } from "../report/grounding";
import { toText } from "../report/table";
import { requireMemory } from "../train/estimate";
import { type CommandSpec, parseOptions, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "ground",
  positionals: "DIR SENTENCE",
  about: "Answers one sentence on one scene of a data folder: the best boxes with their scores, and the words written.",
  options: {
    scene: { type: String, value: "ID", help: "the scene; needed where the folder holds several" },
    run: {
      type: String,
      value: "RUN",
      help: "a run's id or folder, or a folder of published weights; the last finished run unless given",
    },
    preset: {
      type: String,
      value: "NAME",
      help: "of a folder of published weights: the model that it holds; llava-video-7b unless given",
    },
    set: {
      type: [String],
      value: "PATH=VALUE",
      help: "of a folder of published weights: another value in the config, such as data.frames=8",
    },
    html: { type: String, value: "FILE", help: "also write a page with the views, the scene in 3D and the scores" },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const satisfies CommandSpec;

/** `ground DIR SENTENCE [--scene ID] [--run RUN] [--html FILE] [--json]` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const [folder, sentence] = positionals;
  if (folder === undefined || sentence === undefined || positionals.length > 2)
    throw wrongUsage(
      spec,
      'takes a data folder and one sentence in quotes, such as "the chair closest to the red table"',
    );
  const { engine } = await chooseEngine();
  const answerer = openAnswerer(values.run, { preset: values.preset, set: values.set });
  requireMemory(answerer.config, "answer", engine);
  const grounding = await ask(answerer, resolve(folder), values.scene, sentence, stderrProgress());
  if (values.html !== undefined) writeFileAtomic(values.html, await groundingPage(grounding));
  if (values.json === true) printJson({ engine, ...grounding, noSuchObject: findsNothing(grounding) });
  else printLines([toText(groundingTable(grounding)), ...(values.html === undefined ? [] : [`page: ${values.html}`])]);
  return 0;
}
