"""What the engine should do, said once more in plain Python: one brokerage, a few leads, one worker, no database.

Written from docs/engine.md, docs/contact-rules.md, docs/scoring.md and the design's words on pipeline, campaigns,
engine and policy; it shares no code with the product. Things are dataclasses, verbs are functions over a `World`.
"""
