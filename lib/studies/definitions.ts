import { unknownName } from "../core/errors";
import type { EvaluationName } from "./evaluations";
import type { Contrast, Protocol, Study } from "./types";

/** What most protocols share. */
const usual = {
  version: 1,
  preset: "nano-long",
  primary: { evaluation: "test", proposals: "gt", sentences: "all" },
  looks: [5, 8, 12],
  smallestEffect: 2,
  evaluations: ["val", "test"],
} as const satisfies Partial<Protocol>;

/** Two arms that do not differ: a "lower" or "higher" here says that the comparison is at fault. */
const sameAgain: Contrast = { arm: "again", against: "full", expected: "within" };
const sameAgainText = "again is full with other seeds (A/A): a difference that is called one there is a false alarm";

/** Each of `arms` against `against`. */
const each = (arms: readonly string[], expected: Contrast["expected"], against = "full"): Contrast[] =>
  arms.map((arm) => ({ arm, against, expected }));

/** Variants on top of another; "full" is that one alone. */
function on(base: string, variants: readonly string[]): string[] {
  if (base === "full") return [...variants];
  return variants.map((variant) => (variant === "full" ? base : `${base}+${variant}`));
}

const sameAgainOn = (base: string): Contrast => ({ arm: `${base}+again`, against: base, expected: "within" });

/** The same trained runs, asked in another way than the test asks. */
const askedOtherwise = (arm: string, on: EvaluationName, expected: Contrast["expected"]): Contrast => {
  return { arm, against: arm, on, againstOn: "test", expected };
};

/** Four views that overlap. */
const adjacent = "frames-4+neighbours";

/** Every study of the lab. */
export const studies = {
  table5: {
    name: "table5",
    question: "What does each component, and the number of frames, contribute?",
    paperTable: "table5",
    variants: [
      "full",
      "again",
      "no-sg",
      "no-mpe",
      "no-mpe-boxes",
      "no-mpe-no-anchor",
      "no-attn",
      "no-lg",
      "frames-2",
      "frames-4",
      "frames-12",
      "language-only",
    ],
    protocol: {
      ...usual,
      hypothesis:
        "Each component helps, as in the paper. It could be otherwise: object features average the patches of all " +
        "views and φ of the box centre alone may place an object, so that SG and Attn may change nothing.",
      contrasts: [
        sameAgain,
        ...each(["no-sg", "no-mpe", "no-mpe-boxes", "no-mpe-no-anchor", "no-attn", "no-lg"], "lower"),
        ...each(["frames-2", "frames-4"], "lower"),
        ...each(["frames-12"], "higher"),
        ...each(["language-only"], "lower"),
      ],
      looks: [8, 12],
      controls: [
        sameAgainText,
        "no-mpe-boxes: no coordinate at all; no-mpe-no-anchor: without losses that the arm cannot satisfy",
        "language-only and the baselines of the rows (random, right class) bound what needs no picture",
      ],
    },
  },
  table8: {
    name: "table8",
    question: "What does each component bring when it is added to the base model alone?",
    paperTable: "table8",
    variants: ["base", "base+again", "base+no-anchor", "only-attn", "only-sg", "only-mpe", "only-lg"],
    protocol: {
      ...usual,
      hypothesis:
        "Attn alone brings most (paper: +36 points). The paper's base is near a random pick, so that its gain may be " +
        "that of a head that starts to learn; here the base learns, and Attn may bring nothing.",
      contrasts: [
        sameAgainOn("base"),
        ...each(["only-attn", "only-sg", "only-mpe", "only-lg"], "higher", "base"),
        ...each(["base+no-anchor"], "within", "base"),
      ],
      controls: [
        sameAgainText,
        "only-mpe is the one arm that may see a position: it should stand out",
        "base+no-anchor: without losses that no arm but only-mpe can satisfy",
      ],
    },
  },
  additions: {
    name: "additions",
    question: "Are the additions to the paper that nano training uses needed?",
    variants: ["full", "again", "no-shared-skip", "no-anchor-loss", "no-anchor-attention"],
    protocol: {
      ...usual,
      hypothesis:
        "Without the shared skip or without the anchor loss relations are not learnt; the attention loss is not " +
        "needed. After enough steps all three may turn out to speed learning only (see the transitions).",
      contrasts: [
        sameAgain,
        ...each(["no-shared-skip", "no-anchor-loss"], "lower"),
        ...each(["no-anchor-attention"], "within"),
      ],
      primary: { ...usual.primary, sentences: "relations" },
      controls: [sameAgainText],
    },
  },
  "position-probes": {
    name: "position-probes",
    question: "Which of φ and ψ carries position, in training and at inference?",
    variants: ["full", "again", "no-phi", "no-psi", "no-mpe"],
    protocol: {
      ...usual,
      hypothesis:
        "φ carries nearly all of it: without ψ nothing is lost where no sentence speaks of a viewpoint. Where a " +
        "model that trained with both is asked with one at zero, it loses more than one that trained without.",
      contrasts: [
        sameAgain,
        ...each(["no-phi", "no-mpe"], "lower"),
        ...each(["no-psi"], "within"),
        askedOtherwise("full", "test-phi-off", "lower"),
        askedOtherwise("full", "test-psi-off", "within"),
        { arm: "full", against: "no-phi", on: "test-phi-off", againstOn: "test", expected: "lower" },
      ],
      primary: { ...usual.primary, sentences: "relations" },
      looks: [8, 12],
      controls: [sameAgainText, "φ of box centres stays in every arm: what is left without φ on patches is its part"],
      evaluations: ["val", "test", "test-phi-off", "test-psi-off", "test-mpe-off"],
    },
  },
  viewpoint: {
    name: "viewpoint",
    question: "Do φ and ψ help where a quarter of the sentences state a viewpoint?",
    variants: on("viewpoint-rooms", [
      ...["full", "again", "no-phi", "no-psi", "no-mpe"],
      ...["no-anchor", "no-phi+no-anchor", "no-psi+no-anchor", "no-mpe+no-anchor", "no-box-phi+no-anchor"],
    ]),
    protocol: {
      ...usual,
      hypothesis:
        "φ is enough: standing at one anchor and facing another is arithmetic on positions. ψ could help where φ is " +
        "missing (no-phi against no-mpe).",
      contrasts: [
        sameAgainOn("viewpoint-rooms"),
        ...each(on("viewpoint-rooms", ["no-phi", "no-mpe"]), "lower", "viewpoint-rooms"),
        { arm: "viewpoint-rooms+no-psi", against: "viewpoint-rooms", expected: "within" },
        { arm: "viewpoint-rooms+no-phi", against: "viewpoint-rooms+no-mpe", expected: "open" },
        ...each(on("viewpoint-rooms+no-phi", ["no-anchor"]), "lower", "viewpoint-rooms+no-anchor"),
        ...each(on("viewpoint-rooms+no-psi", ["no-anchor"]), "within", "viewpoint-rooms+no-anchor"),
        ...each(on("viewpoint-rooms+no-mpe", ["no-anchor"]), "lower", "viewpoint-rooms+no-anchor"),
        ...each(on("viewpoint-rooms+no-box-phi", ["no-anchor"]), "lower", "viewpoint-rooms+no-anchor"),
        askedOtherwise("viewpoint-rooms", "test-phi-off", "lower"),
        askedOtherwise("viewpoint-rooms", "test-psi-off", "within"),
      ],
      primary: { ...usual.primary, sentences: "viewpoint" },
      controls: [
        sameAgainText,
        "the anchor-blind bound of viewpoint sentences, in the data card",
        "the four cells without the anchor losses, which arms without φ cannot satisfy; no-box-phi only so, since " +
          "the anchor loss reads box positions",
      ],
      evaluations: ["val", "test", "test-phi-off", "test-psi-off", "test-mpe-off"],
    },
  },
  "position-scale": {
    name: "position-scale",
    question: "Do encodings that dominate the visual features cost semantics (the second break condition)?",
    variants: ["full", "again", "phi-x0.3", "phi-x3", "phi-x10", "psi-x0.3", "psi-x3", "psi-x10"],
    protocol: {
      ...usual,
      hypothesis:
        "Attribute sentences suffer from large encodings, relations do not. The trained projector could as well grow " +
        "along and nothing differ.",
      contrasts: [
        sameAgain,
        ...each(["phi-x0.3", "phi-x3", "psi-x0.3", "psi-x3"], "within"),
        ...each(["phi-x10", "psi-x10"], "lower"),
      ],
      primary: { ...usual.primary, sentences: "attribute" },
      controls: [sameAgainText, "the class words that each arm writes, beside its attribute accuracy"],
      evaluations: [
        ...usual.evaluations,
        ...(["test-phi-x0.3", "test-phi-x3", "test-phi-x10"] as const),
        ...(["test-psi-x0.3", "test-psi-x3", "test-psi-x10"] as const),
      ],
    },
  },
  "attention-overlap": {
    name: "attention-overlap",
    question:
      "Does Attn help where an object's class and its relation show in different views (third break condition)?",
    variants: [
      ...on(adjacent, ["full", "again", "no-attn"]),
      ...on(`${adjacent}+one-view-objects`, ["full", "no-attn"]),
      ...on(`${adjacent}+no-phi+one-view-objects`, ["full", "no-attn", "inter-only", "intra-only"]),
      ...on("frames-4+no-phi+one-view-objects", ["full", "no-attn"]),
    ],
    protocol: {
      ...usual,
      hypothesis:
        "With φ off and object features of one view Attn is the only way for another view's evidence into a patch: " +
        "it should help on adjacent frames, and may mislead on distant ones (the third break condition: spurious " +
        "correspondences). With both on it changes nothing. The language model sees every view, so that even there " +
        "it may not be needed; and without φ both arms may lie at the bound of guesses that know no landmark, where " +
        "nothing can show: with φ and object features of one view they cannot.",
      contrasts: [
        sameAgainOn(adjacent),
        ...each(on(adjacent, ["no-attn"]), "within", adjacent),
        ...each(on(`${adjacent}+one-view-objects`, ["no-attn"]), "lower", `${adjacent}+one-view-objects`),
        ...each(
          on(`${adjacent}+no-phi+one-view-objects`, ["no-attn", "inter-only", "intra-only"]),
          "lower",
          `${adjacent}+no-phi+one-view-objects`,
        ),
        {
          arm: "frames-4+no-phi+one-view-objects+no-attn",
          against: "frames-4+no-phi+one-view-objects",
          on: "split-distant",
          expected: "open",
        },
      ],
      primary: { ...usual.primary, evaluation: "split-adjacent" },
      controls: [
        sameAgainText,
        "φ on and object features of all views: frames-4+neighbours against the same without Attn",
        "the anchor-blind bound of both sets, in their data cards: a cell at the bound decides nothing",
      ],
      evaluations: ["val", "test", "split-distant", "split-adjacent"],
    },
  },
  "sg-geometry": {
    name: "sg-geometry",
    question: "Does SG help where the positions that φ gives are poor or missing?",
    variants: [
      "again",
      ...["full", "phi-holes-90", "phi-shift", "no-phi", "holes-90"].flatMap((arm) => on(arm, ["full", "no-sg"])),
    ],
    protocol: {
      ...usual,
      hypothesis:
        "SG puts geometry into the features: it should matter most where φ says little (90 % holes, no φ) while its " +
        "own target is intact, and less where depth is poor everywhere (holes-90). With a frozen tower it can only " +
        "reach the modules behind it and may change nothing.",
      contrasts: [
        sameAgain,
        ...["full", "phi-holes-90", "phi-shift", "no-phi", "holes-90"].map((arm) => ({
          arm: arm === "full" ? "no-sg" : `${arm}+no-sg`,
          against: arm,
          expected: arm === "full" ? ("within" as const) : ("lower" as const),
        })),
      ],
      primary: { ...usual.primary, sentences: "relations" },
      controls: [
        sameAgainText,
        "full against no-sg with true geometry",
        "holes-90: the one arm in which φ, box membership and SG's target are all spoilt",
      ],
    },
  },
  "sg-tower": {
    name: "sg-tower",
    question: "Does SG help where it reaches the vision tower, as in the paper?",
    variants: ["full", "no-phi"].flatMap((arm) => on(arm, ["full", "no-sg"])).concat(["again"]),
    protocol: {
      ...usual,
      preset: "nano-tower",
      hypothesis:
        "With adapters in the tower and a decoder that never saw its features, L_recon starts far above its floor, " +
        "so that SG has something to teach: tokens should hold more geometry (probe pointmap), and grounding may " +
        "gain where φ is missing. With φ on patches geometry is given already, and nothing may differ.",
      contrasts: [sameAgain, ...each(["no-sg"], "open"), ...each(on("no-phi", ["no-sg"]), "lower", "no-phi")],
      primary: { ...usual.primary, sentences: "relations" },
      controls: [sameAgainText, "the linear probe of both arms: without a difference there SG taught nothing"],
    },
  },
  "few-views": {
    name: "few-views",
    question: "How does accuracy fall with fewer views and fewer rooms, and does SG help there?",
    variants: [
      "again",
      ...["frames-1", "frames-2", "frames-3", "frames-5", "full", "scenes-200"].flatMap((arm) =>
        on(arm, ["full", "no-sg"]),
      ),
    ],
    protocol: {
      ...usual,
      hypothesis: "SG's prior on geometry helps most with few views; it may also only cost capacity.",
      contrasts: [
        sameAgain,
        ...["frames-1", "frames-2", "frames-3", "frames-5", "full", "scenes-200"].map((arm) => ({
          arm: arm === "full" ? "no-sg" : `${arm}+no-sg`,
          against: arm,
          expected: "lower" as const,
        })),
      ],
      controls: [
        sameAgainText,
        "true boxes are offered that no view shows: the share is in the data card (visibility)",
      ],
    },
  },
  frames: {
    name: "frames",
    question: "Do 16 and 24 views help over 8, as the paper's 24 over 16?",
    variants: on("frames-24-rooms", ["full", "again", "frames-4", "frames-12", "frames-16", "frames-24"]),
    protocol: {
      ...usual,
      hypothesis: "More views help a little and ever less (paper: +1.4 from 16 to 24).",
      contrasts: [
        sameAgainOn("frames-24-rooms"),
        ...each(on("frames-24-rooms", ["frames-4"]), "lower", "frames-24-rooms"),
        ...each(on("frames-24-rooms", ["frames-12", "frames-16", "frames-24"]), "higher", "frames-24-rooms"),
      ],
      controls: [sameAgainText, "all arms train and are tested on the same rooms of 24 frames, the reference with 8"],
    },
  },
  baselines: {
    name: "baselines",
    question: "How far is the model above what needs less of it, and above Video-3D-LLM at its size?",
    paperTable: "table1",
    variants: [
      ...["full", "again", "video-3d-llm", "language-only", "language-only+no-mpe-boxes"],
      ...["no-mpe-boxes", "boxes-only", "boxes-labels"],
    ],
    protocol: {
      ...usual,
      hypothesis:
        "Full is above Video-3D-LLM, as in the paper by a few points. φ alone may do all that the sentences ask, so " +
        "that the two do not differ. A transformer over boxes with their true classes has no picture to read and may " +
        "be above both: what full lacks to it, it lacks in seeing.",
      contrasts: [
        sameAgain,
        ...each(["video-3d-llm", "boxes-labels"], "open"),
        ...each(["language-only", "language-only+no-mpe-boxes", "no-mpe-boxes", "boxes-only"], "lower"),
      ],
      looks: [8, 12],
      controls: [
        sameAgainText,
        "computed, not trained, in their own rows of the table: any box, the right class at random, the anchor-blind " +
          "bound and the rule oracle",
        "language-only has no picture but the places of patches; with no-mpe-boxes it has neither: a box at random",
      ],
    },
  },
  table1: {
    name: "table1",
    question: "How does it do on ScanRefer's sentences: unique and multiple, at IoU 0.25 and 0.5?",
    paperTable: "table1",
    variants: ["full", "again", "video-3d-llm"],
    protocol: {
      ...usual,
      hypothesis:
        "Full is above Video-3D-LLM where several objects are of the class (paper: 46.6 against 45.3), and alike " +
        "where the class is unique. At IoU 0.5 the detector's boxes bound both.",
      contrasts: [sameAgain, { arm: "video-3d-llm", against: "full", expected: "lower" }],
      primary: { ...usual.primary, proposals: "detector" },
      looks: [8, 12],
      controls: [sameAgainText, "each row's upper bound: what any choice among the detector's boxes could reach"],
    },
  },
  table3: {
    name: "table3",
    question: "What does it cost: parameters that train, time of a step and of an answer, memory?",
    paperTable: "table3",
    variants: ["full", "no-sg", "video-3d-llm"],
    protocol: {
      ...usual,
      hypothesis:
        "SG adds about a tenth to a training step (paper) and nothing to an answer; at this size its share may be " +
        "larger, since the decoder does not shrink with the model. Accuracy is there to say what the cost buys.",
      contrasts: each(["no-sg", "video-3d-llm"], "open"),
      controls: ["what is counted at 7B stands apart from what is measured; times are of machines with other work"],
      evaluations: ["val", "test"],
    },
  },
  table2: {
    name: "table2",
    question: "How does it do on sentences in Nr3D's and Sr3D's form: easy and hard, view-dependent and not?",
    paperTable: "table2",
    variants: ["full", "again", "no-mpe"],
    protocol: {
      ...usual,
      hypothesis: "Hard and view-dependent sentences are worse; without position encoding hard ones fall most.",
      contrasts: [sameAgain, ...each(["no-mpe"], "lower")],
      primary: { ...usual.primary, evaluation: "test-sr3d" },
      controls: [sameAgainText, "right class at random: what is left where position does not decide"],
      evaluations: ["val", "test", "test-nr3d", "test-sr3d"],
    },
  },
  table4: {
    name: "table4",
    question: "What is kept on rooms of another layout, sensor and kind, never trained on?",
    paperTable: "table4",
    variants: ["full", "again", "no-sg", "no-mpe", "no-attn"],
    protocol: {
      ...usual,
      hypothesis:
        "Accuracy falls on arkit-like rooms (paper: 59.2 to 43.3 without fine-tuning), by half or more; SG helps " +
        "there if it gives geometry that the sensor does not spoil.",
      contrasts: [sameAgain, ...each(["no-sg"], "lower"), ...each(["no-mpe", "no-attn"], "open")],
      primary: { ...usual.primary, evaluation: "arkit-like" },
      controls: [sameAgainText, "the same arms on test rooms of their own kind"],
      evaluations: ["val", "test", "arkit-like", "multiscan-like"],
    },
  },
  outdoor: {
    name: "outdoor",
    question: "What is left where coordinates leave φ's range (15 m)?",
    variants: ["full", "again", "no-phi", "no-mpe"],
    protocol: {
      ...usual,
      hypothesis: "Full falls to the level of no-phi or below it: φ clamps, and says the same of all that is far away.",
      contrasts: [sameAgain, ...each(["no-phi", "no-mpe"], "open")],
      primary: { ...usual.primary, evaluation: "street", sentences: "relations" },
      controls: [sameAgainText, "the pictures of street are those of ordinary rooms: only places are larger"],
      evaluations: ["val", "test", "street"],
    },
  },
  "proposal-noise": {
    name: "proposal-noise",
    question: "How does accuracy fall with the boxes that are offered?",
    variants: ["full", "again", "noise-trained", "no-mpe", "no-attn"],
    protocol: {
      ...usual,
      hypothesis:
        "Jitter costs little until boxes of neighbours overlap; the model that was trained on true boxes then loses " +
        "more than the upper bound does, and one that was trained on boxes as far off (noise-trained) loses less. On " +
        "true boxes the two may not differ.",
      contrasts: [
        sameAgain,
        ...each(["noise-trained"], "higher"),
        { arm: "noise-trained", against: "full", on: "noise-40", expected: "higher" },
        { arm: "noise-trained", against: "full", on: "duplicates", expected: "within" },
        ...each(["no-mpe"], "lower"),
        ...each(["no-attn"], "open"),
      ],
      primary: { ...usual.primary, evaluation: "noise-20", proposals: "detector" },
      controls: [
        sameAgainText,
        "duplicates: boxes as they are, each offered twice",
        "each row's upper bound: what any choice among the boxes could reach",
      ],
      evaluations: ["val", "test", "noise-10", "noise-20", "noise-40", "misses", "duplicates"],
    },
  },
  "annotation-errors": {
    name: "annotation-errors",
    question: "How much do wrong annotations cost, and how many of the errors are theirs?",
    variants: ["full", "again", "no-mpe"],
    protocol: {
      ...usual,
      hypothesis: "A tenth of wrong labels takes a tenth of what a model can score, and no more.",
      contrasts: [sameAgain, ...each(["no-mpe"], "lower")],
      primary: { ...usual.primary, evaluation: "mislabelled" },
      controls: [sameAgainText, "what a model without an error would score is known: the share of right labels"],
      evaluations: ["val", "test", "mislabelled"],
    },
  },
  "released-vs-paper": {
    name: "released-vs-paper",
    question: "Do the release's departures from the paper change what is learnt?",
    variants: [
      ...["full", "again", "released-layout", "released-units", "released-pooling", "released-holes"],
      ...["released-rays", "released-global", "released-training"],
    ],
    protocol: {
      ...usual,
      hypothesis:
        "The released token order makes attention useless but harmless, and millimetres spoil the reconstruction " +
        "target without an effect on grounding. All of it together may cost more than each. The true class in front " +
        "of <ground> (the release's evaluation) overstates nothing where sentences name the class.",
      contrasts: [
        sameAgain,
        ...each(["released-layout", "released-units", "released-pooling", "released-holes"], "within"),
        ...each(["released-rays", "released-global", "released-training"], "within"),
        askedOtherwise("full", "test-gold", "within"),
      ],
      controls: [sameAgainText],
      evaluations: ["val", "test", "test-gold"],
    },
  },
  "honest-eval": {
    name: "honest-eval",
    question: "How much does an evaluation that is given the true class overstate?",
    variants: ["full", "again", "no-lg"],
    protocol: {
      ...usual,
      hypothesis:
        "Nothing where the sentence names the class, as nearly all do: the model writes the class that it reads. " +
        "Compare the evaluations test (generated), test-gold and test-object of the same runs.",
      contrasts: [
        sameAgain,
        askedOtherwise("full", "test-gold", "within"),
        askedOtherwise("full", "test-object", "open"),
        askedOtherwise("no-lg", "test-gold", "within"),
      ],
      controls: [sameAgainText, "no-lg writes no class: its three evaluations must agree"],
      evaluations: ["val", "test", "test-gold", "test-object"],
    },
  },
  "sg-weight": {
    name: "sg-weight",
    question: "Does the weight of the reconstruction loss, or its start, matter (the first break condition)?",
    variants: ["full", "again", "no-sg", "recon-0.1", "recon-1", "recon-late"],
    protocol: {
      ...usual,
      hypothesis:
        "Transfer fails when reconstruction converges before grounding features form: a late start should do worse " +
        "or no better than an early one. With a frozen tower nothing may differ.",
      contrasts: [sameAgain, ...each(["no-sg", "recon-0.1", "recon-1", "recon-late"], "open")],
      controls: [sameAgainText],
    },
  },
} as const satisfies Record<string, Study>;
export type StudyName = keyof typeof studies;

/** The study called `name`. @throws UserError listing the known ones */
export function studyNamed(name: string): Study {
  if (!Object.hasOwn(studies, name)) throw unknownName("study", name, Object.keys(studies));
  return studies[name as StudyName];
}
