export interface Kernel {
  /** 2: machine code, 1: PTX. */
  readonly kind: number;
  readonly arch: number;
  readonly code: Buffer;
}

/** An entry: a head of 64 bytes (kind, head's length, code's length, architecture), then the code. */
function entry({ kind, arch, code }: Kernel): Buffer {
  const head = Buffer.alloc(64);
  head.writeUInt16LE(kind, 0);
  head.writeUInt32LE(64, 4);
  head.writeBigUInt64LE(BigInt(code.length), 8);
  head.writeUInt32LE(arch, 28);
  return Buffer.concat([head, code]);
}

function container(kernels: readonly Kernel[]): Buffer {
  const entries = Buffer.concat(kernels.map(entry));
  const head = Buffer.alloc(16);
  head.writeUInt32LE(0xba55ed50, 0);
  head.writeUInt16LE(1, 4);
  head.writeUInt16LE(16, 6);
  head.writeBigUInt64LE(BigInt(entries.length), 8);
  return Buffer.concat([head, entries]);
}

/** A library in ELF's form, as small as can be, with containers of kernels in a section of this name. */
export function cudaLibrary(containers: readonly (readonly Kernel[])[], section = ".nv_fatbin"): Buffer {
  // padding between containers, as linkers leave it
  const fatbin = Buffer.concat([...containers.map(container), Buffer.alloc(24)]);
  const names = Buffer.from(`\0${section}\0.shstrtab\0`);
  const [start, namesAt] = [64, 64 + fatbin.length];
  const table = namesAt + names.length;
  const head = Buffer.alloc(64);
  head.write("\x7fELF", 0, "latin1");
  head[4] = 2;
  head[5] = 1;
  head.writeBigUInt64LE(BigInt(table), 0x28);
  head.writeUInt16LE(64, 0x3a);
  head.writeUInt16LE(3, 0x3c);
  head.writeUInt16LE(2, 0x3e);
  const sectionHead = (name: number, offset: number, length: number): Buffer => {
    const at = Buffer.alloc(64);
    at.writeUInt32LE(name, 0);
    at.writeBigUInt64LE(BigInt(offset), 0x18);
    at.writeBigUInt64LE(BigInt(length), 0x20);
    return at;
  };
  return Buffer.concat([
    head,
    fatbin,
    names,
    sectionHead(0, 0, 0),
    sectionHead(1, start, fatbin.length),
    sectionHead(section.length + 2, namesAt, names.length),
  ]);
}
