import { describe, expect, it } from "vitest";
import { findAdapter, type Machine } from "../../runtime/adapter";

const folders = (
  files: Record<string, string[]>,
  environment: Machine["environment"] = {},
  platform: NodeJS.Platform = "linux",
): Machine => ({
  platform,
  environment,
  list: (folder) => files[folder] ?? [],
});
const gpu = { "/dev/dri": ["card0", "renderD128"] };
const mesa = { "/usr/share/vulkan/icd.d": ["radeon_icd.x86_64.json", "lvp_icd.x86_64.json"] };
const software = { "/usr/share/vulkan/icd.d": ["lvp_icd.x86_64.json"] };

describe("findAdapter", () => {
  it.each<[string, Machine, ReturnType<typeof findAdapter>]>([
    ["nothing", folders({}), { kind: "none", why: "no GPU in this machine" }],
    [
      "a GPU and its driver",
      folders({ ...gpu, ...mesa }),
      { kind: "hardware", why: "a GPU with a Vulkan driver (/usr/share/vulkan/icd.d/radeon_icd.x86_64.json)" },
    ],
    [
      "NVIDIA's device file",
      folders({ "/dev": ["nvidiactl"], "/etc/vulkan/icd.d": ["nvidia_icd.json"] }),
      { kind: "hardware", why: "a GPU with a Vulkan driver (/etc/vulkan/icd.d/nvidia_icd.json)" },
    ],
    [
      "a software driver only",
      folders(software),
      { kind: "software", why: "no GPU, only a software driver of Vulkan; S2_ENGINE=ort-webgpu takes it" },
    ],
    [
      "drivers of GPUs that are not there",
      folders(mesa),
      { kind: "software", why: "no GPU, only a software driver of Vulkan; S2_ENGINE=ort-webgpu takes it" },
    ],
    [
      "a GPU without a driver",
      folders(gpu),
      {
        kind: "none",
        why: "this machine has a GPU and no Vulkan driver for it; install the vendor's (Mesa or NVIDIA)",
      },
    ],
    [
      "a GPU with a software driver",
      folders({ ...gpu, ...software }),
      {
        kind: "software",
        why: "this machine has a GPU and no Vulkan driver for it; install the vendor's (Mesa or NVIDIA)",
      },
    ],
    [
      "SwiftShader by name, beside a GPU",
      folders({ ...gpu, ...mesa }, { VK_ICD_FILENAMES: "/usr/lib/chromium/vk_swiftshader_icd.json" }),
      {
        kind: "software",
        why: "this machine has a GPU and no Vulkan driver for it; install the vendor's (Mesa or NVIDIA)",
      },
    ],
    ["another system", folders({}, {}, "darwin"), { kind: "hardware", why: "darwin brings a GPU driver" }],
  ])("%s", (_, machine, adapter) => {
    expect(findAdapter(machine)).toEqual(adapter);
  });
});
