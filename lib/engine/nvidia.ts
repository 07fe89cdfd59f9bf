import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** An NVIDIA GPU of this machine. */
export interface NvidiaGpu {
  readonly name: string;
  readonly memoryMiB: number;
  /** The driver's version, such as "580.95.05". */
  readonly driver: string;
}

/** What nvidia-smi, which comes with the driver, tells; none without. */
export function nvidiaGpus(): NvidiaGpu[] {
  try {
    const asked = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"];
    return execFileSync("nvidia-smi", asked, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], timeout: 20_000 })
      .trim()
      .split("\n")
      .map((line) => {
        const [name, memory, driver] = line.split(",").map((text) => text.trim()) as [string, string, string];
        return { name, memoryMiB: Number(memory), driver };
      });
  } catch {
    return [];
  }
}

/** A card of NVIDIA's sits on the PCI bus, be there a driver or not. */
export function hasNvidiaCard(devices = "/sys/bus/pci/devices"): boolean {
  try {
    return readdirSync(devices).some((device) => {
      const [vendor, kind] = ["vendor", "class"].map((file) => readFileSync(`${devices}/${device}/${file}`, "utf8"));
      // NVIDIA; display and 3D controllers
      return vendor!.startsWith("0x10de") && kind!.startsWith("0x03");
    });
  } catch {
    return false;
  }
}
