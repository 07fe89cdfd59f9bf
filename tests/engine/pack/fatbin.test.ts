import { describe, expect, test } from "vitest";
import { keepArchitecture } from "../../../lib/engine/pack/fatbin";
import { cudaLibrary } from "./made-up";

describe("a CUDA library's kernels", () => {
  const kernels = [
    { kind: 2, arch: 80, code: Buffer.alloc(64, 0x80) },
    { kind: 2, arch: 90, code: Buffer.alloc(32, 0x90) },
    { kind: 1, arch: 90, code: Buffer.alloc(24, 0x99) },
  ];

  test("for other GPUs, and PTX, are blanked where they lie; nothing else changes", () => {
    const before = cudaLibrary([kernels, [{ kind: 2, arch: 90, code: Buffer.alloc(16, 0x91) }]]);
    const after = Buffer.from(before);
    expect(keepArchitecture(after, 90)).toEqual({ kept: 32 + 16, blanked: 64 + 24 });
    expect(after.length).toBe(before.length);
    const count = (library: Buffer, byte: number): number => library.filter((b) => b === byte).length;
    expect([0x80, 0x90, 0x99, 0x91].map((byte) => count(after, byte))).toEqual([0, 32, 0, 16]);
    for (let i = 0; i < before.length; i++) if (after[i] !== before[i]) expect([0x80, 0x99]).toContain(before[i]);
  });

  test("stay where none is for this GPU, and where there are none", () => {
    const library = cudaLibrary([kernels]);
    const before = Buffer.from(library);
    expect(keepArchitecture(library, 120)).toBeUndefined();
    expect(library.equals(before)).toBe(true);
    expect(keepArchitecture(cudaLibrary([], ".text"), 90)).toBeUndefined();
  });

  test("of something else are refused", () => {
    expect(() => keepArchitecture(Buffer.alloc(100), 90)).toThrow("no 64-bit ELF library");
    const cut = cudaLibrary([kernels]);
    // the container says that it is longer than its section
    cut.writeBigUInt64LE(1_000_000n, cut.indexOf(Buffer.from([0x50, 0xed, 0x55, 0xba])) + 8);
    expect(() => keepArchitecture(cut, 90)).toThrow(/\.nv_fatbin breaks off at byte \d+: a damaged library/);
  });
});
