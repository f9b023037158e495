/** `quantbook doctor`: what this machine has, and whether the kernels compute what they should. */
import type { SelfCheck } from "../kernels/self_check.ts";
import { columns } from "./output.ts";
import type { Verb } from "./verb.ts";

interface DeviceReport {
  readonly name: string;
  /** What it is, or why it cannot be used. */
  readonly description: string;
  readonly available: boolean;
  readonly checks: readonly SelfCheck[];
}

const settings = [
  "QUANTBOOK_DEVICE",
  "QUANTBOOK_THREADS",
  "QUANTBOOK_CACHE",
  "HF_HOME",
  "HF_HUB_OFFLINE",
  "HF_ENDPOINT",
];

/** The verb. */
export const verb: Verb = {
  about:
    "Shows versions, devices, caches and settings, and holds the kernels of each device to a plain twin on a few inputs. Exit code 1 " +
    "when an operation is off. The native device, whose package has 288 MB, is looked at only with --device native.",
  options: [{
    flags: "--device NAME",
    about: "only this one",
    choices: ["cpu", "gpu", "native"],
    fallback: "cpu and gpu",
  }],
  examples: ["quantbook doctor", "quantbook doctor --device cpu --json"],
  async run(call) {
    const { default: { version } } = await import("../deno.json", { with: { type: "json" } });
    const { resultsLocation } = await import("../eval/store/key.ts");
    const { cacheDirectory, hubEndpoint, isOffline } = await import("../model/hub/settings.ts");
    const { exists, namesIn } = await import("../base/file.ts");
    const one = call.text("device"), devices: DeviceReport[] = [];
    for (const name of one === undefined ? ["cpu", "gpu"] : [one]) devices.push(await examined(name));
    const places = { models: cacheDirectory(), results: resultsLocation() };
    const caches = await Promise.all(
      Object.entries(places).map(async ([name, path]) => ({
        name,
        path,
        entries: await exists(path) ? (await namesIn(path)).length : 0,
      })),
    );
    const versions = { quantbook: version, deno: Deno.version.deno, v8: Deno.version.v8 };
    const machine = {
      os: `${Deno.build.os} ${Deno.osRelease()}`,
      arch: Deno.build.arch,
      cores: navigator.hardwareConcurrency,
      memory: Deno.systemMemoryInfo().total,
    };
    const hub = { endpoint: hubEndpoint(), offline: isOffline() };
    const set = Object.fromEntries(settings.flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    }));
    const { bytes } = await import("./output.ts");
    call.out.result({ versions, machine, devices, caches, hub, settings: set }, () => [
      ...columns([
        ...Object.entries(versions),
        ["machine", `${machine.os}, ${machine.arch}, ${machine.cores} cores, ${bytes(machine.memory)}`],
        ...caches.map(({ name, path, entries }) => [name, `${path}, ${entries} entries`]),
        ["hub", `${hub.endpoint}${hub.offline ? ", offline" : ""}`],
        ...Object.entries(set),
      ]),
      ...devices.flatMap(lines),
    ]);
    return devices.every(({ name, available, checks }) =>
        checks.every(({ passed }) => passed) && (available || name !== (one ?? "cpu"))
      )
      ? 0
      : 1;
  },
};

async function examined(name: string): Promise<DeviceReport> {
  const { openDevice } = await import("../kernels/default.ts");
  const { referenceDevice, selfCheck } = await import("../kernels/mod.ts");
  const { DeviceError } = await import("../kernels/error.ts");
  try {
    using device = await openDevice(name);
    const { description } = device;
    return { name, description, available: true, checks: await selfCheck(device, referenceDevice()) };
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    return { name, description: error.message, available: false, checks: [] };
  }
}

function lines({ name, description, available, checks }: DeviceReport): string[] {
  const rows = checks.map(({ operation, passed, error }) => [
    `  ${passed ? "right" : "WRONG"}`,
    operation,
    error === null ? "to the bit" : `${(100 * error).toPrecision(2)}% of the bound`,
  ]);
  return ["", `${name}: ${available ? description : `not here: ${description}`}`, ...columns(rows)];
}
