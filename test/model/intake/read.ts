/** The members of a body. */
export type Post = Record<string, unknown>;

/** What a body says, as the rules see it. */
export type Said = {
  members: Post;
  videoId: string;
  type: string | null;
  dialect: "typed" | "legacy";
  failure: boolean;
  context: string | null;
  title: string | null;
  duration: number | null;
  /** Equal for equal events; null where an event repeats none. */
  print: string | null;
};

const REPEATED = ["video.ready", "video.delete", "draft.new", "draft.delete"];
const LINKS = ["videoUrl", "thumbnailUrl"];

/** Reads a body; null where it is no event. `bare`: links are compared without their signature. */
export function read(body: string, { bare = true } = {}): Said | null {
  let members: Post;
  try {
    members = JSON.parse(body.replace(/^\ufeff/, ""));
  } catch {
    return null;
  }
  const isObject = typeof members === "object" && members !== null && !Array.isArray(members);
  const videoId = isObject ? textOf(members.wochitVideoId) : null;
  if (videoId === null) return null;
  const isTyped = Object.hasOwn(members, "type");
  const failure = textOf(members.errorMessage) !== null;
  const type = isTyped ? textOf(members.type) : failure ? null : "video.ready";
  const parts = Object.keys(members)
    .sort()
    .map((name) => [name, bare && LINKS.includes(name) ? withoutSignature(members[name]) : members[name]]);
  return {
    members,
    videoId,
    type,
    dialect: isTyped ? "typed" : "legacy",
    failure,
    context: textOf(members.videoContext),
    title: textOf(members.title),
    duration: typeof members.videoDuration === "number" ? members.videoDuration : null,
    print: !isTyped || REPEATED.includes(type ?? "") ? JSON.stringify(parts) : null,
  };
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** The walks sign their links as Amazon does (walk.ts). */
function withoutSignature(value: unknown): unknown {
  if (typeof value !== "string") return value;
  const [path, query = ""] = value.split("?");
  const kept = query.split("&").filter((part) => part !== "" && !part.startsWith("X-Amz-"));
  return kept.length === 0 ? path : `${path}?${kept.join("&")}`;
}
