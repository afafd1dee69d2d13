"""Numbers as they are written where most brokerages are: 1.250.000,50."""

DECIMAL_SEPARATOR = ","
THOUSAND_SEPARATOR = "."
