import assert from "node:assert/strict";
import { test } from "node:test";
import { endpointTo } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";
import { VIDEO, withStage } from "./stage.ts";

test("one id follows an event through the log: a line at the door, one for each copy, one at each endpoint", () =>
  withStage(
    { endpoints: (app) => [endpointTo(`${app}/one`, { id: "one" }), endpointTo(`${app}/two`, { id: "two" })] },
    async ({ relay, provider, send, delivery }) => {
      const video = provider.addVideo(VIDEO, { bytes: 300_000 });
      const thumbnail = provider.addThumbnail(VIDEO);
      const { id } = await send("video.ready", { videoUrl: video.link(), thumbnailUrl: thumbnail.link() });
      await Promise.all([delivery(id, "/one"), delivery(id, "/two")]);
      const lines = () => relay.ports.log.facts.filter(({ level, fields }) => level !== "debug" && fields.event === id);
      await waitFor(() => lines().filter(({ fact }) => fact === "delivered").length === 2);
      const shown = lines().map(({ level, fact, fields: { video, type, kind, endpoint, delivery } }) => {
        assert.equal(video, VIDEO, fact);
        const what = kind ?? (endpoint === undefined ? type : `${type} ${endpoint} ${typeof delivery}`);
        return `${level} ${fact}: ${what}`;
      });
      assert.deepEqual(shown.sort(), [
        "info delivered: video.ready one string",
        "info delivered: video.ready two string",
        "info event accepted: video.ready",
        "info media mirrored: thumbnail",
        "info media mirrored: video",
      ]);
    },
  ));
