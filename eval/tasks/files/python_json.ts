/** JSON as Python's `json.dumps(value, ensure_ascii=False)` writes it: hashes and files of other programs are of such texts. */

/** A number that Python holds as a float: `1` is written as `1.0`. */
export class PythonFloat {
  constructor(readonly value: number) {}
}

/** A float as Python's `repr` writes it. */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  }
  return Number.isInteger(value) ? `${Object.is(value, -0) ? "-0" : value}.0` : String(value);
}

/** Python's text of a value; with `indent`, a line for each member. Undefined members are left out. */
export function pythonJson(value: unknown, indent = 0, depth = 0): string {
  if (value instanceof PythonFloat) return pythonFloat(value.value);
  if (typeof value === "number" && !Number.isInteger(value)) return pythonFloat(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const inner = Array.isArray(value)
    ? value.map((one) => pythonJson(one, indent, depth + 1))
    : Object.entries(value).filter(([, one]) => one !== undefined).map(([key, one]) =>
      `${JSON.stringify(key)}: ${pythonJson(one, indent, depth + 1)}`
    );
  if (inner.length === 0) return open + close;
  if (indent === 0) return `${open}${inner.join(", ")}${close}`;
  const line = (level: number) => "\n" + " ".repeat(indent * level);
  return `${open}${inner.map((one) => line(depth + 1) + one).join(",")}${line(depth)}${close}`;
}
