import { UserError } from "../../core/errors";

/** Bytes of machine code and PTX in a CUDA library. */
export interface Kept {
  readonly kept: number;
  readonly blanked: number;
}

/** Section of an ELF library in which CUDA keeps its kernels, for every GPU that it was built for. */
const SECTION = ".nv_fatbin";
/** What a container of kernels begins with: this number, version, length of its head, length of its entries. */
const CONTAINER = 0xba55ed50;
/** An entry's kind: machine code, as opposed to PTX. */
const MACHINE_CODE = 2;

/** Where a section of a 64-bit little-endian ELF file lies; undefined without it. */
function findSection(library: Buffer, name: string): { start: number; end: number } | undefined {
  if (library.length < 64 || library.toString("latin1", 0, 4) !== "\x7fELF" || library[4] !== 2 || library[5] !== 1)
    throw new UserError("no 64-bit ELF library; expected CUDA's libraries for Linux");
  const table = Number(library.readBigUInt64LE(0x28));
  const [size, count, names] = [0x3a, 0x3c, 0x3e].map((at) => library.readUInt16LE(at)) as [number, number, number];
  const header = (i: number): { name: number; offset: number; length: number } => {
    const at = table + i * size;
    return {
      name: library.readUInt32LE(at),
      offset: Number(library.readBigUInt64LE(at + 0x18)),
      length: Number(library.readBigUInt64LE(at + 0x20)),
    };
  };
  const text = header(names).offset;
  for (let i = 0; i < count; i++) {
    const { name: at, offset, length } = header(i);
    const end = library.indexOf(0, text + at);
    if (library.toString("latin1", text + at, end) === name) return { start: offset, end: offset + length };
  }
  return undefined;
}

/**
 * Blanks a CUDA library's kernels for other GPUs, in place: nothing moves, so that it loads as before, and zeros take
 * no room once it is packed.
 *
 * @param library an ELF file
 * @param arch the GPU's compute capability without its point: 90 for H100 and H200, 80 for A100, 89 for RTX 40
 * @returns undefined for a library without kernels, and, untouched, for one without any for this GPU
 * @throws UserError for what is no 64-bit ELF file, or breaks off
 */
export function keepArchitecture(library: Buffer, arch: number): Kept | undefined {
  const section = findSection(library, SECTION);
  if (section === undefined) return undefined;
  const others: { start: number; end: number }[] = [];
  let kept = 0;
  let at = section.start;
  while (at < section.end - 16) {
    if (library.readUInt32LE(at) !== CONTAINER) {
      // containers lie on multiples of 8
      at += 8 - (at % 8);
      continue;
    }
    const end = at + library.readUInt16LE(at + 6) + Number(library.readBigUInt64LE(at + 8));
    if (end > section.end)
      throw new UserError(`${SECTION} breaks off at byte ${at}: a damaged library; install it anew`);
    for (let entry = at + library.readUInt16LE(at + 6); entry < end; ) {
      const start = entry + library.readUInt32LE(entry + 4);
      const stop = start + Number(library.readBigUInt64LE(entry + 8));
      const mine = library.readUInt16LE(entry) === MACHINE_CODE && library.readUInt32LE(entry + 28) === arch;
      if (mine) kept += stop - start;
      else others.push({ start, end: stop });
      entry = stop;
    }
    at = end;
  }
  if (kept === 0) return undefined;
  for (const { start, end } of others) library.fill(0, start, end);
  return { kept, blanked: others.reduce((sum, { start, end }) => sum + end - start, 0) };
}
