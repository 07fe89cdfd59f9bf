import sharp, { type OutputInfo, type Sharp } from "sharp";
import { UserError } from "../core/errors";

/** 8-bit colour image. */
export interface Rgb8 {
  readonly rows: number;
  readonly cols: number;
  /** uint8[rows, cols, 3] */
  readonly pixels: Uint8Array;
}

/** How an image becomes square: its size after resizing, then the square cut out of it. */
export interface Crop {
  readonly cols: number;
  readonly rows: number;
  readonly left: number;
  readonly top: number;
  readonly size: number;
}

// images here are small: threads inside one of them cost more than they bring
sharp.concurrency(1);
sharp.cache(false);

export function encodeJpg({ rows, cols, pixels }: Rgb8): Promise<Buffer> {
  return sharp(pixels, { raw: { width: cols, height: rows, channels: 3 } })
    .jpeg({ quality: 92, chromaSubsampling: "4:4:4", mozjpeg: false })
    .toBuffer();
}

const raw = (image: Sharp): Promise<{ data: Buffer; info: OutputInfo }> =>
  image.removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });

/** Pixels that an image's header is believed: eight times a photograph of a phone. */
const MOST_PIXELS = 1 << 26;

/**
 * Decodes a colour image (jpg, png and whatever else sharp reads), resized and cropped when `cropOf` gives a crop for
 * its size.
 *
 * @param origin file name for messages
 * @throws UserError when the file does not decode, or as `cropOf`
 */
export async function decodeRgb(
  file: Uint8Array,
  origin: string,
  cropOf?: (cols: number, rows: number) => Crop | undefined,
): Promise<Rgb8> {
  try {
    const { data, info } = await raw(sharp(file, { failOn: "warning", limitInputPixels: MOST_PIXELS }));
    const crop = cropOf?.(info.width, info.height);
    const whole = {
      rows: info.height,
      cols: info.width,
      pixels: new Uint8Array(data.buffer, data.byteOffset, data.length),
    };
    if (crop === undefined) return whole;
    const cut = await raw(
      sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } })
        .resize(crop.cols, crop.rows, { fit: "fill", kernel: "cubic" })
        .extract({ left: crop.left, top: crop.top, width: crop.size, height: crop.size }),
    );
    return {
      rows: cut.info.height,
      cols: cut.info.width,
      pixels: new Uint8Array(cut.data.buffer, cut.data.byteOffset, cut.data.length),
    };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `${origin}: the image does not decode (${(error as Error).message.split("\n")[0]}, ${file.length} bytes); ` +
        "export this frame again",
    );
  }
}
