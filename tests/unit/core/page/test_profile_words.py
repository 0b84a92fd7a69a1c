"""What the card says of images and texts as they were delivered."""

from pipeline.core.page.profile_words import of_whole


def test_images_in_words() -> None:
    images = {
        "num_undecodable": 3,
        "num_beyond_limits": 1,
        "formats": [{"value": "PNG", "count": 1200}, {"value": "JPEG", "count": 5}],
        "modes": [{"value": "L", "count": 1205}],
        "num_sizes": 4,
        "sizes": [{"value": "28 × 28", "count": 1200}, {"value": "30 × 20", "count": 2}],
        "bytes": {"min": 186, "median": 500.0, "max": 1868},
    }
    assert of_whole({"images": images}) == (
        "PNG (1,200), JPEG (5); channels L (1,205); pixels 28 × 28 (1,200), 30 × 20 (2) "
        "and 2 other sizes; 186 to 1,868 bytes each; "
        "3 cannot be decoded; 1 of these are too large to be"
    )


def test_texts_in_words_and_other_columns_in_none() -> None:
    texts = {
        "num_empty": 1,
        "num_near_duplicates": 2,
        "num_characters": {"min": 0, "median": 90.0, "max": 1200},
        "num_words": {"min": 0, "median": 20.0, "max": 300},
        "scripts": [{"value": "latin", "count": 99}],
        "personal_data": {"email": 4, "card_number": 0},
    }
    assert of_whole({"texts": texts}) == (
        "0 to 300 words, 0 to 1,200 characters; 1 empty; 2 with the words of another; "
        "scripts latin (99); personal data: email 4"
    )
    assert of_whole({"name": "age"}) == ""
