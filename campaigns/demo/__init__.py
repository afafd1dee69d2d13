"""A brokerage to look at: Inmobiliaria Aurora, its leads from a messy file, and a fortnight of its campaigns."""
