import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import type { Command, CommandGroup } from "../../src/cli/command.ts";
import { commands } from "../../src/cli/commands/table.ts";
import { openMetrics } from "../../src/metrics/open.ts";
import { type Definition, METRICS, PREFIX } from "../../src/metrics/table.ts";
import { READER, startAdmin } from "../support/admin.ts";
import { tempFolder } from "../support/folder.ts";
import { promtool, startPrometheus, whyNo } from "../support/prometheus.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

// The alerts and the dashboard that a release holds, beside what a relay says.

const ALERTS = resolve("scripts/alerts.yaml");
const alerts = readFileSync(ALERTS, "utf8");
const dashboard = JSON.parse(readFileSync("scripts/grafana.json", "utf8"));

type Panel = { title: string; type: string; id: number; targets?: { expr: string }[]; gridPos: Record<string, number> };
const panels: Panel[] = dashboard.panels;
const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));

test("each metric that an alert or a panel asks for is one that a relay has", async () => {
  const { body } = await openMetrics({ version: "1", runtime: "Node" }).text();
  const known = new Set(
    [...body.matchAll(/^# TYPE (\S+) (\w+)$/gm)].flatMap(([, name, type]) => namesOf(name!, type!)),
  );
  const asked = [alerts, JSON.stringify(dashboard)].flatMap((text) => text.match(/\bwochit_relay_\w+/g) ?? []);
  assert.ok(asked.length > 40);
  assert.deepEqual(
    [...new Set(asked)].filter((name) => !known.has(name)),
    [],
  );
});

function namesOf(name: string, type: string): string[] {
  return type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
}

test("each alert has a severity, and says what to do by commands that there are", async () => {
  const rules = alerts.split("- alert: ").slice(1);
  assert.deepEqual(
    rules.map((rule) => /severity: (\w+)/.exec(rule)?.[1]),
    [...Array(7).fill("page"), ...Array(5).fill("ticket")],
  );
  for (const rule of rules) {
    const [name] = rule.split("\n");
    const told = /^ +do: "(.+)"$/m.exec(rule)?.[1] ?? assert.fail(name);
    const named = [...told.matchAll(/\bwochit-relay ([a-z]+)(?: ([a-z]+))?((?: --?[a-z-]+)*)/g)];
    const others = told.match(/\bsystemctl status wochit-relay\b/g) ?? [];
    assert.ok(named.length + others.length > 0, `${name} names no command`);
    for (const [line, first, second, options] of named) {
      const { command } = await (commands[first!] ?? assert.fail(line))();
      const verb = isGroup(command) ? (command.verbs[second!] ?? assert.fail(line)) : command;
      for (const option of options!.split(" ").filter(Boolean)) {
        assert.ok(Object.hasOwn(verb.options, option.replace(/^-+/, "")), `${name}: ${line}`);
      }
    }
  }
});

const isGroup = (command: Command | CommandGroup): command is CommandGroup => "verbs" in command;

test("the page of operations has each metric and each alert", () => {
  const page = readFileSync("docs/OPERATE.md", "utf8");
  const [, chapter = ""] = /^## Metrics and alerts\n([\s\S]*?)^## /m.exec(page) ?? [];
  const rows = chapter.split("\n").filter((line) => line.startsWith("| `"));
  const named = rows.flatMap((row) => [...row.split(" | ")[0]!.matchAll(/`(\w+)/g)].map(([, name]) => name!));
  const wanted = [...Object.keys(METRICS), ...[...alerts.matchAll(/- alert: (\w+)/g)].map(([, name]) => name!)];
  assert.deepEqual(named.filter((name) => !/^(process|nodejs)_$/.test(name)).sort(), wanted.sort());
  for (const [name, { labels = [] }] of Object.entries<Definition>(METRICS)) {
    const shown = new RegExp(`\`${name}(?:\\{([\\w,]+)\\})?\``).exec(chapter);
    assert.equal(shown?.[1] ?? "", labels.join(","), name);
  }
});

test("the dashboard has each panel once, each in its place, with queries of the chosen job", () => {
  const ids = panels.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  const taken = new Set<string>();
  for (const { title, gridPos } of panels) {
    const { x = 0, y = 0, w = 0, h = 0 } = gridPos;
    assert.ok(x + w <= 24, title);
    for (let at = 0; at < w * h; at++) {
      const cell = `${x + (at % w)}/${y + Math.floor(at / w)}`;
      assert.ok(!taken.has(cell), `${title} lies over another panel`);
      taken.add(cell);
    }
  }
  assert.ok(queries.length >= 25);
  for (const { title, expr } of queries) {
    const selectors = expr.match(/wochit_relay_\w+/g)!.length;
    assert.equal(expr.match(/job=~"\$job"/g)?.length, selectors, title);
  }
});

test("promtool finds the rules right, and each alert fires at what it is for, and is silent else", {
  skip: whyNo("promtool"),
}, async (t) => {
  assert.match(await promtool("check", "rules", ALERTS), /12 rules found/);
  const cases = readFileSync("test/fixtures/alerts/cases.yaml", "utf8");
  const path = join(tempFolder(t), "cases.yaml");
  writeFileSync(path, cases.replace("ALERTS", JSON.stringify(ALERTS)));
  assert.match(await promtool("test", "rules", path), /SUCCESS/);
  const named = [...alerts.matchAll(/- alert: (\w+)/g)].map(([, name]) => name!);
  for (const name of named) {
    assert.match(cases, new RegExp(`alertname: ${name}\\n +exp_alerts`), `${name} is not seen to fire`);
    assert.match(cases, new RegExp(`alertname: ${name} \\}`), `${name} is not seen to be silent`);
  }
});

/** Queries of the panels that have nothing to show on a machine where nothing is amiss. */
const MAY_BE_EMPTY = /nearest_deadline/;

test("Prometheus itself reads a scrape of a running relay, and answers each query of the dashboard", {
  skip: whyNo("prometheus"),
}, async (t) => {
  const app = await openReceiver(({ json }) => (json.wochitVideoId === "bad" ? 422 : 200));
  t.after(() => app.close());
  const admin = await startAdmin(t, {
    mirror: { enabled: false },
    endpoints: [endpointTo(app.url, { id: "cms", retry: [] }), { ...endpointTo(app.url, { id: "off" }), paused: true }],
  });
  const prometheus = await startPrometheus(t, { target: `127.0.0.1:${admin.port()}`, token: READER, rules: ALERTS });
  // A first scrape may take longer than the second that it has here.
  const scraped = await waitFor(async () => {
    const [target] = (await prometheus.ask("targets")).activeTargets;
    return target?.health === "up" && target;
  });
  assert.equal(scraped.lastError, "");
  // A rate needs an increase between two scrapes.
  let videos = 0;
  const isCounted = async () => {
    await admin.event({ wochitVideoId: `v${++videos}` });
    await admin.event({ wochitVideoId: "bad", n: videos });
    return (await prometheus.query('sum(rate(wochit_relay_attempts_total{outcome="2xx"}[10s])) > 0')).length > 0;
  };
  await waitFor(isCounted);
  await waitFor(async () => (await prometheus.query("rate(wochit_relay_commit_batch_sum[10s]) > 0")).length > 0);

  for (const { title, expr } of queries) {
    const plain = expr
      .replaceAll("$__rate_interval", "10s")
      .replaceAll("$job", "wochit-relay")
      .replaceAll("$endpoint", ".*");
    const series = await prometheus.query(plain);
    assert.ok(series.length > 0 || MAY_BE_EMPTY.test(expr), `${title}: nothing answers ${plain}`);
  }
  const metadata = await prometheus.ask("targets/metadata?limit=1000");
  const seen = new Set(metadata.map(({ metric }: { metric: string }) => metric));
  for (const name of Object.keys(METRICS)) assert.ok(seen.has(PREFIX + name), name);

  const { groups } = await waitFor(async () => {
    const rules = await prometheus.ask("rules");
    return rules.groups[0].rules.every(({ health }: { health: string }) => health !== "unknown") && rules;
  });
  assert.deepEqual(
    groups[0].rules.filter(({ health }: { health: string }) => health !== "ok"),
    [],
  );
});
