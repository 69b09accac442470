from classifier.text import model_text, story_key


def test_the_model_reads_no_addresses_and_no_entities():
    assert model_text("Profit &amp; loss   https://t.co/abc", "") == "Profit & loss"


def test_copies_of_a_story_share_a_key():
    first = story_key("Bank shares fall https://t.co/1")
    assert first == story_key("RT @someone: bank shares  FALL https://t.co/2")
    assert first != story_key("Bank shares rise")


def test_title_and_body_are_read_together():
    assert model_text("Title", "and body") == "Title and body"
