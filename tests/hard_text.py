"""Text that is hard for tokenizers, and some to train them on."""

from __future__ import annotations

LEARNED = [
    "the cat sat on the mat",
    "a dog ate the cat",
    "Größe, naïve café: 3. März",
    "2024年5月3日 שלום مرحبا café Å 👍🏽",
]

HARD_TEXT = {
    "empty": "",
    "spaces": "   ",
    "wide spaces": "\u00a0\u3000\u2009",
    "zero width": "\u200b\u200b",
    "line ends": "\t\r\n",
    "spaces around": "  two  spaces  ",
    "kinds of spaces": "no\u00a0break\u202fnarrow\u2009thin\u2003em\u3000ideographic",
    "kinds of ends": "tab\tline\u2028par\u2029next\u0085cr\rlf\nvt\x0bff\x0ccrlf\r\n.",
    "joiners": "zero\u200bwidth\u200cnon\u200djoin\ufeffmark\u2060word",
    "emoji": "👩‍👩‍👧‍👦 🇩🇪 👍🏽 ❤️ 1️⃣ 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "composed": "café Ångström \u1e69",
    "decomposed": "cafe\u0301 A\u030angstro\u0308m s\u0323\u0307",
    "marks": "a" + "\u0300\u0323\u0335" * 17,
    "mark alone": "\u0301 e",
    "hebrew": "שָׁלוֹם עולם",
    "arabic": "مَرْحَبًا \u200fبالعالم\u200e ﷺ",
    "persian": "می\u200cخواهم",
    "indic": "नमस्ते ไทย",
    "cjk": "日本語テキスト。㍿ ｶﾞ 漢字 한국어 각 \u1100\u1161\u11a8",
    "letters of mathematics": "𝔘𝔫𝔦 𝒳 ℵ ∑ ½ № ① Ⅳ x²",
    "ligatures": "ﬁne ﬄ ĳ œ ß ẞ",
    "case": "ELVE İstanbul IĞDIR ılık Σίσυφος",
    "soft hyphen": "soft\u00adhyphen non\u2011breaking",
    "beyond the plane": "𐤀𐤁 𒀀 𝄞",
    "private": "\ue000 \U000f0000",
    "no characters": "\ufffe\uffff \U0010ffff",
    "control": "a" + "".join(map(chr, range(1, 32))) + "b\x7f\x80\x9fc",
    "nul": "a\0b",
    "nul at the ends": "\0ab\0",
    "nothing but nul": "\0",
    "spelled tokens": "</s> <s> <pad> <unk> <0x41> ⁇ \ufffd",
    "space symbol": "▁a ▁_▁▁b▁ ▅",
    "long word": "abcdefghij" * 500,
    "one letter": "a" * 5000,
    "long word of wide characters": "漢字" * 2500,
    "many words": "the cat " * 1000,
}
