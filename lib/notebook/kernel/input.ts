import { Readable } from "node:stream";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { UserError } from "../../core/errors";
import { type Input, type Report, shared } from "./threads";

/**
 * Lets cells ask the front end for a line: process.stdin, which readline reads, and the function that is returned,
 * which waits for the answer.
 *
 * @param answers where the answers arrive, in the order of the questions
 * @param owner the cell that asks
 */
export function offerInput(
  sockets: MessagePort,
  answers: MessagePort,
  state: Int32Array,
  owner: () => string,
): (question?: string, preset?: string) => string {
  const ask = (prompt: string): void => sockets.postMessage({ type: "input", owner: owner(), prompt } satisfies Report);
  const lineOf = (input: Input): string => {
    if ("line" in input) return input.line;
    throw new UserError(input.refused);
  };

  const prompt = (question = "", preset = ""): string => {
    const before = Atomics.load(state, shared.inputs);
    ask(question === "" ? "" : `${question} `);
    Atomics.wait(state, shared.inputs, before);
    const { message } = receiveMessageOnPort(answers) as { message: Input };
    return lineOf(message) || preset;
  };
  let wanted = false;
  let asking = false;
  const stdin = new Readable({
    read() {
      wanted = true;
      askSoon();
    },
  });
  // after the reader had its chance to pause: a line that nobody waits for is not asked for
  const askSoon = (): void => {
    setTimeout(() => {
      if (!wanted || asking || stdin.isPaused()) return;
      asking = true;
      ask("");
      answers.once("message", (input: Input) => {
        wanted = asking = false;
        if ("line" in input) stdin.push(`${input.line}\n`);
        else stdin.destroy(new UserError(input.refused));
      });
      answers.unref();
    }, 0);
  };
  stdin.on("resume", askSoon);
  Object.defineProperty(process, "stdin", { configurable: true, value: stdin });
  return prompt;
}
