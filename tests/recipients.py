"""Examples of recipients as people write them, and of texts that are none, for many tests."""

WRITTEN = {
    # As WhatsApp Web and the contacts of Windows copy it: in a left-to-right embedding.
    "\u202a+91\u00a098765\u00a043210\u202c": "919876543210",
    "+1 (385) 555-1337\u202c": "13855551337",
    # https://github.com/signalapp/Signal-Android/issues/11630: in an isolate.
    "\u2068+1 650-253-0000\u2069": "16502530000",
    # https://github.com/contao/core/issues/8434: behind a left-to-right mark.
    "\u200e79022222222": "79022222222",
    # https://github.com/woocommerce/woocommerce/issues/58000: from a PDF, a variation selector.
    "+1\ufe0d-555-123-4567": "15551234567",
    # https://github.com/woocommerce/woocommerce/issues/20616
    "\u202d+47 0000 00003\u202c": "47000000003",
    # As libphonenumber's own tests have them: a soft hyphen, full-width forms, Japan's long mark
    # for a dash, Mongolian digits, Arabic-Indic ones among others.
    "1 (650) 253\u00ad-0000": "16502530000",
    "\uff0b1 (650) 253-0000": "16502530000",
    "＋１\u3000（６５０）\u3000２５３－００００": "16502530000",
    "＋１\u3000（６５０）\u3000２５３ー００００": "16502530000",
    "\u1811 \u1816\u1815\u1810 \u1812\u1815\u1813 \u1810\u1810\u1810\u1810": "16502530000",
    # In an Arabic text the number stands between right-to-left marks, in its own digits.
    "\u200f\u061c+٩٧١ ٥٠ ١٢٣ ٤٥٦٧\u200f": "971501234567",
    "\u202b۰۰۹۸ ۹۱۲ ۳۴۵ ۶۷۸۹\u202c": "989123456789",
    # As French typesetting and word processors have it: narrow spaces, dashes that don't break.
    "+33\u202f6\u202f12\u202f34\u202f56\u202f78": "33612345678",
    "+91\u201198765\u201143210": "919876543210",
    "+91 98765\u221243210": "919876543210",
    "+91 98765\u201343210": "919876543210",
    # As spreadsheets and exports of contacts guard it.
    "'+919876543210": "919876543210",
    '="919876543210"': "919876543210",
    "\ufeff919876543210": "919876543210",
    "+91 98765\t43210\r\n": "919876543210",
    "91/98765/43210": "919876543210",
    "919,876,543,210": "919876543210",
    "(0091) 98765 43210": "919876543210",
}
"""Phone numbers as programs copy them, each with its digits."""

TOO_FEW = [
    *("12345", "+", " ", "...", "12 34", "***", "12#45", "-", "#####"),
    *("\u200e", "000000", "0012345", "\u0661\u0662\u0663", "\u3164\u3164", "\U0001f600", "0"),
]
"""Fewer than six digits, and no letter."""
SPOILT = [
    *(
        "919876540001.0",
        "919876540001,0",
        "919876540001.00",
        " 919876540001.0\n",
        "+919876540001.0",
    ),
    *("'919876540001.0", '"919876540001.0"', "919876540001.0\u200e", "919876540001.0\x00"),
    *("919,876,540,001.00", "919.876.540.001,00", "919 876 540 001,0", "9,19,87,65,40,001.00"),
    *("919\u00a0876\u00a0540\u00a0001,00", "919\u202f876\u202f540\u202f001,00", "₹919876540001.00"),
    *("9.19877E+11", "9,19877E+11", "9.19877e11", " 9.19877E+11 ", "9.19877 E+11", "9E+11"),
    *("9.19877E+011", "9.19877×10^11", "9.19877x10^11", "9.19877⋅10¹¹"),
    *("９．１９８７７Ｅ＋１１", "٩١٩٨٧٦٥٤٠٠٠١٫٠", "1.20363E+17", "120363023456789012.0", "12345.0"),
    *("#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!"),
]
"""Texts that a spreadsheet makes of a number, or shows instead of it."""
PLACEHOLDERS = [
    *("undefined", "null", "nan", "none", "nil", "Undefined", "NULL", "NaN", "None", " null "),
    *("(null)", "<NA>", "N/A", "#N/A", "n/a", "\\N", "[object Object]", "True", "false", "NaT"),
    *(
        "+undefined",
        "91undefined",
        "undefinedundefined",
        "ｎｕｌｌ",
        "undefined9876543210",
        "nul\u200el",
        "nu\u00adll",
    ),
]
"""Words that programs write for a missing value."""
ODD_DIGITS = [
    "91987654321\u24ea",
    "91987654321\u2070",
    "91987654321½",
    "919876543210\u00b9",
    "\u2169919876543210",
]
"""Characters of a number that are no decimal digits."""
CONTROLS = ["US.1\x00", "us\n1", "abc\x85", "12345678901234567\x07"]
"""Ids with control characters."""

REFUSED = [*TOO_FEW, *SPOILT, *PLACEHOLDERS, *ODD_DIGITS, *CONTROLS]
