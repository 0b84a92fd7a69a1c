"""The matrix of classes and decisions, and its largest cells in words."""

from typing import Any

from pipeline.report import confusion_page

FOUND: dict[str, Any] = {
    "confusion": {
        "classes": ["coat", "shirt", "<shoe>"],
        "counts": [[8, 2, 0], [30, 70, 0], [0, 1, 99]],
    }
}


def test_the_most_frequent_mistakes_among_the_rows_of_a_class_come_first() -> None:
    found = [
        (one["label"], one["decision"], one["num_rows"]) for one in confusion_page.worst(FOUND)
    ]
    assert found == [("shirt", "coat", 30), ("coat", "shirt", 2), ("<shoe>", "shirt", 1)]
    assert [one["share"] for one in confusion_page.worst(FOUND)] == [0.3, 0.2, 0.01]
    assert confusion_page.worst({}) == []


def test_the_matrix_shows_each_number_and_says_the_mistakes() -> None:
    svg = confusion_page.draw(FOUND)["confusion"]
    for number in (8, 2, 30, 70, 1, 99):
        assert f">{number}<" in svg
    assert "shirt taken for coat, 30.0%" in svg
    assert "<shoe>" not in svg
    assert svg == confusion_page.draw(FOUND)["confusion"]


def test_what_cannot_be_read_is_not_drawn() -> None:
    num = confusion_page.MAX_DRAWN + 1
    counts = [[int(i == j) for j in range(num)] for i in range(num)]
    many = {"confusion": {"classes": [str(i) for i in range(num)], "counts": counts}}
    assert confusion_page.draw(many) == confusion_page.draw({}) == {}
    assert confusion_page.worst(many) == []
