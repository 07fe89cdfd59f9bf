import type { ProgressSink } from "../../core/progress";
import type { Rng } from "../../core/rng";
import { cameraOf, walk } from "../../datasets/rooms/cameras";
import { classNames, colourNames } from "../../datasets/rooms/classes";
import type { RoomsConfig } from "../../datasets/rooms/config";
import { drawLayout, type Layout } from "../../datasets/rooms/layout";
import { render } from "../../datasets/rooms/render";
import { finishOf } from "../../datasets/rooms/scan";
import { expose } from "../../datasets/rooms/sensor";
import { solidOf } from "../../datasets/rooms/solid";
import type { LabelledFrames } from "./vision";

function someLayout(config: RoomsConfig, rng: Rng): Layout {
  for (;;) {
    const layout = drawLayout(config, rng);
    if (layout !== undefined) return layout;
  }
}

/**
 * Pictures of fresh rooms, none of which is in the data set, with the class and colour that each patch mostly shows.
 *
 * @param patch side of a patch, pixels
 */
export function labelledFrames(
  config: RoomsConfig,
  rooms: number,
  framesPerRoom: number,
  patch: number,
  rng: Rng,
  progress: ProgressSink,
): LabelledFrames {
  const size = config.image;
  const side = Math.floor(size / patch);
  const count = rooms * framesPerRoom;
  const colour = new Uint8Array(count * size * size * 3);
  const classOf = new Uint8Array(count * side * side),
    colourOf = new Uint8Array(count * side * side);
  const k = cameraOf(config);
  for (let room = 0; room < rooms; room++) {
    const own = rng.fork(`room-${room}`);
    const layout = someLayout(config, own.fork("layout"));
    const solid = solidOf(layout, finishOf(own.fork("finish")));
    walk(layout, framesPerRoom, own.fork("cameras")).forEach((pose, f) => {
      const frame = room * framesPerRoom + f;
      const picture = render(solid, k, pose, size);
      colour.set(expose(picture, size, config, own.fork(`noise-${f}`)).colour, frame * size * size * 3);
      for (let cell = 0; cell < side * side; cell++) {
        const id = mostFrequent(picture.objects, size, Math.floor(cell / side) * patch, (cell % side) * patch, patch);
        if (id < 0) continue;
        const object = layout.objects[id]!;
        classOf[frame * side * side + cell] = 1 + classNames.indexOf(object.label);
        colourOf[frame * side * side + cell] = 1 + colourNames.indexOf(object.colour);
      }
    });
    progress({ task: "render pictures for pretraining", done: room + 1, total: rooms });
  }
  return { count, colour, classOf, colourOf, classes: classNames.length + 1, colours: colourNames.length + 1 };
}

function mostFrequent(ids: Int16Array, size: number, top: number, left: number, patch: number): number {
  const counts = new Map<number, number>();
  for (let y = top; y < top + patch; y++) {
    for (let x = left; x < left + patch; x++) counts.set(ids[y * size + x]!, (counts.get(ids[y * size + x]!) ?? 0) + 1);
  }
  let best = -1,
    most = 0;
  for (const [id, n] of counts) {
    if (n > most || (n === most && id > best)) {
      best = id;
      most = n;
    }
  }
  return best;
}
