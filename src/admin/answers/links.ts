import * as v from "valibot";
import type { RotatedLinks } from "../../actions/relay/rotate-links.ts";
import { orNull, shapeOf, time } from "./shape.ts";

export const rotatedLinks = shapeOf<RotatedLinks>()(
  "RotatedLinks",
  v.object({
    rotatedAt: time,
    keptUntil: v.pipe(orNull(time), v.description("Until when earlier links are valid; null: they have ended")),
    links: v.pipe(v.picklist(["signed", "open"]), v.description("Where they are open, every link is valid")),
  }),
);
