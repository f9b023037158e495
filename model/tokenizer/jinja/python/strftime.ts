/** `strftime_now`: the local time, in English. */
import { unsupported } from "../error.ts";

const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const months = [
  ...["January", "February", "March", "April", "May", "June", "July"],
  ...["August", "September", "October", "November", "December"],
];

/** A time by Python's format, as it comes out on Linux in the C locale. */
export function formatTime(format: string, now: Date): string {
  return format.replace(/%([-_0^#]?)([^]?)/g, (whole, flag: string, letter: string) => {
    if (letter === "%") return "%";
    const part = parts.get(letter);
    if (part === undefined) throw unsupported(`${whole} in strftime_now`);
    const value = part(now);
    if (typeof value === "string") return flag === "^" ? value.toUpperCase() : plain(value, flag, whole);
    const [number, width, fill] = value;
    const padding = flag === "-" ? "" : flag === "_" ? " " : flag === "0" ? "0" : fill;
    if (flag === "^" || flag === "#") throw unsupported(`${whole} in strftime_now`);
    return padding === "" ? String(number) : String(number).padStart(width, padding);
  });
}

function plain(value: string, flag: string, whole: string): string {
  if (flag !== "") throw unsupported(`${whole} in strftime_now`);
  return value;
}

type Part = string | readonly [value: number, width: number, fill: "0" | " "];

const two = (value: number): Part => [value, 2, "0"];

function dayOfYear(now: Date): number {
  const day = (date: Date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86_400_000;
  return 1 + day(now) - day(new Date(now.getFullYear(), 0, 1));
}

/** Year and week of ISO 8601. */
function isoWeek(now: Date): [year: number, week: number] {
  const thursday = new Date(now.getFullYear(), now.getMonth(), now.getDate() + 4 - (now.getDay() || 7));
  return [thursday.getFullYear(), Math.ceil(dayOfYear(thursday) / 7)];
}

const hour = (now: Date) => now.getHours() % 12 || 12;
const also = (format: string) => (now: Date) => formatTime(format, now);

const parts = new Map<string, (now: Date) => Part>([
  ["a", (now) => days[now.getDay()].slice(0, 3)],
  ["A", (now) => days[now.getDay()]],
  ["b", (now) => months[now.getMonth()].slice(0, 3)],
  ["h", (now) => months[now.getMonth()].slice(0, 3)],
  ["B", (now) => months[now.getMonth()]],
  ["c", also("%a %b %e %H:%M:%S %Y")],
  ["C", (now) => two(Math.floor(now.getFullYear() / 100))],
  ["d", (now) => two(now.getDate())],
  ["D", also("%m/%d/%y")],
  ["e", (now) => [now.getDate(), 2, " "]],
  ["f", (now) => `${String(now.getMilliseconds()).padStart(3, "0")}000`],
  ["F", also("%Y-%m-%d")],
  ["g", (now) => two(isoWeek(now)[0] % 100)],
  ["G", (now) => [isoWeek(now)[0], 4, "0"]],
  ["H", (now) => two(now.getHours())],
  ["I", (now) => two(hour(now))],
  ["j", (now) => [dayOfYear(now), 3, "0"]],
  ["k", (now) => [now.getHours(), 2, " "]],
  ["l", (now) => [hour(now), 2, " "]],
  ["m", (now) => two(now.getMonth() + 1)],
  ["M", (now) => two(now.getMinutes())],
  ["n", () => "\n"],
  ["p", (now) => now.getHours() < 12 ? "AM" : "PM"],
  ["P", (now) => now.getHours() < 12 ? "am" : "pm"],
  ["r", also("%I:%M:%S %p")],
  ["R", also("%H:%M")],
  ["S", (now) => two(now.getSeconds())],
  ["t", () => "\t"],
  ["T", also("%H:%M:%S")],
  ["u", (now) => [now.getDay() || 7, 1, "0"]],
  ["U", (now) => two(Math.floor((dayOfYear(now) + 6 - now.getDay()) / 7))],
  ["V", (now) => two(isoWeek(now)[1])],
  ["w", (now) => [now.getDay(), 1, "0"]],
  ["W", (now) => two(Math.floor((dayOfYear(now) + 6 - (now.getDay() + 6) % 7) / 7))],
  ["x", also("%m/%d/%y")],
  ["X", also("%H:%M:%S")],
  ["y", (now) => two(now.getFullYear() % 100)],
  ["Y", (now) => [now.getFullYear(), 4, "0"]],
  // datetime.now() knows no zone.
  ["z", () => ""],
  ["Z", () => ""],
]);
