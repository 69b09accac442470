"""The label space: twenty topics and three sentiments.

The topics and their order are those of the public data set
``zeroshot/twitter-financial-news-topic`` (ids 0 to 19).
"""

TOPICS: tuple[str, ...] = (
    "Analyst Update",
    "Fed | Central Banks",
    "Company | Product News",
    "Treasuries | Corporate Debt",
    "Dividend",
    "Earnings",
    "Energy | Oil",
    "Financials",
    "Currencies",
    "General News | Opinion",
    "Gold | Metals | Materials",
    "IPO",
    "Legal | Regulation",
    "M&A | Investments",
    "Macro",
    "Markets",
    "Politics",
    "Personnel Change",
    "Stock Commentary",
    "Stock Movement",
)

SENTIMENTS: tuple[str, ...] = ("negative", "neutral", "positive")

# Who labelled decides what counts as neutral. The sentiment head answers for each convention and
# says how likely the text is of its manner; what the model says is the mixture.
CONVENTIONS: tuple[str, ...] = ("news desk tweets", "headlines by entity", "a holder reading")

NEGATIVE = SENTIMENTS.index("negative")

UNSURE = "unsure"  # given instead of a label by a model that would more likely be wrong than right
