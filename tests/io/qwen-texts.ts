import { Rng } from "../../lib/core/rng";
import { RoomsConfig, roomSets } from "../../lib/datasets/rooms/config";
import { drawLayout } from "../../lib/datasets/rooms/layout";
import { writeSentences } from "../../lib/datasets/rooms/sentences";

/** Sentences of S2-Rooms, in the order in which the rooms are drawn. */
export function roomSentences(count: number): string[] {
  const config = RoomsConfig.parse(roomSets.tiny);
  const texts = new Set<string>();
  for (let seed = 0; texts.size < count; seed++) {
    const layout = drawLayout(config, new Rng(seed, "layout"));
    if (layout === undefined) continue;
    const all = new Set(layout.objects.map(({ id }) => id));
    const shown = { attribute: all, relation: all };
    for (const { text } of writeSentences(layout, shown, 30, config, new Rng(seed, "sentences"))) texts.add(text);
  }
  return [...texts].slice(0, count);
}

/**
 * What people write in ScanRefer, Nr3D and elsewhere: punctuation, numbers, blanks, other scripts, combined letters.
 */
export const unusualTexts: readonly string[] = [
  "This is a black tv. it's hung on the wall, left of the white-board!!",
  "the 2nd chair (from the left); 3.5m x 0.75m, $12.99, 50% off - room #101",
  "it is the one w/ the    wide   gaps",
  "\ttabs\tand trailing blanks   ",
  "two\nlines.\n\nand a gap\r\nwindows line.\r\n",
  "IT'S THE CHAIR'S we're they'll I'd you've I'm DON'T",
  "e-mail@example.org http://example.org/a?b=c&d=[1,2]",
  "1234567890 12,345.678 0x7fff 1e-05 ½ ¾ ² ³ Ⅳ ٣ ४",
  "naïve café façade, Ångström, cafe\u0301 and A\u030angstrom",
  "门左边的红色椅子，靠近桌子。",
  "テーブルの一番近くにある椅子です。",
  "빨간 탁자에 가장 가까운 의자",
  "стул ближе всего к красному столу",
  "η καρέκλα δίπλα στο κόκκινο τραπέζι",
  "הכיסא הקרוב ביותר לשולחן האדום",
  "الكرسي الأقرب إلى الطاولة الحمراء",
  "लाल मेज के सबसे पास वाली कुर्सी",
  "เก้าอี้ที่ใกล้โต๊ะสีแดงที่สุด",
  "the chair 🪑 next to 👩‍👩‍👧‍👦 and 🇩🇪 flags",
  "zero\u200bwidth, no\u00a0break, thin\u2009space, \u3000wide",
  "ﬁne ligatures, ｆｕｌｌｗｉｄｔｈ, ß and ẞ, İstanbul, ǅ",
  "…—–“quotes” ‘single’ «guillemets» ‹›",
  "}{][)(<>|\\/^~`@#$%^&*_+=-",
  "<|im_start|>user", // special tokens inside a text are the tokens themselves
  "a <ground> b<image>c <coord>",
];
