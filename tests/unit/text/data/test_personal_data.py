"""Planted personal data are found and masked; what looks like them is left alone."""

import time

import pytest

from pipeline.text.data.personal_data import masked, num_found

PLANTED = {
    "write to jane.doe+shop@mail.example.co.uk.": ("write to [email].", {"email": 1}),
    "(a_b@x.io) and C-D@Y.ORG": ("([email]) and [email]", {"email": 2}),
    "card 4111 1111 1111 1111 was charged": ("card [card] was charged", {"card": 1}),
    "4111-1111-1111-1111,5500000000000004": ("[card],[card]", {"card": 2}),
    "amex 378282246310005 2012": ("amex [card] 2012", {"card": 1}),
    "call (212) 555-0123 or 212.555.0123!": ("call [phone] or [phone]!", {"phone": 2}),
    "1-800-555-0123": ("[phone]", {"phone": 1}),
    "tel:+49 89 1234567": ("tel:[phone]", {"phone": 1}),
    "ring +44 20 7946 0958, please": ("ring [phone], please", {"phone": 1}),
    "020 7946 0958": ("[phone]", {"phone": 1}),
    "212 555 0123 is mine": ("[phone] is mine", {"phone": 1}),
}
LOOK_ALIKES = (
    "it cost $1,299.99 on 2012-10-26, or 10/26/2012",
    "from 1999-2004, pages 555-1234",
    "me @ home, user@localhost, name@, @handle, a@b",
    "product B000J0LSBG, UPC 041220576920, ZIP 90210-1234",
    "order 4111 1111 1111 1112",  # its check digit is another
    "0000 0000 0000 0000",  # the check digit is right, but no issuer begins so
    "serial 1234567812345670",  # the same
    "ISBN 978-0-306-40615-7, host 192.168.100.12",
    "100-200-300 mg, 10 000 000 000 stars, 5551234567",
    "ratio 212.555.01234 and 3.14159265358979",
    "version 1.800.555.0123.4",
)


@pytest.mark.parametrize("text", PLANTED)
def test_what_was_planted_is_masked_and_counted_by_kind(text: str) -> None:
    assert masked(text) == PLANTED[text]
    assert num_found(text) == sum(PLANTED[text][1].values())
    assert masked(PLANTED[text][0]) == (PLANTED[text][0], {})  # a second time finds nothing


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_what_looks_like_it_is_left_alone(text: str) -> None:
    assert masked(text) == (text, {})


def test_addresses_of_the_web_are_masked_where_asked_for() -> None:
    text = "see https://shop.example/a?b=jane@x.org (or www.shop.example/tea)."
    assert masked(text, ("url", "email")) == ("see [url] (or [url]).", {"url": 2})
    assert masked(text) == (text.replace("jane@x.org", "[email]"), {"email": 1})


@pytest.mark.parametrize("one", ["a", "1", "1 ", "a@", "a.", "+1 ", "(212) ", "http://", "0", "-"])
def test_a_text_of_a_megabyte_takes_no_longer_than_its_length_asks_for(one: str) -> None:
    text = one * (1_000_000 // len(one))
    start = time.perf_counter()
    masked(text, ("url", "email", "card", "phone"))
    assert time.perf_counter() - start < 20  # well below a second; squared it would be hours
