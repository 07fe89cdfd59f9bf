import type { Box } from "../../geometry/box";
import { colours, type Figure, layoutOf, plain, titleHeight } from "./theme";

export type BoxRole = "target" | "predicted" | "anchor" | "object" | "other";

export interface DrawnBox {
  readonly box: Box;
  readonly label: string;
  readonly role: BoxRole;
}

/** Points with optional colours "rgb(…)" or one number each. */
export interface Points {
  /** [N * 3] x y z, metres. */
  readonly positions: ArrayLike<number>;
  /** [N * 3] 0-255 */
  readonly colours?: ArrayLike<number>;
}

export interface SceneDrawing {
  readonly sceneId: string;
  /** The data set, as titles name it. */
  readonly source: string;
  readonly sentence: string;
  readonly boxes: readonly DrawnBox[];
  readonly points?: Points;
}

const roles: Readonly<Record<BoxRole, { colour: string; name: string; width: number }>> = {
  target: { colour: colours.green, name: "right answer", width: 7 },
  predicted: { colour: colours.red, name: "picked", width: 7 },
  anchor: { colour: colours.blue, name: "landmark", width: 5 },
  object: { colour: colours.blue, name: "objects", width: 3 },
  other: { colour: "#B8B8B8", name: "other proposals", width: 2 },
};

/** The twelve edges of an axis-aligned box as one line with gaps. */
export function boxEdges([cx, cy, cz, sx, sy, sz]: Box): {
  x: (number | null)[];
  y: (number | null)[];
  z: (number | null)[];
} {
  const corner = (i: number): [number, number, number] => [
    cx + ((i & 1) === 0 ? -sx : sx) / 2,
    cy + ((i & 2) === 0 ? -sy : sy) / 2,
    cz + ((i & 4) === 0 ? -sz : sz) / 2,
  ];
  const x: (number | null)[] = [];
  const y: (number | null)[] = [];
  const z: (number | null)[] = [];
  for (let i = 0; i < 8; i++) {
    for (const bit of [1, 2, 4]) {
      if ((i & bit) !== 0) continue;
      const [a, b] = [corner(i), corner(i | bit)];
      x.push(a[0], b[0], null);
      y.push(a[1], b[1], null);
      z.push(a[2], b[2], null);
    }
  }
  return { x, y, z };
}

/** A point cloud as a plotly trace. */
export function pointsTrace(
  { positions, colours: rgb }: Points,
  name: string,
  fallback: string,
): Figure["data"][number] {
  const count = Math.floor(positions.length / 3);
  const at = (k: number): number[] =>
    Array.from({ length: count }, (_, i) => Math.round(positions[3 * i + k]! * 1000) / 1000);
  const colour =
    rgb === undefined
      ? fallback
      : Array.from({ length: count }, (_, i) => `rgb(${rgb[3 * i]},${rgb[3 * i + 1]},${rgb[3 * i + 2]})`);
  return {
    type: "scatter3d",
    mode: "markers",
    name,
    x: at(0),
    y: at(1),
    z: at(2),
    marker: { size: 1.8, color: colour, opacity: 0.9 },
    hoverinfo: "skip",
    showlegend: false,
  };
}

export const sceneLayout = {
  aspectmode: "data",
  camera: { eye: { x: 1.1, y: -1.6, z: 1.5 }, center: { x: 0, y: 0, z: -0.15 } },
  xaxis: { title: { text: "x (m)", font: { size: 12 } } },
  yaxis: { title: { text: "y (m)", font: { size: 12 } } },
  zaxis: { title: { text: "z (m)", font: { size: 12 } } },
} as const;

/** One scene with its boxes: green the right answer, red the pick, blue the landmarks. Turn it with the mouse. */
export function sceneFigure(drawing: SceneDrawing): Figure {
  const order: BoxRole[] = ["other", "object", "anchor", "target", "predicted"];
  const named = new Set<BoxRole>();
  const traces = order.flatMap((role) =>
    drawing.boxes
      .filter((b) => b.role === role)
      .flatMap((b): Figure["data"] => {
        const { colour, name, width } = roles[role];
        const first = !named.has(role);
        named.add(role);
        const [cx, cy, cz, , , sz] = b.box;
        const edges = {
          type: "scatter3d" as const,
          mode: "lines" as const,
          name,
          legendgroup: role,
          showlegend: first,
          ...boxEdges(b.box),
          line: { color: colour, width },
          hovertext: plain(b.label),
          hoverinfo: "text" as const,
        };
        const text = {
          type: "scatter3d" as const,
          mode: "text" as const,
          x: [cx],
          y: [cy],
          z: [cz + sz / 2 + 0.12],
          // the text of a 3D plot knows tags, but no entities
          text: [b.label.replaceAll("<", "‹").replaceAll(">", "›")],
          textfont: { color: colour, size: 12 },
          legendgroup: role,
          showlegend: false,
          hoverinfo: "skip" as const,
        };
        return role === "other" ? [edges] : [edges, text];
      }),
  );
  const cloud = drawing.points === undefined ? [] : [pointsTrace(drawing.points, "room", colours.grey)];
  return {
    name: `scene-${drawing.sceneId}`,
    alt: `${drawing.sceneId}: “${drawing.sentence}”; ${drawing.boxes
      .filter((b) => b.role !== "other")
      .map((b) => `${roles[b.role].name}: ${b.label}`)
      .join(", ")}.`,
    data: [...cloud, ...traces],
    layout: layoutOf(`“${drawing.sentence}”`, `${drawing.source}, ${drawing.sceneId}`, {
      scene: sceneLayout,
      height: 560,
      margin: { l: 8, r: 8, t: titleHeight + 30, b: 8 },
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" },
    }),
  };
}

/** Predicted and true pointmap of a view, side by side in one frame. @param source the data set, as titles name it */
export function pointmapFigure(sceneId: string, source: string, predicted: Points, truth: Points): Figure {
  return {
    name: `pointmap-${sceneId}`,
    alt: `Predicted and measured points of ${sceneId}.`,
    data: [
      { ...pointsTrace(truth, "measured depth", colours.grey), showlegend: true } as Figure["data"][number],
      {
        ...pointsTrace(predicted, "reconstruction branch", colours.orange),
        showlegend: true,
      } as Figure["data"][number],
    ],
    layout: layoutOf("Reconstruction branch", `${source}, ${sceneId}; metres`, {
      scene: sceneLayout,
      height: 560,
      margin: { l: 8, r: 8, t: titleHeight + 30, b: 8 },
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", itemsizing: "constant" },
    }),
  };
}
