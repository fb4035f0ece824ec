"""The guests of `make demo`. They are not real people: the names are combined at random.

The phone numbers are from ranges that their countries reserve for films and books.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple
from uuid import NAMESPACE_OID, uuid5

NAMES = (
    ("Amelia Oliver Harriet Theo Imogen Jasper", "Hartley Fenwick Ashdown Thornbury Marlowe"),
    ("Ananya Rohan Priya Vikram Meera Arjun", "Iyer Deshpande Banerjee Chopra Nair"),
    ("Camille Étienne Chloé Raphaël Zoé Benoît", "Lefèvre Garçon Delacroix Béranger Noël"),
    ("Lucía Íñigo Ximena Andrés Begoña Martín", "Peñalver Ibáñez Castañeda Quiñones Nuño"),
    ("Łukasz Zuzanna Paweł Małgorzata Jędrzej", "Wróblewska Dąbrowski Święcka Żak Łęcki"),
    ("Søren Åsa Bjørn Freja Jürgen Märta", "Østergård Åkesson Lindqvist Grünwald Størmer"),
    ("Adébáyọ̀ Ṣadé Chidinma Kwame Ngozi Tendai", "Okonjo Adéyẹmí Mensah Balogun Eze"),
    ("Nguyễn Trần Phạm Đặng Võ", "Thị~Hạnh Quốc~Dũng Bảo~Ngọc Minh~Đức Thu~Hà"),
    ("Ayşe Çağla Emre Gökçe İlker", "Yıldız Öztürk Şahin Güneş Çelik"),
    ("Оксана Дмитро Соломія Тарас Їжакевич", "Шевчук Бондар Гнатюк Ковальчук Мельник"),
    ("Ελένη Νίκος Δήμητρα Γιώργος Άννα", "Παππά Οικονόμου Βασιλείου Κωστή Λάμπρου"),
    ("ليلى يوسف مريم كريم سلمى", "حداد المنصوري الخوري درويش نصار"),
    ("अनन्या रोहन मीरा विक्रम काव्या", "शर्मा देशपांडे अय्यर चौहान मिश्रा"),
    ("王 李 陈 林 黄", "思远 雨桐 子轩 晓明 若曦"),
    ("佐藤 鈴木 高橋 渡辺 小林", "さくら 健太 美咲 大輔 陽菜"),
    ("김 이 박 최 정", "민준 서연 지우 하윤 도현"),
)
"""First and second parts of names, a pair for each language; ~ is a space inside of a part."""

WEIGHTS = (10, 8, 5, 5, 3, 4, 4, 3, 3, 2, 2, 3, 2, 2, 2, 1)
"""How often each language is used."""

TOGETHER = {"王", "佐"}
"""The first letters of languages whose names are written without a space."""

AREA_CODES = (
    *(201, 202, 206, 212, 213, 214, 215, 216, 301, 302, 303, 304, 305, 307, 310, 312, 313, 314),
    *(316, 317, 319, 401, 402, 404, 405, 406, 408, 410, 412, 414, 415, 416, 417, 418, 419, 501),
    *(502, 503, 504, 505, 507, 508, 509, 512, 513, 514, 515, 516, 517, 602, 603, 604, 605, 606),
)
"""Area codes of the United States and Canada: in each, 555 0100 to 555 0199 are for fiction."""


class Guest(NamedTuple):
    """A person who is invited.

    Attributes:
        guest_id: a UUID.
        name: in any script.
        phone: digits, with the country code.
    """

    guest_id: str
    name: str
    phone: str


def guests(random: Random) -> list[Guest]:
    """All guests, several thousand, each with a phone number of their own."""
    phones = _phones()
    random.shuffle(phones)
    return [Guest(str(uuid5(NAMESPACE_OID, phone)), _name(random), phone) for phone in phones]


def _phones() -> list[str]:
    american = [f"1{code}55501{n:02}" for code in AREA_CODES for n in range(100)]
    british = [f"447700900{n:03}" for n in range(1_000)]
    swedish = [f"46701740{n}" for n in range(605, 700)]
    return american + british + swedish


def _name(random: Random) -> str:
    (parts,) = random.choices(NAMES, WEIGHTS)
    first, second = (random.choice(words.split()).replace("~", " ") for words in parts)
    return f"{first}{'' if parts[0][0] in TOGETHER else ' '}{second}"
