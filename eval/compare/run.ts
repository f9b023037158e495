/** Windows one after the other: what is stored is read, what is missing is measured in one pass, and stored. */
import { environmentVariable } from "../../base/environment.ts";
import { hashOf } from "../../base/hash.ts";
import type { Device } from "../../kernels/device.ts";
import { ownCode } from "../../quant/quantize/code.ts";
import { resolveScheme } from "../../quant/quantize/resolve.ts";
import { ResultsError, type ResultsStore } from "../store/contract.ts";
import { resultsLocation, sourceHash } from "../store/key.ts";
import { openStore } from "../store.ts";
import { cellKey, hashTokens } from "../sweep/cell.ts";
import { measureWindow, type WindowRecord } from "./measure.ts";
import type { CompareModels, PreparedModel } from "./models.ts";
import type { NoiseKind } from "./noise.ts";
import type { CompareOptions } from "./options.ts";
import { decoded, encoded, type StoredRecord } from "./record.ts";

/** One model that is held against the reference. */
export interface Contestant {
  /** The model; of a noise the reference. */
  readonly prepared: PreparedModel;
  /** How the reference is computed otherwise; null for a candidate. */
  readonly noise: NoiseKind | null;
}

/** Where a contestant's windows are stored. */
interface Place {
  readonly contestant: Contestant;
  readonly store: ResultsStore | null;
  /** Hash of all that determines a window's record but the window. */
  readonly key: string;
}

/** A measured contestant. */
export interface Measured {
  /** By window. */
  readonly records: readonly WindowRecord[];
  /** Measured storage of its linear layers. */
  readonly storage: { readonly bytes: number; readonly bitsPerWeight: number };
  /** Hash of all that determines the records but the windows. */
  readonly key: string;
}

type Found = WindowRecord & StoredRecord;

/** The records of all contestants on all windows. */
export async function measureAll(
  reference: PreparedModel,
  contestants: readonly Contestant[],
  models: CompareModels,
  device: Device,
  options: CompareOptions,
): Promise<Measured[]> {
  const { windows, onWindow } = options;
  const places = await placesOf(reference, contestants, models, device, options);
  const storedOnly = options.storedOnly ?? environmentVariable("QUANTBOOK_STORED") !== undefined;
  const all: Found[][] = contestants.map(() => []);
  for (const [w, ids] of windows.entries()) {
    const window = hashTokens([ids]);
    const read = async ({ store, key }: Place): Promise<Found | undefined> => {
      const name = hashOf({ key, window }), value = await store?.read(name);
      return value === undefined || store === null
        ? undefined
        : decoded(value, ids.length, `${store.location}/${name}`);
    };
    let found = await Promise.all(places.map(read));
    const first = found.indexOf(undefined), stored = first < 0;
    if (!stored) {
      if (storedOnly) {
        throw new ResultsError(
          "missing",
          `${contestants[first].prepared.label}: window ${w} is not stored against ${reference.label}`,
        );
      }
      const claimed = hashOf({ key: places[first].key, window });
      await using _claim = await places[first].store?.claim(claimed) ?? null;
      found = await Promise.all(places.map(read));
      const missing = places.flatMap((place, i) => found[i] === undefined ? [{ ...place, i }] : []);
      if (missing.length > 0) {
        const running = [];
        for (const { contestant: { prepared, noise } } of missing) {
          running.push(await models.running(prepared, noise));
        }
        const start = performance.now(), { model } = await models.running(reference);
        const records = await measureWindow(model, running.map((one) => one.model), ids);
        const seconds = (performance.now() - start) / 1000;
        for (const [m, { i, store, key }] of missing.entries()) {
          const value = { positions: encoded(records[m]), ...running[m].storage, seconds };
          found[i] = { ...records[m], ...value };
          await store?.write(hashOf({ key, window }), value);
        }
      }
    }
    for (const [i, one] of found.entries()) if (one !== undefined) all[i].push(one);
    onWindow?.(w + 1, windows.length, stored);
  }
  return all.map((records, i) => {
    const { bytes, bitsPerWeight } = records[0];
    return { records, storage: { bytes, bitsPerWeight }, key: places[i].key };
  });
}

/** Keys of contestants; those whose methods nobody can tell from another version of them are stored nowhere. */
async function placesOf(
  reference: PreparedModel,
  contestants: readonly Contestant[],
  models: CompareModels,
  device: Device,
  { calibration = [], execution, results }: CompareOptions,
): Promise<Place[]> {
  const location = results === undefined ? resultsLocation() : results;
  const store = location === null ? null : await openStore(location);
  const code = await sourceHash(["eval/compare/measure.ts", "eval/compare/models.ts"]);
  const shared = { code, device: device.name, execution, windows: "", calibration: hashTokens(calibration) };
  const identity = async ({ model: specifier, scheme }: PreparedModel) => {
    const { code: methods, unknown } = await ownCode(resolveScheme(scheme));
    const model = await (await models.float(specifier)).hash();
    return { key: cellKey({ ...shared, model, scheme, methods }), known: unknown.length === 0 };
  };
  const ours = await identity(reference);
  return await Promise.all(contestants.map(async (contestant) => {
    const theirs = await identity(contestant.prepared);
    const key = hashOf({ reference: ours.key, candidate: theirs.key, noise: contestant.noise });
    return { contestant, key, store: ours.known && theirs.known ? store : null };
  }));
}
