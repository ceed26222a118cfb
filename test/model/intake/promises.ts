import type { Failure } from "../walk.ts";
import { type Command, VIDEOS, type Written } from "./commands.ts";
import type { Answer, IntakeModel } from "./model.ts";

/** What an app and an operator rely on, judged by what the model lets see: the rules themselves may be wrong. */
export function judge(model: IntakeModel) {
  const contexts = new Map<number, unknown>();

  /** A message says one context, however often it is tried; one that said none may say the first that becomes known. */
  function oneContext(): Failure | null {
    for (let index = 0; index < model.count(); index++) {
      const body = model.body(index);
      if (body === null) continue;
      const context = (body.relay as { contextFrom: string | null }).contextFrom === null ? null : body.videoContext;
      const before = contexts.get(index) ?? null;
      if (before !== null && before !== context) {
        return { promise: "one message, one context", detail: `event ${index} said ${before}, and now ${context}` };
      }
      contexts.set(index, context);
    }
    return null;
  }

  function afterPost(
    { v, type, failure, context, spell }: Written,
    { is }: Answer,
    { isOverridden }: { isOverridden: boolean },
  ): Failure | null {
    const video = model.video(v);
    if (video === null || failure) return null;
    const detail = `${type} is ${is}: ${JSON.stringify(video)}`;
    if (type === "video.delete" && video.state !== "deleted") return { promise: "a delete deletes", detail };
    if (type === "draft.delete" && video.state !== "deleted" && video.state !== "ready") {
      return { promise: "a draft's delete deletes what was not ready", detail };
    }
    // What is erased, or overridden by an operator, is not brought back by a repetition.
    if (is === "duplicate" && (video.forgottenAt !== null || isOverridden)) return null;
    if ((type === "video.ready" || type === "legacy") && video.state !== "ready") {
      return { promise: "what is ready is ready", detail };
    }
    const isSaid = typeof context === "string" && context !== "" && spell !== "twice";
    if (isSaid && video.context !== context) return { promise: "the provider's last word counts", detail };
    return null;
  }

  /** Where nothing is left to erase, nothing is to be seen. */
  function afterForget(v: string, answer: unknown): Failure | null {
    if (answer === "not_found") return null;
    const { context, contextHistory, title, duration } = model.video(v) ?? { contextHistory: [] };
    if (contextHistory.length === 0 && (context ?? title ?? duration ?? null) === null) return null;
    return { promise: "what is erased is gone", detail: JSON.stringify(model.video(v)) };
  }

  /** Within a video sequences are without gaps, in order of commit. */
  function sequences(): Failure | null {
    const last = new Map<string, number>();
    for (let index = 0; index < model.count(); index++) {
      const body = model.body(index);
      if (body === null) continue;
      const v = String(body.wochitVideoId);
      const { sequence } = body.relay as { sequence: number };
      if (last.has(v) && sequence !== last.get(v)! + 1) {
        return { promise: "sequences are without gaps", detail: `event ${index} of ${v} has ${sequence}` };
      }
      last.set(v, sequence);
    }
    return null;
  }

  return (
    command: Command,
    walk: { posts: Written[]; isBack: boolean; isOverridden: boolean },
    answer: unknown,
  ): Failure | null => {
    const isPost = (command.do === "post" || command.do === "again") && answer !== undefined;
    // An event that comes while the clock is behind may stand before one from quarantine.
    const post = isPost && !walk.isBack ? walk.posts.at(-1) : undefined;
    const broken = post && VIDEOS.includes(post.v) ? afterPost(post, answer as Answer, walk) : null;
    return broken ?? (command.do === "forget" ? afterForget(command.v, answer) : null) ?? oneContext() ?? sequences();
  };
}
