import { SensFile } from "../../lib/io/sens";

/** Opens a recording, reads the images of its last frame, and says what that took. */
const sens = SensFile.open(process.argv[2]!);
const last = sens.frameCount - 1;
const jpeg = sens.colourJpeg(last);
const depth = sens.depthMap(last);
process.stdout.write(
  JSON.stringify({
    frames: sens.frameCount,
    jpeg: jpeg.length,
    depth: [...depth.pixels.subarray(0, 4)],
    peakMB: process.resourceUsage().maxRSS / 1024,
  }),
);
