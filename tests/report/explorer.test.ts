import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findChromium } from "../../lib/core/programs";
import { openScene } from "../../lib/datasets/scannet";
import { readSplit } from "../../lib/datasets/sentences";
import { figureHtml, libraryHtml, pageHtml } from "../../lib/notebook/live-html";
import { type AnswersPage, answersPage, type PageCase } from "../../lib/report/explorer/answers";
import { attentionPage, packMap } from "../../lib/report/explorer/attention";
import { type PageScene, pageScene } from "../../lib/report/explorer/scene";
import { smallRooms } from "../datasets/small-rooms";
import { settled, swipe } from "../setup/page-in-chromium";

const hostile = `the "chair" <img src=x onerror=window.hit=1> & 'lamp' 🪑 קרוב לשולחן`;

let rooms: Awaited<ReturnType<typeof smallRooms>>;
let folder: string;
let scene: PageScene;
let cases: PageCase[];
let browser: Browser | undefined;
const chromiumPath = findChromium();

beforeAll(async () => {
  rooms = await smallRooms();
  folder = mkdtempSync(join(tmpdir(), "s2-explorer-"));
  const { queries } = readSplit(rooms.folder, "scanrefer", "val", undefined);
  const id = queries[0]!.sceneId;
  const opened = openScene(rooms.folder, id);
  const proposals = opened.objects.map(({ box, label }) => ({ box, label }));
  scene = await pageScene(rooms.folder, id, opened.frames, { gt: proposals, detector: proposals.slice(1) });
  cases = queries.map((query, i): PageCase => {
    const wrong = (query.targetId + 1) % proposals.length;
    const answer = (right: boolean): PageCase["answers"][number] => ({
      chosen: right ? query.targetId : wrong,
      outcome: right ? "right" : "spatial",
      iou: right ? 1 : 0,
      pickedLabel: proposals[right ? query.targetId : wrong]!.label,
      written: "chair located",
      scores: [
        [right ? query.targetId : wrong, 2.5],
        [right ? wrong : query.targetId, 1.25],
      ],
      margin: i === 0 ? 0.125 : 1.25,
      ...(right ? {} : { violates: [{ clause: "class", text: `asked for ${hostile}` }] }),
    });
    return {
      id: query.id,
      boxes: i === 1 ? "detector" : "gt",
      scene: id,
      sentence: i === 0 ? hostile : query.description,
      relation: query.relation ?? "other",
      category: query.category,
      target: query.targetId,
      landmarks: [...query.anchorIds],
      answers: [answer(i % 2 === 0), answer(i % 3 === 0)],
    };
  });
  if (chromiumPath !== undefined) {
    browser = await chromium.launch({
      executablePath: chromiumPath,
      headless: true,
      args: ["--no-sandbox", "--disable-gpu"],
    });
  }
}, 120_000);

afterAll(async () => {
  await browser?.close();
  rooms.remove();
  rmSync(folder, { recursive: true });
});

const head = { title: "Answers <b>of</b> two runs", source: "S2-Rooms (synthetic), preset nano", synthetic: true };
const page = (): AnswersPage => ({ ...head, runs: ["full", "no-mpe"], cases, scenes: { [scene.id]: scene } });

/** Opens a page; collects errors of its console. */
async function open(name: string, html: string, width: number, dark = false): Promise<{ tab: Page; errors: string[] }> {
  const file = join(folder, `${name}.html`);
  writeFileSync(file, html);
  const tab = await browser!.newPage({
    viewport: { width, height: 900 },
    colorScheme: dark ? "dark" : "light",
    acceptDownloads: true,
  });
  const errors: string[] = [];
  tab.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  tab.on("pageerror", (error) => errors.push(error.message));
  await tab.goto(pathToFileURL(file).href);
  await tab.waitForFunction("document.documentElement.dataset.drawn !== undefined");
  return { tab, errors };
}

/** Where some view shows a measured point of this box and of no other: shares of its width and height, its index. */
function centreSeen(box: number): [[number, number], number] | undefined {
  const boxes = scene.boxes.gt!.map((b) => b.box);
  const holds = (b: readonly number[], p: readonly number[]): boolean =>
    p.every((x, k) => Math.abs(x - b[k]!) <= b[k + 3]! / 2 + 0.05);
  for (const [index, view] of scene.views.entries()) {
    const depth = new Uint16Array(Uint8Array.from(Buffer.from(view.depth, "base64")).buffer);
    const [fx, fy, cx, cy] = view.k;
    const step = view.size / view.depthSize;
    for (const [i, mm] of depth.entries()) {
      const [u, v] = [((i % view.depthSize) + 0.5) * step - 0.5, (Math.floor(i / view.depthSize) + 0.5) * step - 0.5];
      const camera = [(((u - cx) / fx) * mm) / 1000, (((v - cy) / fy) * mm) / 1000, mm / 1000];
      const point = [0, 1, 2].map((r) =>
        camera.reduce((sum, c, k) => sum + view.pose[4 * r + k]! * c, view.pose[4 * r + 3]!),
      );
      if (mm > 0 && boxes.every((b, k) => holds(b, point) === (k === box)))
        return [[(u + 0.5) / view.size, (v + 0.5) / view.size], index];
    }
  }
  return undefined;
}

/** Text that stands outside of the window, or of an element that cuts it off. */
const cutTexts = `[...document.querySelectorAll("h1,h2,p,dt,dd,td,th,button,label,figcaption,summary")].filter((n) => {
  const box = n.getBoundingClientRect();
  return box.width > 0 && (box.right > innerWidth + 1 || n.scrollWidth > n.clientWidth + 1 &&
    getComputedStyle(n).overflow !== "visible");
}).map((n) => n.textContent)`;

test("a page is one file, the same bytes for the same data, and no text of it becomes markup", () => {
  const html = answersPage(page());
  expect(answersPage(page())).toBe(html);
  expect(html).not.toMatch(/(?:src|href)="(?:https?:|\/\/|file:)/);
  expect(html).not.toContain("<img src=x");
  expect(html).toContain("Answers &lt;b&gt;of&lt;/b&gt; two runs");
  const packed = /id="data">([^<]+)</.exec(html)![1]!;
  expect(JSON.parse(gunzipSync(Buffer.from(packed, "base64")).toString()).cases[0].sentence).toBe(hostile);
});

test("depth in a page lies on the objects that the boxes enclose", () => {
  // the share of measured pixels inside some box's bounds, by the page's own numbers, apart from floor and walls
  let inside = 0;
  for (const view of scene.views) {
    const depth = new Uint16Array(Uint8Array.from(Buffer.from(view.depth, "base64")).buffer);
    const [fx, fy, cx, cy] = view.k;
    const step = view.size / view.depthSize;
    depth.forEach((mm, i) => {
      if (mm === 0) return;
      const d = mm / 1000;
      const u = ((i % view.depthSize) + 0.5) * step - 0.5;
      const v = (Math.floor(i / view.depthSize) + 0.5) * step - 0.5;
      const camera = [((u - cx) / fx) * d, ((v - cy) / fy) * d, d];
      const point = [0, 1, 2].map((r) =>
        camera.reduce((sum, c, k) => sum + view.pose[4 * r + k]! * c, view.pose[4 * r + 3]!),
      );
      if (scene.objects.some(({ box }) => point.every((p, k) => Math.abs(p - box[k]!) <= box[k + 3]! / 2 + 0.02)))
        inside += 1;
    });
  }
  expect(inside).toBeGreaterThan(200);
});

describe.runIf(chromiumPath !== undefined || process.env.CI === "true")("in Chromium", () => {
  test.each([
    [1280, false],
    [390, true],
  ])("answers at %i px: filter, open, choose a box, compare runs", { timeout: 120_000 }, async (width, dark) => {
    const { tab, errors } = await open(`answers-${width}`, answersPage(page()), width, dark);
    expect(await tab.locator(".case").count()).toBe(cases.length);
    expect(await tab.locator(".cases > *").count()).toBe(cases.length);
    expect(await tab.locator("#explorer").textContent()).not.toMatch(/\b(?:undefined|NaN|false)\b|\[object/);
    expect(await tab.evaluate("window.hit")).toBeUndefined();
    await tab.locator(".case").first().click();
    await tab.locator("canvas").nth(scene.views.length).waitFor();
    expect(await tab.locator("h2").textContent()).toBe(`“${hostile}”`);
    // every view is drawn: more than one colour
    const drawn = await tab.evaluate(
      `[...document.querySelectorAll("canvas")].map((c) => new Set(c.getContext("2d").getImageData(0, 0, ` +
        `c.width, c.height).data).size)`,
    );
    for (const colours of drawn as number[]) expect(colours).toBeGreaterThan(20);

    await tab.selectOption("select >> nth=1", "wrong");
    const wrong = cases.filter((c) => c.answers[0]!.outcome !== "right").length;
    expect(await tab.locator(".count").textContent()).toBe(`${wrong} of ${cases.length} answers`);
    await tab.selectOption("select >> nth=0", "1");
    const wrongOfOther = cases.filter((c) => c.answers[1]!.outcome !== "right").length;
    expect(await tab.locator(".count").textContent()).toBe(`${wrongOfOther} of ${cases.length} answers`);
    await tab.selectOption("select >> nth=1", "");
    // right in the first run, wrong in the second
    const lost = cases.filter((c) => c.answers[0]!.outcome === "right" && c.answers[1]!.outcome !== "right").length;
    const cell = tab.locator("table.both button").nth(1);
    expect(await cell.textContent()).toBe(String(lost));
    await cell.click();
    expect(await tab.locator(".case").count()).toBe(lost);

    await cell.click();
    await tab.fill("input[type=number]", "0.2");
    expect(await tab.locator(".case").count()).toBe(1);
    await tab.fill("input[type=number]", "");
    await tab.getByLabel("violates").selectOption("class");
    expect(await tab.locator(".case").count()).toBe(wrongOfOther);
    await tab.getByLabel("violates").selectOption("");
    await tab.getByLabel("boxes").selectOption("detector");
    expect(await tab.locator(".case").count()).toBe(1);
    await tab.getByLabel("boxes").selectOption("");
    await cell.click();

    const picture = (selector: string): Promise<unknown> =>
      tab.evaluate(`document.querySelector("${selector}").toDataURL()`);
    const before = await picture(".views canvas");
    await tab.locator("table.scores button").nth(1).click();
    await expect.poll(() => picture(".views canvas")).not.toBe(before);
    // a click on an object in a view chooses its box, in the list too, where it is among the best
    const pressed = (): Promise<number> => tab.locator('table.scores [aria-pressed="true"]').count();
    expect(await pressed()).toBe(1);
    const opened = cases.find((c) => tab.url().includes(encodeURIComponent(c.id)))!;
    const [at, index] = centreSeen(opened.answers[1]!.chosen)!;
    const view = tab.locator(".views canvas").nth(index);
    const size = (await view.boundingBox())!.width;
    await tab.locator("table.scores button").nth(1).click();
    expect(await pressed()).toBe(0);
    await view.click({ position: { x: at[0] * size, y: at[1] * size } });
    await expect.poll(pressed).toBe(1);
    // turning the room changes its picture
    const still = await picture(".room canvas");
    await tab.locator(".room canvas").focus();
    await tab.keyboard.press("ArrowLeft");
    await expect.poll(() => picture(".room canvas")).not.toBe(still);

    const [download] = await Promise.all([tab.waitForEvent("download"), tab.click("button:has-text('CSV')")]);
    const lines = readFileSync(await download.path(), "utf8")
      .trim()
      .split("\n");
    expect(lines.length).toBe(lost + 1);
    expect(lines[0]).toMatch(/^id,boxes,scene,sentence,relation,class,full: outcome,.*no-mpe: best boxes$/);

    // the link opens the same view
    const link = tab.url();
    const again = await browser!.newPage();
    await again.goto(link);
    await again.waitForFunction("document.documentElement.dataset.drawn !== undefined");
    expect(await again.locator("h2").textContent()).toBe(await tab.locator("h2").textContent());
    await again.close();

    expect(await tab.evaluate(cutTexts)).toEqual([]);
    expect(errors).toEqual([]);
    if (process.env.S2_SHOTS !== undefined) {
      await tab.click("table.both button >> nth=1");
      await tab.waitForTimeout(300);
      await tab.screenshot({ path: join(process.env.S2_SHOTS, `answers-${width}.png`), fullPage: true });
    }
    await tab.close();
  });

  test.each([
    [1280, false],
    [390, true],
  ])("attention at %i px: click a patch, choose head and word", { timeout: 120_000 }, async (width, dark) => {
    const grid = 6;
    const [N, V, H] = [grid * grid, scene.views.length, 2];
    const even = (n: number, f: (i: number) => number): Float32Array =>
      Float32Array.from({ length: n }, (_, i) => f(i));
    const inter = packMap(
      even(N * H * V * V, (i) => (i % V === 0 ? 0.6 : 0.4 / (V - 1))),
      [N, H, V, V],
      H,
    );
    const intra = packMap(
      even(V * H * N * N, (i) => (i % N === 3 ? 0.5 : 0.5 / N)),
      [V, H, N, N],
      H,
    );
    const words = {
      ...packMap(
        even(2 * H * 3 * V * 9, (i) => i % 9),
        [2, H, 3, V, 9],
        H,
      ),
      words: ["the", hostile, "<ground>"],
      side: 3,
    };
    const first = { scene, grid, sentence: hostile, maps: [{ inter, intra, words }, { inter }] };
    const scenes = [first, { ...first, scene: { ...scene, id: "scene2_00" }, sentence: "the other" }];
    const html = attentionPage({ ...head, runs: ["full", "no-sg"], scenes });
    const { tab, errors } = await open(`attention-${width}`, html, width, dark);
    expect(await tab.locator("h2").first().textContent()).toBe(`“${hostile}”`);
    await tab
      .locator(".views canvas")
      .nth(1)
      .click({ position: { x: 10, y: 10 } });
    expect(tab.url()).toContain("view=1");
    expect(tab.url()).toContain("patch=0");
    // view 0 gets 60 % whichever view asks
    expect(await tab.locator("table.scores tr").nth(1).textContent()).toMatch(/60\.0 %60\.0 %/);
    // what is truly there, by depth, has a distance in patches wherever it is seen
    const away: string[] = [];
    for (let patch = 0; patch < N; patch++) {
      const { width: side } = (await tab.locator(".views canvas").nth(1).boundingBox())!;
      const [x, y] = [patch % grid, Math.floor(patch / grid)].map((at) => ((at + 0.5) * side) / grid);
      await tab
        .locator(".views canvas")
        .nth(1)
        .click({ position: { x: x!, y: y! } });
      away.push(...(await tab.locator("table.scores td:last-child").allTextContents()));
    }
    expect(away.filter((text) => /^\d+\.\d patches away$/.test(text)).length).toBeGreaterThan(0);
    expect(away.filter((text) => !/^(?:|not seen|\d\.\d patches away)$/.test(text))).toEqual([]);
    await tab.getByLabel("head").selectOption("1");
    await tab.getByLabel("attention").selectOption("words");
    expect(await tab.locator(".words button").count()).toBe(3);
    await tab.locator(".words button").nth(2).click();
    expect(tab.url()).toContain("word=2");
    const hidden = "[...document.querySelectorAll('section section > .note')].map((n) => n.hidden)";
    expect(await tab.evaluate(hidden)).toEqual([true, false]);
    // numbers on hover
    await tab.locator(".views canvas").nth(2).hover();
    expect(await tab.locator(".count").first().textContent()).toMatch(/^frame \d+, row \d, column \d: [\d.]+ %$/);
    await tab.getByLabel("scene").selectOption("scene2_00");
    await expect.poll(() => tab.locator("h2").first().textContent()).toBe("“the other”");
    expect(tab.url()).toContain("view=1");
    expect(await tab.evaluate(cutTexts)).toEqual([]);
    // keys alone: the next patch, and another view asks; a link opens the same
    await tab.getByLabel("attention").selectOption("inter");
    await tab.locator(".views canvas").nth(2).press("ArrowLeft");
    await tab.locator(".views canvas").nth(2).press("ArrowUp");
    await tab.locator(".views canvas").nth(2).press("Enter");
    // the last patch was asked: one to the left, one up
    expect(tab.url()).toMatch(/view=2.*patch=28|patch=28.*view=2/);
    // what is shown goes along: the same patch of each view, of both runs
    const [list] = await Promise.all([tab.waitForEvent("download"), tab.getByText("CSV").click()]);
    const lines = readFileSync((await list.path())!, "utf8")
      .trim()
      .split("\n");
    expect(lines).toHaveLength(1 + 2 * V);
    expect(lines.slice(0, 2).map((line) => line.split(",").slice(0, 4))).toEqual([
      ["run", "frame", "row", "column"],
      ["full", scene.views[0]!.frame, "4", "4"],
    ]);
    const [sheet] = await Promise.all([tab.waitForEvent("download"), tab.getByText("PNG: no-sg").click()]);
    expect(sheet.suggestedFilename()).toBe("attention-no-sg-scene2_00.png");
    expect(errors).toEqual([]);
    if (process.env.S2_SHOTS !== undefined) {
      await tab.screenshot({ path: join(process.env.S2_SHOTS, `attention-${width}.png`), fullPage: true });
    }
    await tab.close();
  });

  // VS Code's renderer of text/html sets innerHTML and runs each script once more; the strictest policy that its
  // webview can have (notebook.experimental.enableCsp) allows no address but data:
  test("figures and explorers are live under the policy of VS Code's webview", { timeout: 120_000 }, async () => {
    const policy =
      "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; " +
      "img-src https: http: data:; font-src https:; connect-src https:; child-src https: data:";
    const figure = { name: "f", alt: "f", data: [{ x: [1, 2], y: [3, 4], type: "scatter" as const }], layout: {} };
    const outputs = [libraryHtml() + figureHtml(figure), pageHtml(answersPage(page()), "answers")];
    const { tab, errors } = await open(
      "webview",
      '<!doctype html><html data-drawn><meta charset="utf-8">' +
        `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
      1280,
    );
    await tab.evaluate(`for (const html of ${JSON.stringify(outputs)}) {
      const place = document.body.appendChild(document.createElement("div"));
      place.innerHTML = html;
      for (const { innerText } of [...place.querySelectorAll("script")]) {
        const script = document.createElement("script");
        script.text = innerText;
        place.appendChild(script).remove();
      }
    }`);
    await tab.locator(".js-plotly-plot .main-svg").first().waitFor();
    const frame = tab.frameLocator("iframe");
    await frame.locator(".case").first().click();
    await frame.locator(".room canvas").waitFor();
    expect(errors).toEqual([]);
    await tab.close();
  });

  test("one finger on the scene scrolls the page, two turn the scene", { timeout: 60_000 }, async () => {
    const { tab, errors } = await open("touch", answersPage(page()), 390);
    await tab.locator(".case").first().click();
    const room = tab.locator(".room canvas");
    await room.waitFor();
    await tab.evaluate('document.querySelector(".room canvas").scrollIntoView({ block: "center" })');
    const picture = (): Promise<string> => tab.evaluate('document.querySelector(".room canvas").toDataURL()');
    const scrolled = (): Promise<number> => tab.evaluate("scrollY");
    await expect.poll(picture).not.toBe(await tab.evaluate("document.createElement('canvas').toDataURL()"));
    const [top, before] = [await scrolled(), await picture()];
    const { x, y, height } = (await room.boundingBox())!;
    await swipe(tab, 1, [x + 100, y + height / 2], [0, 100]);
    await expect.poll(scrolled).toBeLessThan(top - 50);
    await settled(tab);
    expect(await picture()).toBe(before);
    const rest = await scrolled();
    const moved = (await room.boundingBox())!;
    await swipe(tab, 2, [x + 100, moved.y + height / 2], [80, 0]);
    await expect.poll(picture).not.toBe(before);
    await settled(tab);
    expect(await scrolled()).toBe(rest);
    expect(errors).toEqual([]);
    await tab.close();
  });

  test("answers that were kept without scores and words say so, and the list has no empty column", async () => {
    const old = cases.map((c) => ({
      ...c,
      answers: c.answers.map(({ written: _w, margin: _m, ...answer }, i) =>
        i === 0 ? { ...answer, scores: [] } : c.answers[i]!,
      ),
    }));
    const { tab } = await open("old", answersPage({ ...page(), cases: old }), 1280);
    expect(await tab.locator("aside .note").allTextContents()).toContain(
      "The answers of full were kept without their scores (no margins, no best boxes) and words: run its study again.",
    );
    const [download] = await Promise.all([tab.waitForEvent("download"), tab.getByText("CSV").click()]);
    const heads = readFileSync((await download.path())!, "utf8").split("\n")[0]!;
    expect(heads).toContain("full: outcome");
    expect(heads).not.toMatch(/full: (?:margin|written|best boxes)/);
    expect(heads).toContain("no-mpe: best boxes");
    await tab.close();
  });

  test("data of another form, or damaged, are said and not drawn", { timeout: 60_000 }, async () => {
    const html = answersPage(page());
    const packed = (data: unknown): string => gzipSync(JSON.stringify(data)).toString("base64");
    const other = html.replace(/id="data">[^<]+</, `id="data">${packed({ version: 99, kind: "answers" })}<`);
    const { tab } = await open("other", other, 800);
    expect(await tab.locator("[role=alert]").textContent()).toMatch(
      /have form 99, its program reads 2; make the page anew/,
    );
    await tab.close();
    const broken = await open("broken", html.replace(/id="data">[^<]{200}/, 'id="data">'), 800);
    expect(await broken.tab.locator("[role=alert]").textContent()).toMatch(/cannot be shown/);
    await broken.tab.close();
  });
});
