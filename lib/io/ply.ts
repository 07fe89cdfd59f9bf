import { UserError } from "../core/errors";

/** A triangle mesh with coloured vertices, as ScanNet's *_vh_clean_2.ply. */
export interface Mesh {
  /** float32[vertices, 3] metres */
  readonly points: Float32Array;
  /** uint8[vertices, 3] */
  readonly colours: Uint8Array;
  /** int32[faces, 3] vertex numbers */
  readonly faces: Int32Array;
}

const sizes: Record<string, number> = {
  char: 1,
  uchar: 1,
  int8: 1,
  uint8: 1,
  short: 2,
  ushort: 2,
  int16: 2,
  uint16: 2,
  int: 4,
  uint: 4,
  int32: 4,
  uint32: 4,
  float: 4,
  float32: 4,
  double: 8,
  float64: 8,
};

function readNumber(view: DataView, at: number, type: string): number {
  switch (type) {
    case "char":
    case "int8":
      return view.getInt8(at);
    case "uchar":
    case "uint8":
      return view.getUint8(at);
    case "short":
    case "int16":
      return view.getInt16(at, true);
    case "ushort":
    case "uint16":
      return view.getUint16(at, true);
    case "int":
    case "int32":
      return view.getInt32(at, true);
    case "uint":
    case "uint32":
      return view.getUint32(at, true);
    case "float":
    case "float32":
      return view.getFloat32(at, true);
    default:
      return view.getFloat64(at, true);
  }
}

interface Property {
  readonly name: string;
  readonly type: string;
  /** Type of the count in front of a list. */
  readonly countType?: string;
}

interface Element {
  readonly name: string;
  readonly count: number;
  readonly properties: Property[];
}

function parseHeader(text: string, bad: (what: string) => UserError): Element[] {
  const elements: Element[] = [];
  let format = "";
  for (const line of text.split(/\r?\n/)) {
    const parts = line.trim().split(/\s+/);
    if (parts[0] === "format") format = parts[1] ?? "";
    else if (parts[0] === "element") {
      const count = Number(parts[2]);
      if (!Number.isSafeInteger(count) || count < 0)
        throw bad(`element "${parts[1] ?? ""}" has the count "${parts[2] ?? ""}", expected a whole number`);
      elements.push({ name: parts[1] ?? "", count, properties: [] });
    } else if (parts[0] === "property") {
      const property =
        parts[1] === "list"
          ? { name: parts[4] ?? "", type: parts[3] ?? "", countType: parts[2]! }
          : { name: parts[2] ?? "", type: parts[1] ?? "" };
      if (
        !Object.hasOwn(sizes, property.type) ||
        (property.countType !== undefined && !Object.hasOwn(sizes, property.countType))
      ) {
        throw bad(`property "${property.name}" has the unknown type "${property.type}"`);
      }
      elements[elements.length - 1]?.properties.push(property);
    }
  }
  if (format !== "binary_little_endian") throw bad(`format is "${format}", expected binary_little_endian`);
  return elements;
}

/**
 * Reads a binary little-endian PLY with vertices x y z (and red green blue) and triangle faces.
 *
 * @throws UserError when the header or the data are not that
 */
export function readPly(file: Uint8Array, origin: string): Mesh {
  const bad = (what: string): UserError => new UserError(`${origin}: ${what}; take the mesh from the scan again`);
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const end = bytes.indexOf("end_header");
  const start = bytes.indexOf("\n", end) + 1;
  if (bytes.toString("latin1", 0, 3) !== "ply" || end < 0 || start === 0) throw bad("not a PLY file (no header)");
  const elements = parseHeader(bytes.toString("latin1", 0, end), bad);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let at = start;
  let points = new Float32Array(0);
  let colours = new Uint8Array(0);
  const faces: number[] = [];
  const need = (bytesNeeded: number, what: string): void => {
    if (at + bytesNeeded > bytes.length) throw bad(`cut off after ${bytes.length} bytes inside its ${what} list`);
  };
  for (const element of elements) {
    if (element.name === "vertex") {
      const offsets = new Map<string, { offset: number; type: string }>();
      let stride = 0;
      for (const p of element.properties) {
        if (p.countType !== undefined) throw bad(`vertices have a list property "${p.name}", which is not supported`);
        offsets.set(p.name, { offset: stride, type: p.type });
        stride += sizes[p.type]!;
      }
      const axes = ["x", "y", "z"].map((name) => offsets.get(name));
      if (axes.some((axis) => axis === undefined)) throw bad("vertices have no x, y, z");
      need(stride * element.count, "vertex");
      points = new Float32Array(3 * element.count);
      colours = new Uint8Array(3 * element.count);
      const rgb = ["red", "green", "blue"].map((name) => offsets.get(name));
      for (let i = 0; i < element.count; i++, at += stride) {
        for (let k = 0; k < 3; k++) {
          points[3 * i + k] = readNumber(view, at + axes[k]!.offset, axes[k]!.type);
          const c = rgb[k];
          if (c !== undefined) colours[3 * i + k] = readNumber(view, at + c.offset, c.type);
        }
      }
      continue;
    }
    // without properties there is nothing to read, however many are announced
    for (let i = 0; i < (element.properties.length === 0 ? 0 : element.count); i++) {
      for (const p of element.properties) {
        if (p.countType === undefined) {
          need(sizes[p.type]!, element.name);
          at += sizes[p.type]!;
          continue;
        }
        need(sizes[p.countType]!, element.name);
        const count = readNumber(view, at, p.countType);
        if (!Number.isInteger(count) || count < 0) throw bad(`${element.name} ${i} has a list of ${count} values`);
        at += sizes[p.countType]!;
        need(count * sizes[p.type]!, element.name);
        if (element.name === "face" && count === 3) {
          for (let k = 0; k < 3; k++) faces.push(readNumber(view, at + k * sizes[p.type]!, p.type));
        }
        at += count * sizes[p.type]!;
      }
    }
  }
  const stray = faces.find((v) => v < 0 || v >= points.length / 3);
  if (stray !== undefined) throw bad(`a face names vertex ${stray}, but there are ${points.length / 3}`);
  return { points, colours, faces: Int32Array.from(faces) };
}

/** Writes a mesh the way ScanNet does: x y z as float, red green blue alpha as uchar, faces as uchar + int. */
export function writePly({ points, colours, faces }: Mesh): Buffer {
  const vertices = points.length / 3;
  const triangles = faces.length / 3;
  const header = Buffer.from(
    [
      "ply",
      "format binary_little_endian 1.0",
      `element vertex ${vertices}`,
      "property float x",
      "property float y",
      "property float z",
      "property uchar red",
      "property uchar green",
      "property uchar blue",
      "property uchar alpha",
      `element face ${triangles}`,
      "property list uchar int vertex_indices",
      "end_header",
      "",
    ].join("\n"),
    "latin1",
  );
  const out = Buffer.alloc(header.length + 16 * vertices + 13 * triangles);
  header.copy(out);
  let at = header.length;
  for (let i = 0; i < vertices; i++) {
    for (let k = 0; k < 3; k++) at = out.writeFloatLE(points[3 * i + k]!, at);
    for (let k = 0; k < 3; k++) out[at++] = colours[3 * i + k]!;
    out[at++] = 255;
  }
  for (let i = 0; i < triangles; i++) {
    out[at++] = 3;
    for (let k = 0; k < 3; k++) at = out.writeInt32LE(faces[3 * i + k]!, at);
  }
  return out;
}
