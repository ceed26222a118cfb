// Numbers and times as people read them.

/** "18.3 MiB" */
export function formatSize(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const at = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(bytes, 1)) / 10)));
  return at === 0 ? `${bytes} bytes` : `${(bytes / 1024 ** at).toFixed(1)} ${units[at]}`;
}

const PLURAL = {
  event: "events",
  delivery: "deliveries",
  medium: "media",
  copy: "copies",
  "refused body": "refused bodies",
  problem: "problems",
  address: "addresses",
  file: "files",
};

/** "1 copy", "2 copies". */
export function formatCount(many: number, noun: keyof typeof PLURAL): string {
  return `${many} ${many === 1 ? noun : PLURAL[noun]}`;
}

/** `2026-11-21 21:15:03Z`, of an ISO time. */
export function shortTime(iso: string | null): string | null {
  return iso === null ? null : iso.replace("T", " ").replace(/\.\d+Z$/, "Z");
}

const UNITS = [
  { name: "d", ms: 86_400_000 },
  { name: "h", ms: 3_600_000 },
  { name: "min", ms: 60_000 },
  { name: "s", ms: 1_000 },
];

/** How far away a moment is, in at most two units: "in 3 h 20 min", "2 h ago", "now". */
export function relativeTime(moment: number, now: number): string {
  const away = Math.abs(moment - now);
  const at = UNITS.findIndex(({ ms }) => away >= ms);
  if (at < 0) return "now";
  const [unit, next] = [UNITS[at]!, UNITS[at + 1]];
  const count = Math.floor(away / unit.ms);
  const rest = next === undefined ? 0 : Math.floor((away % unit.ms) / next.ms);
  // The smaller unit is noise beside a large number, and beside minutes.
  const words = `${count} ${unit.name}${rest > 0 && count < 10 && unit.name !== "min" ? ` ${rest} ${next!.name}` : ""}`;
  return moment > now ? `in ${words}` : `${words} ago`;
}

/** A length of time in the largest unit that divides it: "6 h", "90 s", "1500 ms". */
export function formatSpan(ms: number): string {
  const unit = UNITS.find((one) => ms > 0 && ms % one.ms === 0) ?? { name: "ms", ms: 1 };
  return `${ms / unit.ms} ${unit.name}`;
}
