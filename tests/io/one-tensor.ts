/**
 * Reads one tensor of a file in a process of its own and prints its first number and the most memory the process
 * held, kB.
 */
import { SafetensorsFile } from "../../lib/io/safetensors";

const [path, name] = process.argv.slice(2) as [string, string];
const file = SafetensorsFile.open(path);
const { data } = file.read(name);
file.close();
process.stdout.write(
  JSON.stringify({ first: Number(data[0]), count: data.length, maxRss: process.resourceUsage().maxRSS }),
);
